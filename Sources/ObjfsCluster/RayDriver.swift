/// What runs on a Ray cluster to start workers: no more than that.
enum RayDriver {
    /// Runs the driver by the Python that Ray itself runs in: what `python3` means to the job may know nothing of Ray.
    static let script = """
        #!/bin/sh
        process=$$
        while [ "${process:-0}" -gt 1 ]; do
            library=$(sed -n 's|^[^/]*\\(/.*\\)/ray/_raylet\\.so$|\\1|p' "/proc/$process/maps" 2> /dev/null | head -n 1)
            if [ -n "$library" ]; then
                PYTHONPATH="$library${PYTHONPATH:+:$PYTHONPATH}" exec "$(readlink "/proc/$process/exe")" driver.py "$@"
            fi
            process=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$process/status")
        done
        exec python3 driver.py "$@"

        """

    /// Runs the command line behind its first argument so many times at once, each as a task of Ray.
    ///
    /// Ray runs a task again whose node was lost. A worker ends with the process of Ray that started it.
    /// The tasks have none of the job's environment, for then Ray would start processes for them that take a second or
    /// two; the program, where it travels with the job, reaches them as an object of Ray's instead.
    static let program = """
        import ctypes
        import json
        import os
        import signal
        import subprocess
        import sys

        import ray


        def work(command, content):
            environment = dict(os.environ)
            environment.pop("OMP_NUM_THREADS", None)
            control = ctypes.CDLL(None).prctl
            end_with_parent = 1
            program, files = command[0], ()
            if content is not None:
                file = os.memfd_create("objfs")
                with os.fdopen(file, "wb", closefd=False) as memory:
                    memory.write(content)
                program, files = f"/proc/self/fd/{file}", (file,)
            process = subprocess.Popen(
                command, executable=program, pass_fds=files, env=environment, stdin=subprocess.DEVNULL,
                preexec_fn=lambda: control(end_with_parent, signal.SIGTERM))
            for file in files:
                os.close(file)
            try:
                return process.wait()
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()


        name = "RAY_JOB_CONFIG_JSON_ENV_VAR"
        os.environ[name] = json.dumps(json.loads(os.environ.get(name) or "{}") | {"runtime_env": {}})
        ray.init(address="auto", log_to_driver=False)
        content = None
        if os.path.exists("objfs"):
            with open("objfs", "rb") as file:
                content = ray.put(file.read())
        task = ray.remote(num_cpus=1, max_retries=-1)(work)
        ray.get([task.remote(sys.argv[2:], content) for _ in range(int(sys.argv[1]))])

        """
}
