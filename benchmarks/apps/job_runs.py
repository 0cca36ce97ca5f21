"""What `specter run` costs a job: its time beyond the command's, with the receiver up.

Beside it, in turn, a shell script that does a part of the same by two calls of curl.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import report
from tests.exporters.jobs.serving_jobs import KEY, running_jobs

CURL = "curl -fsS -m 10 -o /dev/null"
SCRIPT = f'{CURL} "$1/start"; true; code=$?; {CURL} "$1/$code"; exit $code'


def report_runs(rounds: int) -> None:
    """Report `job_run_overhead_ms` and the processor's part: medians of `rounds`, after one that warms up."""
    with tempfile.TemporaryDirectory() as folder:
        config = "ping_key_file: ping.key\njob_requests_per_second: 1000\njobs: [{name: x}]\n"
        with running_jobs(Path(folder), config) as jobs:
            environment = {**os.environ, "SPECTER_PING_URL": f"{jobs.pings}/ping", "SPECTER_PING_KEY": KEY}
            state = ["--state-dir", f"{folder}/state"]
            commands = {
                "true": ["true"],
                "ours": [sys.executable, "-m", "specter_core", "run", "--job", "x", *state, "--", "true"],
            }
            if shutil.which("curl"):
                commands["curl"] = ["sh", "-c", SCRIPT, "sh", f"{jobs.pings}/ping/{KEY}/x"]
            times: dict[str, list[float]] = {name: [] for name in commands}
            cpu: list[float] = []
            for _ in range(rounds + 1):
                for name, command in commands.items():
                    before = _processor_milliseconds()
                    times[name].append(_milliseconds(command, environment))
                    if name == "ours":
                        cpu.append(_processor_milliseconds() - before)
            told = jobs.value("specter_job_runs_total", "x", "success")
    if told != sum(len(taken) for name, taken in times.items() if name != "true"):
        raise RuntimeError(f"{told} runs were told")
    medians = {name: statistics.median(taken[1:]) for name, taken in times.items()}
    baseline = medians["curl"] - medians["true"] if "curl" in medians else None
    report(
        "job_run_overhead_ms",
        medians["ours"] - medians["true"],
        "ms",
        baseline=baseline,
        baseline_name="" if baseline is None else "two calls of curl",
    )
    report("job_run_cpu_ms", statistics.median(cpu[1:]), "ms")


def _processor_milliseconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (used.ru_utime + used.ru_stime)


def _milliseconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment)
    return 1000 * (time.perf_counter() - began)
