"""Read from metrics when services were deployed, maintained or judged by an operator.

DESIGN: parts that do not know each other talk through Prometheus. Names are in
`specter_core.metrics`; whoever exposes them, here they are only read.
"""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
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

MOST_POINTS = 10_000
SHORTEST_STEP = 15.0
DAY = 86400.0

VERSIONS = (
    (f'{TARGET_INFO.name}{{{SERVICE_VERSION}!=""}}', f"{SERVICE}, job", SERVICE_VERSION),
    ('{__name__=~".+_build_info", version!=""}', f"__name__, {SERVICE}, job", "version"),
)
"""What says which version runs: selector, labels of what is deployed, label of the version."""

VERDICTS: Mapping[str, Kind] = {"normal": "normal", "incident": "incident"}


class Server(Protocol):
    """What has to be asked; see `prometheus_api.PrometheusApi`."""

    def query(self, expr: str, at: float, timeout: float) -> list[Any]:
        """Return the rows of an instant query."""

    def query_range(self, expr: str, start: float, end: float, step: float, timeout: float) -> list[Any]:
        """Return the rows of a range query."""


class ExclusionReader:
    """Keeps the windows of the last `horizon` seconds; `windows` after each `update`.

    Args:
        server: what is asked.
        horizon: seconds back, as long as the longest `fit_window`.
        timeout: of one query (s).
    """

    def __init__(self, server: Server, *, horizon: float, timeout: float) -> None:
        self._server = server
        self._horizon = horizon
        self._timeout = timeout
        self._read_to: dict[str, float] = {}
        self._next = -math.inf
        self._failing: dict[str, str] = {}
        self.windows: tuple[Window, ...] = ()

    def due(self, now: float) -> bool:
        """Whether `update` should be called at Unix time `now` (s)."""
        return now >= self._next

    def update(self, now: float) -> tuple[Window, ...]:
        """Read what is new at Unix time `now` (s): all of the horizon at first, then the last minutes.

        A query that is refused is logged once; what it would have told is read when it works again.

        Raises:
            UnreachableError: the server does not answer; the windows stay as they are.
        """
        self._next = now + EVERY
        found: list[Window] = []
        for name, read in (
            ("maintenance", self._maintenance),
            ("announced deployments", self._announced),
            ("versions of target_info", lambda start, end, step: self._versions(0, start, end, step)),
            ("versions of build_info", lambda start, end, step: self._versions(1, start, end, step)),
        ):
            found += self._since(name, now, read)
        found += self._safely("feedback", lambda: list(self._feedback(now))) or []
        # Feedback is read whole each time, so that what was taken back is gone.
        kept = [window for window in self.windows if window.kind in {"maintenance", "deployment"}]
        self.windows = merged([*kept, *found], now - self._horizon)
        return self.windows

    def _since(
        self, name: str, now: float, read: Callable[[float, float, float], Iterator[Window]]
    ) -> list[Window]:
        """Read from where this was last read to."""
        start = max(now - self._horizon, self._read_to.get(name, -math.inf) - OVERLAP)
        step = SHORTEST_STEP * math.ceil(max(1.0, (now - start) / MOST_POINTS / SHORTEST_STEP))
        start = align_down(start, step)
        windows = self._safely(name, lambda: list(read(start, align_down(now, step), step)))
        if windows is None:
            return []
        self._read_to[name] = now
        return windows

    def _safely(self, name: str, read: Callable[[], list[Window]]) -> list[Window] | None:
        try:
            windows = read()
        except UnreachableError:
            raise
        except DatasourceError as error:
            if self._failing.get(name) != str(error):
                self._failing[name] = str(error)
                LOGGER.warning("%s cannot be read, and are learnt from: %s", name, error)
            return None
        if self._failing.pop(name, None) is not None:
            LOGGER.info("%s can be read again", name)
        return windows

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

    def _versions(self, which: int, start: float, end: float, step: float) -> Iterator[Window]:
        selector, by, version = VERSIONS[which]
        before = f"last_over_time({selector}[15m] offset {step:g}s)"
        expr = (
            f"group by ({by}, {version}) ({selector})"
            f" unless on ({by}, {version}) group by ({by}, {version}) ({before})"
            f" and on ({by}) group by ({by}) ({before})"
        )
        for row in self._range(expr, start, end, step):
            labels = row["metric"]
            about = SERVICE if labels.get(SERVICE) else "job"
            if not labels.get(about):
                continue
            for at, _ in row["values"]:
                match = labels_of({about: labels[about]})
                yield Window("deployment", match, float(at) - step, float(at) + SETTLING)

    def _feedback(self, now: float) -> Iterator[Window]:
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
