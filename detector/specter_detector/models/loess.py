"""Loess on evenly spaced points, as matrices.

The weights of a loess depend on where the points are and never on their values,
so that smoothing many series with the same settings is one product with a banded
matrix. Source: Cleveland (1979); the details (reach of a window longer than the
data, jumps, the last point) are those of the STL of Cleveland et al. (1990) as
statsmodels has it, to rounding.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from specter_detector.models.arrays import Floats, Ints

Reals = NDArray[np.floating[Any]]

# Blocks of a banded matrix: wide enough for BLAS, narrow enough to multiply few zeros.
FEWEST_ROWS = 16
MOST_ROWS = 128
SMALLEST_SPAN = 32
DENSE_ROWS = 64
DENSE_SIZE = 2**17


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The part of a banded matrix in `rows` and `columns`; `matrix` is (columns, rows)."""

    rows: slice
    columns: slice
    matrix: Reals


class Banded:
    """A (rows, columns) matrix whose row i is `table[which[i]]`, from column `lefts[i]` on.

    It is kept as dense blocks; blocks that are equal (all but those at the edges) are one array.
    """

    __slots__ = ("_blocks", "shape")

    def __init__(self, lefts: Ints, table: Floats, which: Ints, columns: int, dtype: DTypeLike) -> None:
        self.shape = (lefts.size, columns)
        width = table.shape[1]
        step = _block_rows(lefts, width, columns)
        known: dict[tuple[bytes, bytes], Reals] = {}
        blocks = []
        for first in range(0, lefts.size, step):
            rows = slice(first, min(first + step, lefts.size))
            start, stop = int(lefts[rows].min()), int(lefts[rows].max()) + width
            shifts = lefts[rows] - start
            key = (shifts.tobytes(), which[rows].tobytes())
            if key not in known:
                matrix = np.zeros((stop - start, shifts.size), dtype=dtype)
                places = shifts[:, None] + np.arange(width)
                matrix[places, np.arange(shifts.size)[:, None]] = table[which[rows]]
                matrix.flags.writeable = False
                known[key] = matrix
            blocks.append(Block(rows, slice(start, stop), known[key]))
        self._blocks = tuple(blocks)

    def apply(self, values: Reals, out: Reals | None = None) -> Reals:
        """Multiply each series: (series, columns) to (series, rows)."""
        if out is None:
            out = np.empty((values.shape[0], self.shape[0]), dtype=values.dtype)
        for block in self._blocks:
            np.matmul(values[:, block.columns], block.matrix, out=out[:, block.rows])
        return out

    def adjoint(self, values: Reals) -> Reals:
        """Multiply each series with the transpose: (series, rows) to (series, columns)."""
        out = np.zeros((values.shape[0], self.shape[1]), dtype=values.dtype)
        for block in self._blocks:
            out[:, block.columns] += values[:, block.rows] @ block.matrix.T
        return out

    def apply_to_cycles(self, values: Reals, out: Reals | None = None) -> Reals:
        """Multiply along the middle axis: (series, columns, phases) to (series, rows, phases)."""
        if out is None:
            out = np.empty((values.shape[0], self.shape[0], values.shape[2]), dtype=values.dtype)
        for block in self._blocks:
            np.matmul(block.matrix.T, values[:, block.columns], out=out[:, block.rows])
        return out

    def adjoint_to_cycles(self, values: Reals) -> Reals:
        """Multiply along the middle axis with the transpose: rows of it become columns."""
        out = np.zeros((values.shape[0], self.shape[1], values.shape[2]), dtype=values.dtype)
        for block in self._blocks:
            out[:, block.columns] += block.matrix @ values[:, block.rows]
        return out


def _block_rows(lefts: Ints, width: int, columns: int) -> int:
    """Return how many rows to make a block of, so that about half of a block is not zero."""
    if lefts.size <= DENSE_ROWS and lefts.size * columns <= DENSE_SIZE and width > 2:
        return int(lefts.size)
    drift = (int(lefts.max()) - int(lefts.min())) / max(lefts.size - 1, 1)
    rows = max(width, SMALLEST_SPAN) / drift if drift else MOST_ROWS
    return int(min(max(rows, FEWEST_ROWS), MOST_ROWS))


