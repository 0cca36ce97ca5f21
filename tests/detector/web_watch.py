"""A watch on real jobs and models whose data source is generated; what the web pages are tested on."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
from flask import Flask
from prometheus_client import CollectorRegistry

from specter_core.config import parse_config
from specter_core.errors import SpecterError
from specter_core.metrics import SERVICE_VERSION
from specter_detector.config import DetectorConfig, Query, resolve
from specter_detector.identities import Identities
from specter_detector.jobs import Job
from specter_detector.models.arrays import Floats
from specter_detector.models.fit import fit
from specter_detector.schema import DetectorSchema
from specter_detector.series import History, Labels, Vector, labels_of
from specter_detector.web.app import create_app
from specter_detector.web.feedback import FeedbackStore
from specter_detector.web.live import LiveWatch, ReaderHistories
from specter_detector.web.stretch import Stretch, Task, judge
from specter_detector.web.worker import ReplayWorker

STEP = 300.0
NOW = 1_768_867_200.0 + 14 * 3600  # Tuesday 20 January 2026, 14:00 UTC
HOUR, DAY = 3600.0, 86400.0
DEPLOYED_AT = NOW - 1200
CONFIG = """
reader:
  tz: Europe/Berlin
  queries:
    request_rate: {expr: 'service:http_server_requests:rate1m', data_range: [0, .inf]}
    latency_p95: {expr: 'service:http_server_request_duration_seconds:p95_rate1m', tz: UTC}
    quiet: {expr: 'up == 2'}
models:
  default: {queries: [request_rate, latency_p95, quiet]}
  upper: {queries: [latency_p95], detection_direction: above_expected}
"""
SHOP = labels_of({"service": "shop", "region": "eu-central-1"})
CHECKOUT = labels_of({"service": "checkout", "region": "eu-central-1"})
GONE = labels_of({"service": "search", "region": "eu-central-1"})
INVALID = labels_of({"service": "images", "region": "eu-central-1"})
NEW = labels_of({"service": "recommendations", "region": "eu-central-1"})
HOSTILE = labels_of(
    {"service": "<script>alert('x')</script>", "quote": "a\"b'c\\", "text": "\u202eabc 🦊 שלום"}
)

Make = Callable[[Floats, np.random.Generator], Floats]


class FixedClock:
    """A clock that stands at `now`."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class InlineReplays:
    """Judges in the calling thread."""

    def run(self, task: Task) -> Stretch:
        return judge(task)


