"""What people said of stretches: that they were normal, or an incident. A file of JSON lines.

Each line adds or withdraws one window. A line is appended in one write and synced before the answer; a line
cut short by a crash was never answered, and is left out. The file is written anew when much of it no longer
counts.
"""

import errno
import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from pydantic import TypeAdapter, ValidationError

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_core.files import replace_file
from specter_core.metrics import DETECTOR_FEEDBACK_WINDOWS, FOR
from specter_detector import exclusions
from specter_detector.models.arrays import Bools, Floats
from specter_detector.models.replay import DAY
from specter_detector.series import Labels, text_of

LOGGER = logging.getLogger(__name__)
Kind = Literal["normal", "incident"]
KINDS: tuple[Kind, ...] = get_args(Kind)
KEPT = 60 * DAY
"""Seconds after its end for which a window counts: longer than any history that is learnt from."""
MOST_WINDOWS = 5_000
SLACK_LINES = 500


class FeedbackError(SpecterError):
    """A window cannot be stored or withdrawn."""


class UnknownWindowError(FeedbackError):
    """There is no such window."""


@dataclass(frozen=True, slots=True)
class Window:
    """What somebody said of a stretch of one series.

    Attributes:
        id: made by the store.
        query: alias of the query.
        labels: of the series.
        start, end: Unix seconds, both inclusive.
        kind: `incident`: not to be learnt from; `normal`: no alarm was due, and to be learnt from.
        author: who said so, "" where nobody has a name.
        created: Unix seconds.
    """

    id: str
    query: str
    labels: Labels
    start: float
    end: float
    kind: Kind
    author: str
    created: float


_WINDOW = TypeAdapter(Window)


