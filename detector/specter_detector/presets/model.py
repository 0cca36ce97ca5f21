"""What a preset is made of."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

from specter_core.metrics import ANOMALY_SCORE, YHAT, YHAT_LOWER, YHAT_UPPER
from specter_detector.models.policy import Direction, Policy

PresetName = Literal[
    "http",
    "node",
    "postgres",
    "sql",
    "queues",
    "jobs",
    "logs",
    "business",
    "signin",
    "frontend",
    "dependencies",
]
PRESET_NAMES: tuple[PresetName, ...] = get_args(PresetName)
Level = Literal["service", "detail"]
Range = tuple[float, float]

UNLIMITED: Range = (0.0, math.inf)
RATIO: Range = (0.0, 1.0)
MINUTE, STEP = 60.0, 300.0


@dataclass(frozen=True, slots=True)
class Source:
    """One way to ask for a quantity.

    Attributes:
        expr: PromQL.
        needs: metrics that must exist; those of `limit` are not among them.
        limit: PromQL for where the series end, see `limits`; None for nowhere.
    """

    expr: str
    needs: tuple[str, ...]
    limit: str | None = None


def share(part: str, whole: str, least: float) -> str:
    """Return PromQL for `part` / `whole`, 0 where no part has been seen yet.

    Less than `least` of the whole counts as `least`: a share of hardly anything is small and not unknown,
    or a series would vanish each night, and its absence be an anomaly.
    """
    return f"({part} or 0 * {whole}) / clamp_min({whole}, {least:g})"


@dataclass(frozen=True, slots=True)
class PresetQuery:
    """A quantity worth watching.

    Attributes:
        alias: the value of the output's label `for`.
        title: what it is, for a page.
        why: what an anomaly of it tells.
        unit: of its values.
        level: `service` for what is looked at first, whose band is always written; `detail` for the rest.
        sources: ways to ask for it, best first; the first whose metrics exist is used.
        direction: on which side of the expectation a deviation counts.
        min_dev: least deviation that counts, in `unit`.
        min_rel_dev: least deviation as a share of the expectation; where both are set, both must be exceeded.
        data_range: possible values.
        step: seconds between the values of the history.
    """

    alias: str
    title: str
    why: str
    unit: str
    level: Level
    sources: tuple[Source, ...]
    direction: Direction = "both"
    min_dev: float = 0.0
    min_rel_dev: float = 0.0
    data_range: Range = UNLIMITED
    step: float = STEP

    @property
    def policy(self) -> Policy:
        """Which deviations matter."""
        return Policy(self.direction, (self.min_dev,) * 2, (self.min_rel_dev,) * 2)

    @property
    def bands(self) -> Literal["always", "anomalous"]:
        """When the band is written, which is three series for one score."""
        return "always" if self.level == "service" else "anomalous"

    @property
    def provide_series(self) -> tuple[str, ...]:
        """The output series; for how long the band is written see `bands`."""
        return (ANOMALY_SCORE, YHAT, YHAT_LOWER, YHAT_UPPER)


@dataclass(frozen=True, slots=True)
class Preset:
    """The queries about one kind of system."""

    name: PresetName
    about: str
    queries: tuple[PresetQuery, ...]
