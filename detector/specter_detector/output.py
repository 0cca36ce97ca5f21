"""Names and labels of what the detector writes, and the checks that servers do not make."""

from collections.abc import Mapping
from dataclasses import dataclass

from specter_detector.names import LABEL_NAME, METRIC_NAME
from specter_detector.series import Labels, labels_of

NAME = "__name__"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one output series; `value` None ends the series with a staleness marker.

    `score_of` is the alias of the query whose anomaly score this is, empty for all other outputs.
    """

    labels: Labels
    value: float | None
    timestamp: float
    score_of: str = ""


class InvalidLabelsError(ValueError):
    """These labels cannot be written."""


def output_labels(labels: Labels, metric_format: Mapping[str, str], variables: Mapping[str, str]) -> Labels:
    """Return the labels of an output series.

    The input's labels without its name, plus those of `metric_format` with
    `$VAR`, `$QUERY_KEY`, `$MODEL_ALIAS` and `$SCHEDULER_ALIAS` replaced. An input
    label that goes by a name of the format is kept as `exported_NAME`, as
    Prometheus does with a scraped `job`.

    Raises:
        InvalidLabelsError: a name is not allowed or text is not UTF-8.
    """
    result = {name: _substitute(template, variables) for name, template in metric_format.items()}
    for name, value in labels:
        if name == NAME:
            continue
        kept = name
        while kept in result:
            kept = f"exported_{kept}"
        result[kept] = value
    validate(result)
    return labels_of(result)


def _substitute(template: str, variables: Mapping[str, str]) -> str:
    for name in sorted(variables, key=len, reverse=True):
        template = template.replace(f"${name}", variables[name])
    return template


def validate(labels: Mapping[str, str]) -> None:
    """Check what remote-write receivers let through and choke on later.

    Raises:
        InvalidLabelsError: see `output_labels`.
    """
    if not METRIC_NAME.fullmatch(labels.get(NAME, "")):
        raise InvalidLabelsError(f"{labels.get(NAME, '')!r} is not a metric name")
    for name, value in labels.items():
        if name != NAME and not LABEL_NAME.fullmatch(name):
            raise InvalidLabelsError(f"{name!r} is not a label name")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidLabelsError(f"the value of label {name} is not UTF-8") from None
