"""What outputs are called: the field's convention, promql-anomaly-detection's, or the user's own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from specter_core.metrics import (
    ANOMALY_BAND_NAMES,
    ANOMALY_NAME,
    ANOMALY_STRATEGY,
    ANOMALY_TYPE,
    YHAT,
    YHAT_LOWER,
    YHAT_UPPER,
    Y,
)
from specter_detector.defaults import METRIC_FORMAT
from specter_detector.output import NAME

FormatName = Literal["default", "promql-anomaly-detection", "template"]

BANDS = frozenset({Y, YHAT, YHAT_LOWER, YHAT_UPPER})
"""Outputs that are written only while a series is anomalous where `bands: anomalous` says so."""

PROMQL_LABELS = {ANOMALY_NAME: "$QUERY_KEY", ANOMALY_TYPE: "$ANOMALY_TYPE", ANOMALY_STRATEGY: "$MODEL_ALIAS"}


@dataclass(frozen=True, slots=True)
class OutputFormat:
    """How to call an output.

    Attributes:
        kind: `promql-anomaly-detection` writes level and band as the dashboards of
            https://github.com/grafana/promql-anomaly-detection read them, beside the score.
        template: name and labels of an output, see `output.OutputLabels`; of the score where the kind has
            others for the band.
        extra: labels of all outputs, beside the template's.
    """

    kind: FormatName
    template: Mapping[str, str]
    extra: Mapping[str, str] = field(default_factory=dict)

    def templates(self, provided: Iterable[str]) -> dict[str, Mapping[str, str]]:
        """Return the template of each output to write, of those `provided`."""
        template = {**self.template, **self.extra}
        if self.kind != "promql-anomaly-detection":
            return dict.fromkeys(provided, template)
        written: dict[str, Mapping[str, str]] = {name: template for name in provided if name not in BANDS}
        band = {**PROMQL_LABELS, **self.extra}
        return written | {output: {NAME: name, **band} for output, name in ANOMALY_BAND_NAMES}


DEFAULT = OutputFormat("default", METRIC_FORMAT)
