"""Read from metrics when services were deployed, maintained or judged by an operator.

DESIGN: parts that do not know each other talk through Prometheus. Names are in
`specter_core.metrics`; whoever exposes them, here they are only read.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

from specter_core.clock import align_down
from specter_core.metrics import (
    DEPLOYMENT_TIMESTAMP,
    FEEDBACK_END,
    FEEDBACK_START,
    MAINTENANCE_ACTIVE,
    SERVICE,
    SERVICE_VERSION,
    TARGET_INFO,
)
from specter_detector.datasource import DatasourceError, UnreachableError
from specter_detector.exclusions import Kind, Window, matching, merged
from specter_detector.series import labels_of

LOGGER = logging.getLogger(__name__)

EVERY = 60.0
SETTLING = 600.0
"""Seconds from a deployment on in which caches fill and connections are made anew."""

OVERLAP = 600.0
"""Seconds read again: samples arrive late."""

STEP, PAST_STEP = 15.0, 300.0
"""Seconds between looks at the present, and at the past: what they cost grows with their number."""

PIECE, SHORTEST_PIECE = 86400.0, 3600.0
BUDGET = 5.0
"""Seconds of an update that may go into the past; the rest of it is read in the next ones."""

LONGEST_WAIT = 3600.0


@dataclass(frozen=True, slots=True)
class Versions:
    """What says which version runs: its selector, the labels of what is deployed, that of the version."""

    of: str
    selector: str
    by: str
    version: str


VERSIONS = (
    Versions(
        TARGET_INFO.name, f'{TARGET_INFO.name}{{{SERVICE_VERSION}!=""}}', f"{SERVICE}, job", SERVICE_VERSION
    ),
    Versions(
        "build_info", '{__name__=~".+_build_info", version!=""}', f"__name__, {SERVICE}, job", "version"
    ),
)

VERDICTS: Mapping[str, Kind] = {"normal": "normal", "incident": "incident"}


class Server(Protocol):
    """What has to be asked; see `prometheus_api.PrometheusApi`."""

    def query(self, expr: str, at: float, timeout: float) -> list[Any]:
        """Return the rows of an instant query."""

    def query_range(self, expr: str, start: float, end: float, step: float, timeout: float) -> list[Any]:
        """Return the rows of a range query."""


@dataclass(slots=True)
class _Source:
    """One kind of metric, and the time from `first` to `last` (Unix s) that has been read of it.

    A read that fails is tried again in smaller pieces, and ever more rarely: a query that is too much for the
    server is no better a minute later.
    """

    name: str
    read: Callable[[float, float, float], Iterator[Window]]
    first: float = math.nan
    last: float = math.nan
    piece: float = PIECE
    wait: float = EVERY
    not_before: float = -math.inf
    failure: str = ""


class ExclusionReader:
    """Keeps the windows of the last `horizon` seconds; `windows` after each `update`.

    Args:
        server: what is asked.
        horizon: seconds back, as long as the longest `fit_window`.
        timeout: of one query (s).
        monotonic: returns seconds that never step back.
    """

    def __init__(
        self,
        server: Server,
        *,
        horizon: float,
        timeout: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._horizon = horizon
        self._timeout = timeout
        self._monotonic = monotonic
        self._next = -math.inf
        self._sources = (
            _Source("maintenance", self._maintenance),
            _Source("announced deployments", self._announced),
            *(_Source(f"versions of {each.of}", partial(self._versions, each)) for each in VERSIONS),
        )
        self._feedback_failure = ""
        self.windows: tuple[Window, ...] = ()

    def due(self, now: float) -> bool:
        """Whether `update` should be called at Unix time `now` (s)."""
        return now >= self._next

    @property
    def complete(self) -> bool:
        """Whether all of the horizon has been read."""
        return all(source.first <= source.last - self._horizon for source in self._sources)

    def update(self, now: float) -> tuple[Window, ...]:
        """Read the minutes before Unix time `now` (s), and for some seconds of what lies before them.

        A query that is refused or too slow is logged once, and tried again more rarely and in smaller pieces.

        Raises:
            UnreachableError: the server does not answer; the windows stay as they are.
        """
        self._next = now + EVERY
        deadline = self._monotonic() + BUDGET
        found: list[Window] = []
        for source in self._sources:
            if now >= source.not_before:
                found += self._read(source, now, deadline)
        feedback = self._feedback(now)
        # Read whole each time, so that what was taken back is gone.
        kept = [window for window in self.windows if feedback is None or window.kind not in VERDICTS.values()]
        self.windows = merged([*kept, *found, *(feedback or ())], now - self._horizon)
        return self.windows

    def _read(self, source: _Source, now: float, deadline: float) -> list[Window]:
        """Read the present, then the past from the present on backwards."""
        found: list[Window] = []
        if math.isnan(source.last) or not 0 <= now - source.last <= source.piece:
            source.first = source.last = now
        oldest = now - self._horizon
        try:
            found += source.read(align_down(source.last - OVERLAP, STEP), align_down(now, STEP), STEP)
            source.last = now
            while source.first > oldest and self._monotonic() < deadline:
                begin = max(source.first - source.piece, oldest)
                found += source.read(
                    align_down(begin, PAST_STEP), align_down(source.first, PAST_STEP), PAST_STEP
                )
                source.first = begin
        except UnreachableError:
            raise
        except DatasourceError as error:
            source.not_before = now + source.wait
            source.wait = min(2 * source.wait, LONGEST_WAIT)
            source.piece = max(source.piece / 2, SHORTEST_PIECE)
            if source.failure != str(error):
                LOGGER.warning("%s cannot be read, and are learnt from: %s", source.name, error)
            source.failure = str(error)
            return found
        if source.failure:
            LOGGER.info("%s can be read again", source.name)
        source.failure, source.wait = "", EVERY
        return found

    def _maintenance(self, start: float, end: float, step: float) -> Iterator[Window]:
        for row in self._range(f"{MAINTENANCE_ACTIVE.name} > 0", start, end, step):
            # An edge lies somewhere in a step: rather learn less than wrong.
            for at, _ in row["values"]:
                yield Window("maintenance", matching(row["metric"]), float(at) - step, float(at) + step)

    def _announced(self, start: float, end: float, step: float) -> Iterator[Window]:
        name, ago = DEPLOYMENT_TIMESTAMP.name, f"{step:g}s"
        expr = f"({name} unless {name} offset {ago}) or ({name} != {name} offset {ago})"
        for row in self._range(expr, start, end, step):
            for _, value in row["values"]:
                at = float(value)
                if math.isfinite(at):
                    yield Window("deployment", matching(row["metric"]), at, at + SETTLING)

    def _versions(self, of: Versions, start: float, end: float, step: float) -> Iterator[Window]:
        before = f"last_over_time({of.selector}[15m] offset {step:g}s)"
        expr = (
            f"group by ({of.by}, {of.version}) ({of.selector})"
            f" unless on ({of.by}, {of.version}) group by ({of.by}, {of.version}) ({before})"
            f" and on ({of.by}) group by ({of.by}) ({before})"
        )
        for row in self._range(expr, start, end, step):
            labels = row["metric"]
            about = SERVICE if labels.get(SERVICE) else "job"
            if not labels.get(about):
                continue
            for at, _ in row["values"]:
                match = labels_of({about: labels[about]})
                yield Window("deployment", match, float(at) - step, float(at) + SETTLING)

    def _feedback(self, now: float) -> list[Window] | None:
        """Return the operators' windows; None where they cannot be read."""
        try:
            windows = list(self._judged(now))
        except UnreachableError:
            raise
        except DatasourceError as error:
            if str(error) != self._feedback_failure:
                LOGGER.warning("feedback cannot be read: %s", error)
            self._feedback_failure = str(error)
            return None
        self._feedback_failure = ""
        return windows

    def _judged(self, now: float) -> Iterator[Window]:
        starts, ends = (
            {labels_of({**row["metric"], "__name__": ""}): float(row["value"][1]) for row in rows}
            for rows in (
                self._server.query(metric.name, now, self._timeout)
                for metric in (FEEDBACK_START, FEEDBACK_END)
            )
        )
        for labels, start in starts.items():
            end, kind = ends.get(labels, math.nan), VERDICTS.get(dict(labels).get("verdict", ""))
            if kind is not None and start < end:
                yield Window(kind, matching(dict(labels)), start, end)

    def _range(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        rows = self._server.query_range(expr, start, end, step, self._timeout)
        return cast("list[dict[str, Any]]", rows)
