"""Start each job when it is due, as cron does: it knows nothing of how the last one went."""

import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cronsim import CronSim

from specter_core.clock import Clock
from specter_demo.jobs.table import Job

LOOK_SECONDS = 0.5


def next_run(schedule: str, after: float) -> float:
    """Return the next moment of the cron expression `schedule` after `after`, both epoch seconds; in UTC."""
    return next(CronSim(schedule, datetime.fromtimestamp(after, UTC))).timestamp()


class Scheduler:
    """Starts `jobs`; moments that pass while the machine sleeps are not made up for.

    Args:
        jobs: what to start.
        forgotten: tells the names of those that are not to be started.
        clock: tells the time.
        say: takes a sentence for each start and end.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        forgotten: Callable[[], Sequence[str]],
        clock: Clock,
        say: Callable[[str], None],
    ) -> None:
        self._forgotten = forgotten
        self._clock = clock
        self._say = say
        self._due = {job: next_run(job.schedule, clock.time()) for job in jobs}
        self._running: dict[Job, subprocess.Popen[bytes]] = {}

    def run(self, wait: Callable[[float], bool]) -> None:
        """Start jobs until `wait(seconds)` tells to stop; those that run then are ended."""
        try:
            while not wait(LOOK_SECONDS):
                self.look()
        finally:
            for process in self._running.values():
                process.terminate()
            for process in self._running.values():
                process.wait()

    def look(self) -> None:
        """Start what is due now, and say what has ended."""
        for job, process in list(self._running.items()):
            if process.poll() is not None:
                self._say(f"{job.name} ended with {process.returncode}")
                del self._running[job]
        now = self._clock.time()
        for job, due in self._due.items():
            if now < due:
                continue
            self._due[job] = next_run(job.schedule, now)
            if job.name in self._forgotten():
                continue
            if job in self._running:
                self._say(f"{job.name} still runs and is not started again")
            else:
                self._running[job] = subprocess.Popen(job.command)
                self._say(f"{job.name} started")
