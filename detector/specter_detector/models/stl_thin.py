"""All iterations of an STL as one thin matrix.

The trend t is a line between its values g at a few nodes: t = P g, g = E (y - s), with the season
s = S (y - t). So an iteration is g' = A y + B g with A = E (I - S) and B = E S P, and after m of
them g = G y with G₁ = A, Gᵢ = A + B Gᵢ₋₁: a (nodes, n) matrix, made from E by the transpose of S.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from specter_detector.models.loess import Banded, Loess, Reals
from specter_detector.models.stl_settings import StlSettings
from specter_detector.models.stl_steps import CycleSmoother, SeasonalStep, trend_loess

# A thin matrix must be thin, and a few of them small enough to be kept.
NODES_A_POINT = 0.25
MOST_ENTRIES = 5 * 2**19
# Up to so many nodes one product is cheaper than moving averages, which pass over the series ten times.
LOW_PASS_NODES = 300


@dataclass(frozen=True, slots=True, eq=False)
class ThinPlan:
    """Trends and seasons by one product with a (nodes, n) matrix.

    Attributes:
        trend_nodes: (nodes, n), series to the nodes of the trend.
        all_nodes: the same, below it those of the trend one iteration earlier, and below
            them the nodes of the low-pass loess where these are few.
        lines: nodes of the trend to points, in the precision of the computation.
        exact_lines: the same in float64.
        low_lines: nodes of the low-pass loess to points; None where these are many.
        cycles: loess over the cycles of each phase.
        step: the seasonal step for where the nodes of the low-pass loess are many.
    """

    trend_nodes: Reals
    all_nodes: Reals
    lines: Banded
    exact_lines: Banded
    low_lines: Banded | None
    cycles: CycleSmoother
    step: SeasonalStep

    def trend(self, centred: Reals, centres: Reals, out: Reals) -> None:
        """Write the trends of `centred` + `centres` to `out`."""
        self._write_trend(centred @ self.trend_nodes.T, centres, out)

    def decompose(self, centred: Reals, centres: Reals, trend: Reals, seasonal: Reals) -> None:
        """Write trends and seasons; `centred` (series, n) is used up."""
        count = self.trend_nodes.shape[0]
        nodes = centred @ self.all_nodes.T
        self._write_trend(nodes[:, :count], centres, trend)
        scratch = self.lines.apply(nodes[:, count : 2 * count])
        centred -= scratch
        if self.low_lines is None:
            self.step.apply(centred, seasonal)
            return
        self.low_lines.apply(nodes[:, 2 * count :], scratch)
        # The products write in their own precision.
        smooth = self.cycles.apply(centred, seasonal if seasonal.dtype == centred.dtype else None)
        np.subtract(smooth, scratch, out=seasonal)

    def _write_trend(self, nodes: Reals, centres: Reals, out: Reals) -> None:
        # Lines reproduce a constant, so the centre is added where there are few points.
        self.exact_lines.apply(nodes + centres[:, None], out)


def is_thin(n: int, settings: StlSettings) -> bool:
    """Return whether the trend has few enough nodes for a `ThinPlan`."""
    nodes = n / settings.trend_jump
    return nodes <= n * NODES_A_POINT and nodes * n <= MOST_ENTRIES


def thin_plan(n: int, settings: StlSettings, dtype: DTypeLike) -> ThinPlan:
    """Fold the iterations of `settings` for series of `n` points; `is_thin` must hold."""
    exact_step = SeasonalStep(n, settings, np.float64)
    exact_lines, before, last = _fold(n, settings, exact_step)
    step = SeasonalStep(n, settings, dtype)
    rows = [last, before]
    low_lines = step.low_pass.lines
    if low_lines is not None and not (
        low_lines.shape[1] <= LOW_PASS_NODES and low_lines.shape[1] * n <= MOST_ENTRIES
    ):
        low_lines = None
    if low_lines is not None:
        low = exact_step.low_pass_rows()
        rows.append(low - exact_lines.adjoint(low) @ before)
    all_nodes = np.concatenate(rows).astype(dtype, copy=False)
    all_nodes.flags.writeable = False
    return ThinPlan(
        trend_nodes=all_nodes[: last.shape[0]],
        all_nodes=all_nodes,
        lines=_lines(trend_loess(n, settings, dtype)),
        exact_lines=exact_lines,
        low_lines=low_lines,
        cycles=CycleSmoother(n, settings, dtype, extend=False),
        step=step,
    )


def _fold(n: int, settings: StlSettings, step: SeasonalStep) -> tuple[Banded, Reals, Reals]:
    """Return P, and G of the last iteration but one and of the last."""
    loess = trend_loess(n, settings, np.float64)
    lines = _lines(loess)
    nodes = loess.node_rows()
    seasonal = step.adjoint(nodes)
    first, again = nodes - seasonal, lines.adjoint(seasonal)
    before, last = np.zeros_like(first), first
    for _ in range(settings.inner_iter - 1):
        before, last = last, first + again @ last
    return lines, before, last


def _lines(loess: Loess) -> Banded:
    if loess.lines is None:
        raise ValueError("every point is a node of the trend: a thin matrix needs trend_jump above 1")
    return loess.lines