def load(times: Floats) -> Floats:
    """Busy in the afternoon, quieter at weekends; between 0.2 and 1."""
    hour, weekday = (times / HOUR) % 24, (times // DAY + 3) % 7
    return (0.3 + 0.7 * np.exp(-(((hour - 13) / 4.5) ** 2))) * np.where(weekday >= 5, 0.6, 1.0)


def requests(peak: float) -> Make:
    return lambda times, rng: peak * load(times) * (1 + 0.035 * rng.normal(size=times.size))


def shop(times: Floats, rng: np.random.Generator) -> Floats:
    """Requests with a drop three days ago for 40 minutes, a gap, and nearly twice too many now."""
    values = requests(80.0)(times, rng)
    values[(times >= NOW - 3 * DAY) & (times < NOW - 3 * DAY + 2400)] *= 0.3
    values[(times >= NOW - 11 * HOUR) & (times < NOW - 11 * HOUR + 1500)] = np.nan
    values[times > NOW - 600] *= 1.45
    values[times > NOW - 300] *= 1.9
    return values


def latency(times: Floats, rng: np.random.Generator) -> Floats:
    return 0.12 * (0.8 + 0.4 * load(times)) * np.exp(0.06 * rng.normal(size=times.size))


SERIES: dict[str, dict[Labels, Make]] = {
    "request_rate": {
        SHOP: shop,
        CHECKOUT: requests(35.0),
        GONE: requests(12.0),
        INVALID: requests(5.0),
        HOSTILE: requests(20.0),
    },
    "latency_p95": {SHOP: latency, CHECKOUT: latency},
    "quiet": {},
}


class GeneratedReader:
    """Answers with series that depend on the time alone, so that every call says the same."""

    def __init__(self, days: float = 50.0) -> None:
        self._times: Floats = np.arange(NOW - days * DAY, NOW + 1, STEP)
        self._rows = {
            alias: {
                labels: make(self._times, np.random.default_rng(number))
                for number, (labels, make) in enumerate(series.items())
            }
            for alias, series in SERIES.items()
        }

    def instant(
        self, query: Query, at: float, first: Collection[Labels] = (), *, timeout: float | None = None
    ) -> Vector:
        index = int(np.searchsorted(self._times, at))
        samples = {labels: float(row[index]) for labels, row in self._rows[query.alias].items()}
        samples.pop(GONE, None)
        if INVALID in samples:
            samples.update({INVALID: np.nan, NEW: 3.0})
        return Vector(samples)

    def range(
        self, query: Query, start: float, end: float, step: float, first: Collection[Labels] = ()
    ) -> History:
        return self.history(replace(query, step=step), start, end, first)

    def history(self, query: Query, start: float, end: float, first: Collection[Labels] = ()) -> History:
        times: Floats = np.arange(np.ceil(start / query.step), end // query.step + 1) * query.step
        if query.alias == "deployments":
            deployed = np.where((times >= DEPLOYED_AT) & (times < DEPLOYED_AT + 360), 1.0, np.nan)
            version = "2.4.<b>0</b>" if "<script>" in query.expr else "2.4.0"
            return History(times, (labels_of({SERVICE_VERSION: version}),), deployed[None])
        rows = self._rows.get(query.alias, {})
        own = {at: column for column, at in enumerate(self._times.tolist())}
        columns = np.array([own.get(at, -1) for at in times.tolist()])
        values = [np.where(columns >= 0, row[columns], np.nan) for row in rows.values()]
        return History(times, tuple(rows), np.array(values).reshape(len(rows), times.size))


def config() -> DetectorConfig:
    return resolve(parse_config(CONFIG, DetectorSchema, file="detector.yml"))


def running_jobs(reader: GeneratedReader, days: float = 15.0) -> list[Job]:
    """Return the jobs of `CONFIG`, fitted on `days` of history, after a tick at `NOW` and some before."""
    settings = config()
    jobs = [
        Job(
            settings.reader.queries[query],
            model,
            scheduler,
            settings.writer.form,
            max_bands=settings.writer.max_bands,
            identities=Identities(),
        )
        for scheduler in settings.schedulers.values()
        for model in settings.models.values()
        for query in model.queries
    ]
    for job in jobs:
        begun = NOW - 4 * STEP
        history = reader.history(job.query, begun - days * DAY, begun)
        if history.labels:
            job.install(history.labels, fit(history.times, history.values, job.options, with_state=True))
        for at in np.arange(begun + STEP, NOW + 1, STEP).tolist():
            job.observe(at, reader.instant(job.query, at))
    return jobs


def feedback_store(folder: Path, clock: FixedClock | None = None) -> FeedbackStore:
    numbers = count(1)
    return FeedbackStore(
        folder / "feedback.jsonl", clock=clock or FixedClock(), new_id=lambda: f"w{next(numbers)}"
    )


def live_watch(
    jobs: Sequence[Job],
    reader: GeneratedReader,
    feedback: FeedbackStore,
    replays: InlineReplays | ReplayWorker | None = None,
    clock: FixedClock | None = None,
) -> LiveWatch:
    return LiveWatch(
        lambda: jobs,
        histories=ReaderHistories(lambda: reader),
        replays=replays or InlineReplays(),
        windows=feedback.windows,
        clock=clock or FixedClock(),
    )


class Reloads:
    """Counts reloads; refuses them while `error` is set."""

    def __init__(self) -> None:
        self.count = 0
        self.error: str | None = None

    def __call__(self) -> None:
        if self.error is not None:
            raise SpecterError(self.error)
        self.count += 1


def make_app(
    watch: LiveWatch,
    feedback: FeedbackStore,
    *,
    reload: Callable[[], None] | None = None,
    protected: bool = False,
    ready: Callable[[], bool] = lambda: True,
) -> Flask:
    return create_app(
        watch,
        registry=CollectorRegistry(),
        ready=ready,
        reload=reload,
        feedback=feedback,
        protected=protected,
    )


@contextmanager
def replay_worker() -> Iterator[ReplayWorker]:
    worker = ReplayWorker()
    try:
        yield worker
    finally:
        worker.close()
