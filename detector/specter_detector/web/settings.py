"""Settings to try: from the form and the API to `FitOptions`, and back to the YAML that makes them last."""

import math
from dataclasses import replace
from typing import Annotated, Any

import yaml
from pydantic import Field, model_validator

from specter_core.config import Schema
from specter_detector.models.fit import FitOptions
from specter_detector.models.learners import Kind
from specter_detector.models.policy import Direction, Policy
from specter_detector.schema import TimeZone

Deviation = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Edge = Annotated[float, Field(allow_inf_nan=False)] | None


class Settings(Schema):
    """What can be tried on a series; names and meaning are those of the configuration file."""

    class_: Annotated[Kind, Field(alias="class")] = "seasonal"
    detection_direction: Direction = "both"
    min_dev_from_expected: tuple[Deviation, Deviation] = (0.0, 0.0)
    min_rel_dev_from_expected: tuple[Deviation, Deviation] = (0.0, 0.0)
    data_range: Annotated[
        tuple[Edge, Edge], Field(description="Lowest and highest possible value; null for no limit.")
    ] = (None, None)
    tz: TimeZone = "UTC"

    @model_validator(mode="after")
    def _ordered(self) -> "Settings":
        lowest, highest = self.data_range
        if lowest is not None and highest is not None and not lowest < highest:
            raise ValueError("data_range: expected [lowest, highest]")
        return self


def settings_of(options: FitOptions) -> Settings:
    """Return the settings behind `options`."""
    policy = options.policy
    lowest, highest = policy.data_range
    return Settings.model_validate(
        {
            "class": options.kind,
            "detection_direction": policy.direction,
            "min_dev_from_expected": policy.min_dev,
            "min_rel_dev_from_expected": policy.min_rel_dev,
            "data_range": (_finite(lowest), _finite(highest)),
            "tz": options.tz,
        }
    )


def options_with(options: FitOptions, settings: Settings) -> FitOptions:
    """Return `options` changed to `settings`; step and holidays stay."""
    lowest, highest = settings.data_range
    policy = Policy(
        settings.detection_direction,
        settings.min_dev_from_expected,
        settings.min_rel_dev_from_expected,
        (-math.inf if lowest is None else lowest, math.inf if highest is None else highest),
    )
    return replace(options, kind=settings.class_, tz=settings.tz, policy=policy)


def yaml_of(query: str, settings: Settings, *, replaces: str) -> str:
    """Return what makes `settings` last, as a part of the configuration file.

    Args:
        query: alias of the query.
        settings: for it.
        replaces: alias of the model that watches it now.
    """
    lowest, highest = settings.data_range
    of_query: dict[str, Any] = {"tz": settings.tz}
    if lowest is not None or highest is not None:
        edges = -math.inf if lowest is None else lowest, math.inf if highest is None else highest
        of_query["data_range"] = [float(edge) for edge in edges]
    model = {
        "class": settings.class_,
        "queries": [query],
        "detection_direction": settings.detection_direction,
        "min_dev_from_expected": _scalar(settings.min_dev_from_expected),
        "min_rel_dev_from_expected": _scalar(settings.min_rel_dev_from_expected),
    }
    document = {"reader": {"queries": {query: of_query}}, "models": {query: model}}
    text = yaml.safe_dump(document, sort_keys=False, default_flow_style=None)
    if replaces == query:
        return text
    return f"# and leave {query} out of the queries of model {replaces}\n{text}"


def _scalar(pair: tuple[float, float]) -> float | list[float]:
    return pair[0] if pair[0] == pair[1] else list(pair)


def _finite(edge: float) -> float | None:
    return edge if math.isfinite(edge) else None
