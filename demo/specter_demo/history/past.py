"""What is needed to make up the past of one service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from specter_demo.history.calibration import Calibration
from specter_demo.history.simulate import RateOf


@dataclass(frozen=True, slots=True)
class Past:
    """How a service was, as far as Prometheus would know.

    Attributes:
        service: its target label; its job is called the same.
        version: the release that ran.
        calibration: how long each route takes, and how it ends.
        rate_of: requests/s by route and time.
        labels: what its request histogram is labelled with beside method, route and status.
    """

    service: str
    version: str
    calibration: Calibration
    rate_of: RateOf
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
