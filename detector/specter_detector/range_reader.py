"""Read history onto a grid, piece by piece, from raw samples where they can be had cheaply."""

import logging
from collections.abc import Callable, Collection

import numpy as np

from specter_core.clock import align_down
from specter_detector.config import Query
from specter_detector.config import Reader as ReaderConfig
from specter_detector.datasource import BrokenError, RefusedError, SlowError, TooLargeError
from specter_detector.freshness import fresh, lookback
from specter_detector.identity import Identities
from specter_detector.models.arrays import Floats
from specter_detector.pieces import PieceSize
from specter_detector.promql import BARE_SELECTOR
from specter_detector.raw_source import RawSource, Server
from specter_detector.resample import resample
from specter_detector.rows import numbers, read_rows
from specter_detector.selection import Selection
from specter_detector.series import History, Labels
from specter_detector.transport import Transport

LOGGER = logging.getLogger(__name__)
MOST_SAMPLES_A_STEP = 3.0
"""Raw samples are quicker up to here; above, the server thins them out better than the wire carries them."""
WORTH_RAW = 100_000
"""Values from which on it is worth asking how dense the samples are."""
BYTES_PER_VALUE = 64
LEAST_ANSWER = 64 * 2**20
TIMES_EXPECTED = 10

Ask = Callable[[Callable[[], int]], int]


class Grid:
    """Rows of a history in the making."""

    def __init__(self, times: Floats, step: float, first: Collection[Labels], limit: int) -> None:
        self.times = times
        self.step = step
        self._selection = Selection[Floats](first, limit)

    def row(self, labels: Labels) -> Floats | None:
        """Return the row of `labels`, a new one if need be; None if it is beyond the limit."""
        row = self._selection.get(labels)
        if row is None and self._selection.wants(labels):
            row = np.full(self.times.size, np.nan)
            self._selection.put(labels, row)
        return row

    def finished(self) -> History:
        """Return the history; empties the grid."""
        rows = self._selection.rows()
        labels = tuple(sorted(rows, key=self._selection.order))
        values = np.empty((len(labels), self.times.size))
        for place, name in enumerate(labels):
            values[place] = rows.pop(name)
        return History(self.times, labels, values, self._selection.cut)


