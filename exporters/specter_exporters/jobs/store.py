"""What outlives the exporter: jobs with their state, and the newest events of each."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from specter_core.errors import SpecterError
from specter_exporters.jobs.state import State
from specter_exporters.run.pings import JOB_NAME

LOGGER = logging.getLogger(__name__)
MOST_EVENTS = 100
"""So many of a job are kept; the next takes the place of the oldest."""


class StoreError(SpecterError):
    """The store cannot be opened, read or written; nothing of the write is kept."""


@dataclass(frozen=True, slots=True)
class KeptJob:
    """A job in the store.

    Attributes:
        name: of the job.
        uuid: of its ping URL.
        made: whether a ping made it, and not the configuration.
        schedule: the schedule and the grace that `state` was judged by.
        state: what was known.
    """

    name: str
    uuid: str
    made: bool
    schedule: str
    state: State


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event in the store; `number` counts a job's events from 1, `output` is masked and bounded."""

    name: str
    number: int
    at: float
    kind: str
    run: str
    exit_status: int | None
    output: str


@dataclass(frozen=True, slots=True)
class KeptPush:
    """What a job pushed, in the store: `content` is None when it is to be forgotten."""

    key: str
    content: str | None


class Store(Protocol):
    """Keeps jobs and events. One thread writes; another may read."""

    def open(self) -> list[KeptJob]:
        """Connect, anew if need be, and return every job.

        A state that cannot be read is kept apart, and the job begins anew.

        Raises:
            StoreError: it cannot be done, or another exporter uses the store.
        """

    def write(self, jobs: Sequence[KeptJob], events: Sequence[KeptEvent], pushes: Sequence[KeptPush]) -> None:
        """Keep all of them or none: they are on the disk when this returns.

        Raises:
            StoreError: none is kept.
        """

    def events(self, name: str) -> list[KeptEvent]:
        """Return what is kept of a job's events, the newest first.

        Raises:
            StoreError: they cannot be read.
        """

    def pushes(self) -> list[KeptPush]:
        """Return what was pushed.

        Raises:
            StoreError: they cannot be read.
        """

    def tidy(self) -> None:
        """Do what keeps the store small and fast; events are kept meanwhile.

        Raises:
            StoreError: it cannot be done.
        """

    def close(self) -> None:
        """End the connection."""


def encoded(state: State) -> str:
    """Return `state` as JSON."""
    return to_json(state._asdict()).decode()


_SHAPE = TypeAdapter(State, config=ConfigDict(strict=True, allow_inf_nan=False))


def decoded(text: str) -> State:
    """Return the state that `encoded` made; what an older version did not know has its default.

    Raises:
        ValueError: it is something else; the message says where.
    """
    values = from_json(text)
    if not isinstance(values, dict) or "expected" not in values:
        raise ValueError("is no state of a job")
    known = {name: value for name, value in values.items() if name in State._fields}
    try:
        return _SHAPE.validate_json(to_json(known))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


JOB_COLUMNS = "name, uuid, made, schedule, state"
EVENT_COLUMNS = "name, place, number, at, kind, run, exit_status, output"
EVENT_FIELDS = "name, number, at, kind, run, exit_status, output"
"""Of `KeptEvent`, in its order."""


def job_row(job: KeptJob) -> tuple[object, ...]:
    """Return a job's values in the order of `JOB_COLUMNS`."""
    return (job.name, job.uuid, int(job.made), job.schedule, encoded(job.state))


def kept_jobs(rows: Iterable[tuple[Any, ...]], set_aside: Callable[[str, str], int]) -> list[KeptJob]:
    """Return the jobs whose values are `rows`, in the order of `JOB_COLUMNS`.

    Args:
        rows: of all jobs.
        set_aside: keeps the state of the job of this name apart, for a reason, because it cannot be read;
            returns the highest number of the job's events, from which its new state goes on.
    """
    jobs = []
    for name, uuid, made, schedule, text in rows:
        if not JOB_NAME.fullmatch(str(name)):
            LOGGER.error("a job whose name is damaged is left in the store, and not watched: %r", name)
            continue
        try:
            state = decoded(text)
        except ValueError as error:
            state = State(pings=set_aside(name, str(error)))
        jobs.append(KeptJob(name, str(uuid), bool(made), str(schedule), state))
    return jobs


def not_aside(place: str, table: str, name: str, why: str, error: object) -> StoreError:
    """Return what ends the start: a state that cannot be read is overwritten by none that is kept nowhere."""
    return StoreError(
        f"{place}: the state of job {name} cannot be read ({why}), and cannot be kept in the table {table}: "
        f"{error}; let the exporter make that table, or delete the job's row"
    )


def told_aside(place: str, table: str, name: str, why: str) -> None:
    """Log that the state of a job is set aside in `table` of the database at `place`."""
    LOGGER.error(
        "%s: the state of job %s cannot be read (%s): its counts begin anew. What was there is kept in the "
        "table %s; delete it from there when nobody needs it",
        place, name, why, table,
    )  # fmt: skip


def event_row(event: KeptEvent) -> tuple[object, ...]:
    """Return an event's values in the order of `EVENT_COLUMNS`."""
    place = event.number % MOST_EVENTS
    return (
        event.name, place, event.number, event.at, event.kind, event.run, event.exit_status, event.output
    )  # fmt: skip
