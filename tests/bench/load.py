"""Load with wrk: one run, one thread, and what it tells."""

import json
import shlex
import shutil
import subprocess

from contestants import HERE
from servers import WAIT_S, Trouble


class Load:
    """What one run of wrk counted."""

    def __init__(self, server, body_file, connections, seconds, processor=None, preload=None):
        """processor: the one that wrk runs on; None: any. preload: a library that changes wrk."""
        wrk = shutil.which("wrk")
        if wrk is None:
            raise Trouble("wrk is not installed: apt-get install wrk")
        argv = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "post.lua"),
                server.url, "--", str(body_file)]
        if preload is not None:
            argv[:0] = ["env", f"LD_PRELOAD={preload}"]
        if processor is not None:
            argv[:0] = ["taskset", "-c", str(processor)]
        self.command = shlex.join(argv)
        cpu_before_s = server.cpu_s()
        try:
            done = subprocess.run(argv, capture_output=True, text=True, check=False,
                                  timeout=seconds + WAIT_S)
        except subprocess.TimeoutExpired as fault:
            raise Trouble(str(fault)) from fault
        cpu_s = server.cpu_s() - cpu_before_s
        try:
            told = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            raise Trouble(f"'{self.command}' failed: {done.stderr[:300]}") from None
        self.server = server.command
        self.n_requests = told["requests"]
        if self.n_requests == 0 or told["failed"] + told["refused"] > 0:
            raise Trouble(f"'{self.command}' against '{server.command}': {told}")
        self.per_second = self.n_requests * 1e6 / told["duration_us"]
        self.p50_us = told["p50_us"]
        self.p99_us = told["p99_us"]
        self.cpu_us = cpu_s * 1e6 / self.n_requests
