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
    /// two; what travels with the job, the program and what workers are given, reaches them as objects of Ray's instead.
    static let program = """
        import ctypes
        import json
        import os
        import signal
        import subprocess
        import sys

        import ray


        def in_memory(content):
            file = os.memfd_create("objfs")
            with os.fdopen(file, "wb", closefd=False) as memory:
                memory.write(content)
            os.lseek(file, 0, os.SEEK_SET)
            return file


        def stand_apart(control):
            # Ray kills the children of its process that ends, and not theirs: it meets one here that only waits,
            # and the worker is told, so that it ends its tasks with all that they started.
            end_with_parent = 1
            control(end_with_parent, signal.SIGTERM)
            waiting = os.getpid()
            worker = os.fork()
            if worker != 0:
                os.closerange(0, 1024)
                os.waitpid(worker, 0)
                os._exit(0)
            control(end_with_parent, signal.SIGTERM)
            if os.getppid() != waiting:
                os._exit(1)


        def work(command, program, given):
            environment = dict(os.environ)
            environment.pop("OMP_NUM_THREADS", None)
            control = ctypes.CDLL(None).prctl
            path, files = command[0], []
            if program is not None:
                files.append(in_memory(program))
                path = f"/proc/self/fd/{files[0]}"
            standard_input = in_memory(given) if given is not None else os.open(os.devnull, os.O_RDONLY)
            process = subprocess.Popen(
                command, executable=path, pass_fds=files, env=environment, stdin=standard_input,
                preexec_fn=lambda: stand_apart(control))
            for file in files + [standard_input]:
                os.close(file)
            try:
                return process.wait()
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()


        def sent_once(name):
            # What travelled with the job under a name, as an object of Ray; nothing if nothing did.
            if not os.path.exists(name):
                return None
            with open(name, "rb") as file:
                return ray.put(file.read())


        name = "RAY_JOB_CONFIG_JSON_ENV_VAR"
        os.environ[name] = json.dumps(json.loads(os.environ.get(name) or "{}") | {"runtime_env": {}})
        ray.init(address="auto", log_to_driver=False)
        task = ray.remote(num_cpus=1, max_retries=-1)(work)
        sent = [sent_once(name) for name in ("objfs", "input")]
        ray.get([task.remote(sys.argv[2:], *sent) for _ in range(int(sys.argv[1]))])

        """
}
