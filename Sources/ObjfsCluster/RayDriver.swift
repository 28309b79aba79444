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
    static let program = """
        import ctypes
        import os
        import signal
        import subprocess
        import sys

        import ray


        def work(command):
            environment = dict(os.environ)
            environment.pop("OMP_NUM_THREADS", None)
            control = ctypes.CDLL(None).prctl
            end_with_parent = 1
            given = "input" if os.path.exists("input") else os.devnull
            with open(given, "rb") as standard_input:
                process = subprocess.Popen(
                    command, env=environment, stdin=standard_input,
                    preexec_fn=lambda: control(end_with_parent, signal.SIGTERM))
            try:
                return process.wait()
            finally:
                if process.poll() is None:
                    process.terminate()
                    process.wait()


        ray.init(address="auto", log_to_driver=False)
        task = ray.remote(num_cpus=1, max_retries=-1)(work)
        ray.get([task.remote(sys.argv[2:]) for _ in range(int(sys.argv[1]))])

        """
}