class RangeReader:
    """Reads ranges of queries; see `PrometheusReader.range`."""

    def __init__(
        self,
        settings: ReaderConfig,
        transport: Transport,
        warned: Callable[[str, tuple[str, ...]], None],
        identities: Callable[[Query], Identities],
    ) -> None:
        self._max_points = settings.max_points
        self._transport = transport
        self._warned = warned
        self._identities = identities
        self._raw = RawSource(transport)

    def read(
        self, query: Query, start: float, end: float, step: float, first: Collection[Labels], ask: Ask
    ) -> History:
        """Return the series of `query` on the multiples of `step` between `start` and `end` (Unix s)."""
        times = np.arange(-align_down(-start, step), align_down(end, step) + step / 2, step)
        grid = Grid(times, step, first, query.max_series)
        if times.size:
            expected = max(len(first), len(self._identities(query))) or query.max_series
            if not self._filled_raw(query, grid, expected, ask):
                self._fill(
                    grid,
                    PieceSize(expected, self._max_points),
                    lambda piece: ask(lambda: self._range(query, grid, piece)),
                )
        return grid.finished()

    def _filled_raw(self, query: Query, grid: Grid, expected: int, ask: Ask) -> bool:
        """Whether all of `grid` could be filled from raw samples."""
        if not BARE_SELECTOR.fullmatch(query.expr):
            return False
        first, last = (float(edge) - query.offset for edge in (grid.times[0], grid.times[-1]))
        # Where ticks are replayed raw samples are the exact way: servers before 2.43 look back five minutes.
        replayed = grid.step <= query.max_age
        if not replayed and grid.times.size * expected < WORTH_RAW:
            return False
        server = self._raw.server_for(query.expr, first, last)
        if server is None:
            return False
        density = self._density(query, last, grid.step)
        if density > MOST_SAMPLES_A_STEP and not replayed:
            return False
        size = PieceSize(expected, grid.times.size, max(density, 1.0))
        try:
            self._fill(grid, size, lambda piece: ask(lambda: self._samples(query, server, grid, piece)))
        except BrokenError:
            raise
        except RefusedError as error:
            LOGGER.debug("raw samples of %s cannot be read: %s", query.alias, error)
            return False
        return True

    def _fill(self, grid: Grid, size: PieceSize, read: Callable[[slice], int]) -> None:
        at = 0
        while at < grid.times.size:
            piece = slice(at, min(at + size.points, grid.times.size))
            try:
                series = read(piece)
            except (SlowError, TooLargeError):
                if not size.too_much(piece.stop - piece.start):
                    raise
                continue
            at = piece.stop
            size.came(series)

    def _range(self, query: Query, grid: Grid, piece: slice) -> int:
        """Fill `piece` of `grid` by a range query; return the number of series."""
        deadline = self._transport.deadline(None)
        times = grid.times[piece]
        start, end = float(times[0]) - query.offset, float(times[-1]) - query.offset
        params = {
            "query": self._expr(query, grid.step),
            "start": f"{start:.3f}",
            "end": f"{end:.3f}",
            "step": f"{grid.step:g}",
            **lookback(_look_back(query, grid.step)),
            **self._transport.patience(deadline),
        }
        limit = LEAST_ANSWER + TIMES_EXPECTED * query.max_series * times.size * BYTES_PER_VALUE
        identities = self._identities(query)
        count = 0

        def take(text: bytes, values: bytes) -> None:
            nonlocal count
            count += 1
            labels = identities.find(text)
            row = None if labels is None else grid.row(labels)
            if row is not None:
                stamps, numbers_there = numbers(values)
                places = np.rint((stamps - start) / grid.step).astype(np.int64)
                if places[0] < 0 or places[-1] >= times.size:
                    raise RefusedError("the answer holds other times than asked for")
                row[piece][places] = numbers_there

        with self._transport.get("/api/v1/query_range", params, deadline=deadline, limit=limit) as pieces:
            self._warned(query.alias, read_rows(pieces, "matrix", take))
        return count

    def _samples(self, query: Query, server: Server, grid: Grid, piece: slice) -> int:
        """Fill `piece` of `grid` from raw samples; return the number of series."""
        stamps = np.rint((grid.times[piece] - query.offset) * 1000).astype(np.int64)
        back = round(_look_back(query, grid.step) * 1000)
        series = self._raw.read(
            query.expr,
            server,
            int(stamps[0]) - back,
            int(stamps[-1]),
            deadline=self._transport.deadline(None),
        )
        count = 0
        accepts = self._identities(query).accepts
        for labels, at, values in series:
            count += 1
            resampled, there = resample(at, values, stamps, back, closed=server.closed)
            row = grid.row(labels) if there and accepts(labels) else None
            if row is not None:
                row[piece] = resampled
        return count

    def _density(self, query: Query, at: float, step: float) -> float:
        """Return how many samples a series of a bare selector has in a step; 1 where nothing is there now."""
        window = max(step, 300.0)
        expr = f"avg(count_over_time({query.expr}[{round(window)}s]))"
        counts = self._transport.ask_small(expr, at)
        return counts[0] * step / window if counts else 1.0

    @staticmethod
    def _expr(query: Query, step: float) -> str:
        """Return what to ask for a range.

        Where ticks are replayed, what a tick asks. A bare selector never: over four weeks timestamp() takes
        Prometheus 2.42 half a minute (34 s for four series scraped every 15 s, 0.03 s without), and all it
        could remove are the five minutes, one step by default, after a series has vanished.
        """
        if step > query.max_age or BARE_SELECTOR.fullmatch(query.expr):
            return query.expr
        return fresh(query.expr, query.max_age)


def _look_back(query: Query, step: float) -> float:
    """Return how old a value may be: history may have been recorded more coarsely than it is scored."""
    return max(query.max_age, step)
