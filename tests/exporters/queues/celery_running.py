"""Real workers and publishers of Celery's, in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

APP = "tests.exporters.queues.celery_app"
ROOT = Path(__file__).parents[3]


def publish(broker: str, code: str, **environment: str) -> None:
    """Run code beside the application's tasks."""
    subprocess.run(
        [sys.executable, "-c", f"from {APP} import app, fail, hold, retry, succeed\n{code}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "BROKER": broker, **environment},
        timeout=60,
        check=True,
    )


@contextmanager
def worker(
    broker: str, folder: Path, queues: str = "mail", **environment: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker that beats once a second; what is left of it at the end is killed."""
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *(
                    sys.executable,
                    "-m",
                    "celery",
                    "-A",
                    APP,
                    "worker",
                    "-Q",
                    queues,
                    "-c",
                    "1",
                    "-n",
                    "one@host",
                ),
                *("--heartbeat-interval", "1", "--without-gossip", "--without-mingle", "-l", "INFO"),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "BROKER": broker, **environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
