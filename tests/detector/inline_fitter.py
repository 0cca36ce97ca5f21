"""A fitter without a process of its own."""

from collections.abc import Iterable, Iterator

from specter_detector.models.arrays import Floats
from specter_detector.models.seasonal import FitOptions, FittedModel, fit


class InlineFitter:
    """Fits in the calling thread."""

    def fit_all(
        self, times: Floats, rows: Iterable[Floats], options: FitOptions
    ) -> Iterator[FittedModel | None]:
        for row in rows:
            yield fit(times, row, options)

    def close(self) -> None:
        """Nothing to give back."""
