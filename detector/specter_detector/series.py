"""The identity of a series: its labels, sorted, so that equal series are equal keys."""

from collections.abc import Mapping
from dataclasses import dataclass

from specter_detector.models.arrays import Floats

Labels = tuple[tuple[str, str], ...]


def labels_of(mapping: Mapping[str, str]) -> Labels:
    """Return `mapping` as `Labels`; an empty value means the label is not there, as in Prometheus."""
    return tuple(sorted((name, value) for name, value in mapping.items() if value))


def text_of(labels: Labels) -> str:
    """Return `labels` as Prometheus writes them."""
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels) + "}"


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Series on one grid: `values[i, j]` is series `labels[i]` at `times[j]`, NaN where there is none.

    `cut` counts the series beyond the limit.
    """

    times: Floats
    labels: tuple[Labels, ...]
    values: Floats
    cut: int = 0


@dataclass(frozen=True, slots=True)
class Vector:
    """What a query returns at one moment; `cut` counts the series beyond the limit."""

    samples: Mapping[Labels, float]
    cut: int = 0
