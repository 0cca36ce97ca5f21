"""A fitter without a process of its own."""

from collections.abc import Iterator

from specter_detector.fitting import FitRequest
from specter_detector.models.arrays import Ints
from specter_detector.models.fit import Fitted, fit


class InlineFitter:
    """Fits in the calling thread."""

    def fit_all(self, request: FitRequest) -> Iterator[tuple[Ints, Fitted]]:
        for rows, with_state in ((request.new, True), (request.known, False)):
            if rows.size:
                yield (
                    rows,
                    fit(
                        request.times,
                        request.values(rows),
                        request.options,
                        with_state=with_state,
                        limits=None if request.limits is None else request.limits[rows],
                        excluded=None if request.excluded is None else request.excluded(rows),
                    ),
                )

    def close(self) -> None:
        """Nothing to give back."""