class Loess:
    """A loess of `n` evenly spaced points: weights at every `jump`-th point, a line between.

    Args:
        n: points, at least 2.
        window: points of the neighbourhood, odd; where it is longer than `n` the reach of the
            weights grows by half of what it is longer.
        degree: 0 for a weighted mean, 1 for a weighted line.
        jump: points from one evaluation to the next.
        dtype: of the matrices; float64, or float32 for half the time.
        extrapolate: also evaluate one point before the first and one after the last, so that
            there are n + 2 results.

    Attributes:
        nodes: (nodes, n), values of the points to values of the smooth at the nodes.
        lines: (results, nodes), nodes to all points; None where every point is a node.
    """

    __slots__ = ("lines", "nodes")

    def __init__(
        self, n: int, window: int, degree: int, jump: int, dtype: DTypeLike, *, extrapolate: bool = False
    ) -> None:
        jump = min(jump, n - 1)
        targets = _targets(n, jump, extrapolate=extrapolate)
        lefts = _lefts(n, window, jump, targets)
        self.nodes = _weight_matrix(n, window, degree, targets, lefts, dtype)
        self.lines = None if jump == 1 else _line_matrix(targets, dtype)

    def apply(self, values: Reals, out: Reals | None = None) -> Reals:
        """Smooth each of `values` (series, n)."""
        if self.lines is None:
            return self.nodes.apply(values, out)
        return self.lines.apply(self.nodes.apply(values), out)

    def adjoint(self, values: Reals) -> Reals:
        """Multiply with the transpose of the smoother: (series, results) to (series, n)."""
        return self.nodes.adjoint(values if self.lines is None else self.lines.adjoint(values))

    def apply_to_cycles(self, values: Reals, out: Reals | None = None) -> Reals:
        """Smooth along the middle axis of (series, n, phases)."""
        if self.lines is None:
            return self.nodes.apply_to_cycles(values, out)
        return self.lines.apply_to_cycles(self.nodes.apply_to_cycles(values), out)

    def adjoint_to_cycles(self, values: Reals) -> Reals:
        """Multiply along the middle axis with the transpose: results of it become points."""
        if self.lines is not None:
            values = self.lines.adjoint_to_cycles(values)
        return self.nodes.adjoint_to_cycles(values)

    def node_rows(self) -> Reals:
        """Return the weights of the nodes as a dense (nodes, n), in float64."""
        return self.nodes.adjoint(np.eye(self.nodes.shape[0]))


def _targets(n: int, jump: int, *, extrapolate: bool) -> Ints:
    """Return where the smooth is evaluated: every `jump`-th point and the last one, counted from 0."""
    targets = np.arange(0, n, jump)
    if targets[-1] != n - 1:
        targets = np.append(targets, n - 1)
    return np.concatenate([[-1], targets, [n]]) if extrapolate else targets


def _lefts(n: int, window: int, jump: int, targets: Ints) -> Ints:
    """Return the first point of each target's window: centred, and at the edges as near as there is room."""
    lefts = np.clip(targets - (window + 1) // 2 + 1, 0, max(n - window, 0))
    if (n - 1) % jump:
        # The last point, where it is no multiple of the jump, is reached for from the window of
        # the node before it. An oddity of the original that statsmodels has kept.
        last = int(np.searchsorted(targets, n - 1))
        lefts[last] = lefts[last - 1]
    return lefts


def _weight_matrix(n: int, window: int, degree: int, targets: Ints, lefts: Ints, dtype: DTypeLike) -> Banded:
    width = min(window, n)
    offsets, which = np.unique(targets - lefts, return_inverse=True)
    table = _weights(offsets, width, reach_beyond=max(window - n, 0) // 2, n=n, degree=degree)
    for empty in np.flatnonzero(~table.any(axis=1)):
        # A last point so far from its window that no weight is left: it stays as it is.
        row = int(np.flatnonzero(which == empty)[0])
        lefts[row] = n - width
        table[empty, targets[row] - lefts[row]] = 1.0
    return Banded(lefts, table, which, n, dtype)


def _weights(offsets: Ints, width: int, *, reach_beyond: int, n: int, degree: int) -> Floats:
    """Return the loess weights of `width` points for targets `offsets` to the right of the first of them.

    Tricube (1 - (r / h)³)³ of the distance r, h reaching to the farthest point of the window, 1 up
    to 0.001 h and 0 from 0.999 h on; for degree 1 tilted such that lines are reproduced. Rows are
    all zero where no point is within reach.
    """
    points = np.arange(width)
    distances = np.abs(points - offsets[:, None])
    reach = np.maximum(offsets, width - 1 - offsets)[:, None] + float(reach_beyond)
    weights = (1 - (distances / reach) ** 3) ** 3
    weights[distances <= 0.001 * reach] = 1.0
    weights[distances > 0.999 * reach] = 0.0
    total = weights.sum(axis=1, keepdims=True)
    weights /= np.where(total > 0, total, 1.0)
    if degree:
        centres = weights @ points
        away = points - centres[:, None]
        spread = (weights * away**2).sum(axis=1)
        steep = np.sqrt(spread) > 0.001 * (n - 1)
        slopes = np.where(steep, (offsets - centres) / np.where(steep, spread, 1.0), 0.0)
        weights *= slopes[:, None] * away + 1
    result: Floats = weights
    return result


def _line_matrix(targets: Ints, dtype: DTypeLike) -> Banded:
    """Return the interpolation from `targets` to every point from the first of them to the last."""
    points = np.arange(targets[0], targets[-1] + 1)
    lefts = np.clip(np.searchsorted(targets, points, side="right") - 1, 0, targets.size - 2)
    right = (points - targets[lefts]) / (targets[lefts + 1] - targets[lefts])
    shares, which = np.unique(right, return_inverse=True)
    return Banded(lefts, np.column_stack([1 - shares, shares]), which, targets.size, dtype)
