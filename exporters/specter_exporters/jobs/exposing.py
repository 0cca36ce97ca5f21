"""The exposition: a job's lines are written when the job changes, and put together at a scrape.

Ten thousand jobs have far more than a hundred thousand lines; client_python would take a second for them.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry

from specter_core import metrics
from specter_core.metrics import FAILED, LOST, SUCCESS, Metric
from specter_exporters.app.exposition import Answer, answer, answering_app, wants_openmetrics
from specter_exporters.jobs.book import Book
from specter_exporters.jobs.model import Job
from specter_exporters.jobs.state import State

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

END = b"# EOF\n"
Lines = Callable[[Job, State], Iterable[tuple[str, float | None]]]


def _one(value: Callable[[Job, State], float | None]) -> Lines:
    """Return what gives one sample without labels of its own, or none where the value is not known."""
    return lambda job, state: (("", value(job, state)),)


def _scheduled(value: Callable[[State], float]) -> Lines:
    """Return what gives one sample for a job with a schedule alone."""
    return _one(lambda job, state: None if job.schedule is None else value(state))


def _info(job: Job, _state: State) -> Iterable[tuple[str, float | None]]:
    return ((f',kind="{job.kind}",schedule="{_escaped(job.schedule_text)}"', 1),)


def _runs(_job: Job, state: State) -> Iterable[tuple[str, float | None]]:
    for outcome, count in ((SUCCESS, state.succeeded), (FAILED, state.failed), (LOST, state.lost)):
        yield f',outcome="{outcome}"', count


EXPOSED: tuple[tuple[Metric, Lines], ...] = (
    (metrics.JOB_INFO, _info),
    (metrics.JOB_RUNS, _runs),
    (metrics.JOB_LAST_START, _one(lambda _, state: state.last_start)),
    (metrics.JOB_LAST_SUCCESS, _one(lambda _, state: state.last_success)),
    (metrics.JOB_LAST_FAILURE, _one(lambda _, state: state.last_failure)),
    (metrics.JOB_LAST_DURATION, _one(lambda _, state: state.last_duration)),
    (metrics.JOB_RUNNING, _one(lambda _, state: len(state.running))),
    (
        metrics.JOB_RUNNING_SINCE,
        _one(lambda _, state: state.running[0][1] if state.running else None),
    ),
    (metrics.JOB_MAX_DURATION, _one(lambda job, _: job.max_duration)),
    (metrics.JOB_EXIT_STATUS, _one(lambda _, state: state.exit_status)),
    (metrics.JOB_NEXT_EXPECTED, _one(lambda _, state: state.expected)),
    (metrics.JOB_MISSED, _scheduled(lambda state: state.missed)),
    (metrics.JOB_OVERDUE, _scheduled(lambda state: state.overdue)),
    (metrics.JOB_UNSUCCESSFUL, _scheduled(lambda state: state.due)),
    (metrics.JOB_OUTPUT_SIZE, _one(lambda _, state: state.output_bytes)),
    (metrics.JOB_ATTEMPTS, _one(lambda _, state: state.attempts)),
)
# A summary has two series, which are one family.
DURATION = len(EXPOSED)


class Exposition:
    """What a scrape is answered with.

    Args:
        book: the jobs.
        registry: the exporter's own metrics.
    """

    def __init__(self, book: Book, registry: CollectorRegistry) -> None:
        self._book = book
        self._registry = registry
        self._columns: list[list[str]] = [[] for _ in range(len(EXPOSED) + 1)]
        self._lock = threading.Lock()

    def answer(self, method: str, accept: str, names: Sequence[str] = ()) -> Answer:
        """Return the answer to a scrape; `names` are those of the series that are asked for, all if none."""
        registry = self._registry
        shown = registry.restricted_registry(names) if names else registry
        own = answer(shown, method, accept)  # type: ignore[arg-type]
        if own.status != 200:
            return own
        openmetrics = wants_openmetrics(accept)
        body = own.body.removesuffix(END) + self._jobs(set(names), openmetrics=openmetrics)
        return Answer(own.status, own.content_type, body + END if openmetrics else body)

    def _jobs(self, names: set[str], *, openmetrics: bool) -> bytes:
        with self._lock:
            for place, job, state in self._book.changes():
                self._write(place, job, state)
            parts = []
            for metric, column in zip(_FAMILIES, self._columns, strict=True):
                if not names or names & _series(metric):
                    parts += [_head(metric, openmetrics=openmetrics), *column]
        return "".join(parts).encode()

    def _write(self, place: int, job: Job, state: State) -> None:
        label = f'{{job_name="{job.name}"'
        for index, (metric, lines) in enumerate(EXPOSED):
            text = "".join(
                [
                    f"{metric.name}{label}{more}}} {float(value)!r}\n"
                    for more, value in lines(job, state)
                    if value is not None
                ]
            )
            self._put(index, place, text)
        name, count = metrics.JOB_DURATION.name, state.duration_count
        self._put(
            DURATION,
            place,
            f"{name}_count{label}}} {float(count)!r}\n{name}_sum{label}}} {state.duration_sum!r}\n",
        )

    def _put(self, index: int, place: int, text: str) -> None:
        column = self._columns[index]
        while len(column) <= place:
            column.append("")
        column[place] = text


_FAMILIES = (*(metric for metric, _ in EXPOSED), metrics.JOB_DURATION)


def _series(metric: Metric) -> set[str]:
    if metric.kind == "summary":
        return {metric.name, metric.count, metric.sum}
    return {metric.name}


def _head(metric: Metric, *, openmetrics: bool) -> str:
    name, kind = metric.name, metric.kind
    if openmetrics and kind in {"counter", "info"}:
        name = name.removesuffix("_total").removesuffix("_info")
    elif kind == "info":
        kind = "gauge"
    return f"# HELP {name} {metric.help}\n# TYPE {name} {kind}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def jobs_app(exposition: Exposition) -> "WSGIApplication":
    """Return the application that answers scrapes, at every path."""

    def answered(environ: "WSGIEnvironment") -> Answer:
        names = parse_qs(environ.get("QUERY_STRING", "")).get("name[]", [])
        return exposition.answer(environ["REQUEST_METHOD"], environ.get("HTTP_ACCEPT", ""), names)

    return answering_app(answered)
