"""A fitter without a process of its own."""

from collections.abc import Iterator

from specter_detector.models.arrays import Floats, Ints
from specter_detector.models.fit import FitOptions, Fitted, fit


class InlineFitter:
    """Fits in the calling thread."""

    def fit_all(
        self,
        times: Floats,
        values: Floats,
        options: FitOptions,
        *,
        known: Ints,
        new: Ints,
        limits: Floats | None = None,
    ) -> Iterator[tuple[Ints, Fitted]]:
        for rows, with_state in ((new, True), (known, False)):
            if rows.size:
                own = None if limits is None else limits[rows]
                yield rows, fit(times, values[rows], options, with_state=with_state, limits=own)

    def close(self) -> None:
        """Nothing to give back."""
