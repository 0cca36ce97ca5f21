"""Durations as Prometheus writes them, in a configuration."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from specter_core.durations import parse_duration


def _positive(seconds: float) -> float:
    if seconds <= 0:
        raise ValueError("must be longer than 0s")
    return seconds


def _whole(seconds: float) -> float:
    if seconds != int(seconds):
        raise ValueError("must be whole seconds")
    return seconds


Duration = Annotated[float, BeforeValidator(parse_duration)]
WholeDuration = Annotated[Duration, AfterValidator(_whole)]
PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
StepDuration = Annotated[Duration, AfterValidator(_positive), AfterValidator(_whole)]
