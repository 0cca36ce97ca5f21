"""What a job is, and what is told of its runs."""

from dataclasses import dataclass
from typing import Literal, get_args

from specter_exporters.jobs.schedules import Schedule

Kind = Literal["backup", "mail_digest", "webhook_delivery", "sync", "cache_warming", "invalidation", "other"]
KINDS: tuple[Kind, ...] = get_args(Kind)
EventKind = Literal["start", "success", "failed", "log"]


@dataclass(frozen=True, slots=True)
class Job:
    """A job that is watched.

    Attributes:
        name: value of the label `job_name`, and the slug of its ping URL.
        kind: one of `KINDS`.
        schedule: when it is to run; None where nobody knows.
        grace: seconds after which a run that has not come is missed.
        max_duration: seconds that a run may take; after twice as many it is lost.
        uuid: of its ping URL; None: the store keeps one that was made.
    """

    name: str
    kind: str = "other"
    schedule: Schedule | None = None
    grace: float = 300.0
    max_duration: float = 86_400.0
    uuid: str | None = None

    @property
    def schedule_text(self) -> str:
        """The schedule in words; empty where nobody knows one."""
        return "" if self.schedule is None else self.schedule.text


@dataclass(frozen=True, slots=True)
class Event:
    """What is told of a run.

    Attributes:
        kind: what it is.
        at: Unix time at which it happened; 0 where that is when it came.
        run: which run it is of; empty where the job tells no number.
        exit_status: of the run's process, where it is told.
        output_bytes: size of the run's output, where some came.
        attempts: that the run took, where it is told.
        duration: seconds that the run took, where it is told and no start was.
        dated: whether the job said when it happened; told again, it says the same.
        arrived: Unix time at which it came; 0 where that is `at`.
    """

    kind: EventKind
    at: float
    run: str = ""
    exit_status: int | None = None
    output_bytes: int | None = None
    attempts: int | None = None
    duration: float | None = None
    dated: bool = False
    arrived: float = 0.0