class FeedbackStore:
    """The windows that count. Thread-safe; one process a file.

    Args:
        path: of the file; its folder is made if need be.
        clock: the time.
        new_id: returns a name for a window, never the same.
        most: windows at once.

    Raises:
        SpecterError: the file cannot be read.
    """

    def __init__(
        self, path: Path, *, clock: Clock, new_id: Callable[[], str], most: int = MOST_WINDOWS
    ) -> None:
        self._path = path
        self._clock = clock
        self._new_id = new_id
        self._most = most
        self._lock = threading.Lock()
        self._windows: dict[str, Window] = {}
        self._lines = 0
        self._load()

    def windows(self) -> tuple[Window, ...]:
        """Return the windows that count, oldest first: not withdrawn, and not too long ago."""
        oldest = self._clock.time() - KEPT
        with self._lock:
            return tuple(window for window in self._windows.values() if window.end >= oldest)

    def add(
        self, query: str, labels: Labels, start: float, end: float, kind: Kind, *, author: str = ""
    ) -> Window:
        """Store a window; it is on the disk when this returns. The same stretch and kind twice is one window.

        Raises:
            FeedbackError: there are too many, or it cannot be written.
        """
        now = self._clock.time()
        with self._lock:
            self._expire(now)
            same = (query, labels, start, end, kind)
            for window in self._windows.values():
                if (window.query, window.labels, window.start, window.end, window.kind) == same:
                    return window
            if len(self._windows) >= self._most:
                raise FeedbackError(f"there are {self._most} windows already: withdraw some")
            window = Window(self._new_id(), *same, author, now)
            self._append(_added(window))
            self._windows[window.id] = window
            return window

    def withdraw(self, window_id: str) -> Window:
        """Take a window back.

        Raises:
            UnknownWindowError: there is none of this id.
            FeedbackError: it cannot be written.
        """
        with self._lock:
            if window_id not in self._windows:
                raise UnknownWindowError(f"there is no window {window_id!r}: /api/v1/feedback lists them")
            self._append({"withdraw": window_id})
            return self._windows.pop(window_id)

    def _load(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            text = self._path.read_bytes() if self._path.exists() else b""
        except OSError as error:
            raise SpecterError(f"feedback: cannot read {self._path}: {error.strerror}") from error
        *lines, unfinished = text.split(b"\n")
        odd = [number for number, line in enumerate(lines, 1) if not self._take(line)]
        self._lines = len(lines)
        if odd:
            aside = self._path.with_name(f"{self._path.name}.damaged")
            aside.write_bytes(text)
            LOGGER.warning("feedback: %d lines of %s are no windows, the first is line %d; a copy is %s",
                           len(odd), self._path, odd[0], aside)  # fmt: skip
        if odd or unfinished:
            self._rewrite()

    def _take(self, line: bytes) -> bool:
        """Take over one line; False for one that cannot be read."""
        try:
            record = json.loads(line)
            if "withdraw" in record:
                self._windows.pop(str(record["withdraw"]), None)
                return True
            window = _WINDOW.validate_python({**record, "labels": sorted(record["labels"].items())})
        except (ValueError, ValidationError, KeyError, TypeError, AttributeError):
            return False
        self._windows[window.id] = window
        return True

    def _expire(self, now: float) -> None:
        gone = [window.id for window in self._windows.values() if window.end < now - KEPT]
        for window_id in gone:
            del self._windows[window_id]

    def _append(self, record: object) -> None:
        if self._lines > 2 * len(self._windows) + SLACK_LINES:
            self._rewrite()
        try:
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                size = os.fstat(file).st_size
                _written(file, size, _line(record))
            finally:
                os.close(file)
        except OSError as error:
            raise FeedbackError(f"feedback: cannot write {self._path}: {error.strerror}") from error
        self._lines += 1

    def _rewrite(self) -> None:
        """Write the windows that count to a new file, which takes the place of the old one at once."""
        try:
            replace_file(self._path, [_line(_added(window)) for window in self._windows.values()])
        except OSError as error:
            raise FeedbackError(f"feedback: cannot write {self._path}: {error.strerror}") from error
        self._lines = len(self._windows)


class FeedbackCollector(Collector):
    """The number of windows by query and kind, of queries that exist: their number is bounded.

    Args:
        store: of the windows.
        queries: returns the aliases of the queries.
    """

    def __init__(self, store: FeedbackStore, queries: Callable[[], Iterable[str]]) -> None:
        self._store = store
        self._queries = queries

    def describe(self) -> list[GaugeMetricFamily]:
        """Return the family without samples, so that registering does not ask for the queries."""
        return [self._family()]

    def collect(self) -> list[GaugeMetricFamily]:
        """Return the family, 0 for what there is none of."""
        counts = {(query, kind): 0 for query in self._queries() for kind in KINDS}
        for window in self._store.windows():
            if (window.query, window.kind) in counts:
                counts[window.query, window.kind] += 1
        family = self._family()
        for key, count in counts.items():
            family.add_metric(key, count)
        return [family]

    def _family(self) -> GaugeMetricFamily:
        metric = DETECTOR_FEEDBACK_WINDOWS
        return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def as_windows(windows: Iterable[Window]) -> tuple[exclusions.Window, ...]:
    """Return `windows` in the form in which all that must not be learnt from is put together."""
    return tuple(
        exclusions.Window(each.kind, tuple(sorted((*each.labels, (FOR, each.query)))), each.start, each.end)
        for each in windows
    )


def covered(windows: Sequence[Window], query: str, labels: Labels, times: Floats, *, kind: Kind) -> Bools:
    """Tell which of `times` (n,) lie in a window of this series and kind."""
    mask = np.zeros(times.size, np.bool_)
    for window in windows:
        if (window.query, window.labels, window.kind) == (query, labels, kind):
            mask |= (times >= window.start) & (times <= window.end)
    return mask


def describe(window: Window) -> str:
    """Return a window in words, for a log."""
    return f"{window.kind}: query {window.query} {text_of(window.labels)} {window.start:.0f}-{window.end:.0f}"


def _added(window: Window) -> dict[str, object]:
    return {**asdict(window), "labels": dict(window.labels)}


def _line(record: object) -> bytes:
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def _written(file: int, size: int, line: bytes) -> None:
    """Append `line` and sync it; on a full disk leave no half of it behind."""
    try:
        written = os.write(file, line)
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise
    if written < len(line):
        os.ftruncate(file, size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
