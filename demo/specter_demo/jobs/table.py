"""The jobs: what each is called, when it is due, and its command line."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    Attributes:
        name: what it is called.
        schedule: when it is started, as a line of a crontab says it, in UTC.
        command: the program and its arguments; it ends with 0 when the job is done.
    """

    name: str
    schedule: str
    command: tuple[str, ...]


DIGEST = "digest"
BACKUP = "backup"


def _job(name: str, schedule: str) -> Job:
    specter = (sys.executable, "-m", "specter_core")
    # The wrapper tells the jobs exporter, where its environment says one, how the job went.
    return Job(name, schedule, (*specter, "run", "--job", name, "--", *specter, "demo", "job", name))


# Nightly elsewhere; a demo is looked at for minutes.
JOBS = (_job(DIGEST, "*/2 * * * *"), _job(BACKUP, "*/3 * * * *"))
