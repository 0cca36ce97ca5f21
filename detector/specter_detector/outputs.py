"""The output series of one job: their labels, and which of them are open."""

from collections.abc import Iterable, Mapping

from specter_core.metrics import ANOMALY_SCORE
from specter_detector.output import InvalidLabelsError, Sample, output_labels
from specter_detector.series import Labels


class Outputs:
    """Makes samples of what was judged, and a staleness marker where an output ends.

    Args:
        alias: of the query.
        metric_format: name and labels of an output, see `output.output_labels`.
        variables: what they may refer to beside `VAR`.
        names: of the outputs of each series.
    """

    def __init__(
        self, alias: str, metric_format: Mapping[str, str], variables: Mapping[str, str], names: Iterable[str]
    ) -> None:
        self._alias = alias
        self._metric_format = metric_format
        self._variables = variables
        self._names = tuple(names)
        self._labels: dict[Labels, dict[str, Labels]] = {}
        self._open: dict[Labels, None] = {}

    def tick(
        self, at: float, values: Mapping[Labels, Mapping[str, float]]
    ) -> tuple[list[Sample], list[Labels]]:
        """Return the samples of `values`, by input series and output, at `at`, and the unwritable series.

        Outputs that are open and not among `values` are ended.
        """
        samples: list[Sample] = []
        scored: dict[Labels, None] = {}
        unwritable: list[Labels] = []
        for labels, outputs in values.items():
            try:
                names = self._output_labels(labels)
            except InvalidLabelsError:
                unwritable.append(labels)
                continue
            samples += [
                Sample(of, outputs[name], at, self._alias if name == ANOMALY_SCORE else "")
                for name, of in names.items()
            ]
            scored[labels] = None
        samples += self._end(at, [labels for labels in self._open if labels not in scored])
        self._open = scored
        return samples, unwritable

    def close(self, at: float) -> list[Sample]:
        """End every open output at `at`."""
        samples = self._end(at, self._open)
        self._open = {}
        return samples

    def forget(self, series: Iterable[Labels]) -> None:
        """Drop the labels that were made for `series`."""
        for labels in series:
            self._labels.pop(labels, None)

    def _end(self, at: float, series: Iterable[Labels]) -> list[Sample]:
        return [Sample(of, None, at) for labels in series for of in self._output_labels(labels).values()]

    def _output_labels(self, labels: Labels) -> dict[str, Labels]:
        """Return the output labels by output name, made once a series."""
        known = self._labels.get(labels)
        if known is None:
            known = {
                name: output_labels(labels, self._metric_format, {**self._variables, "VAR": name})
                for name in self._names
            }
            self._labels[labels] = known
        return known
