"""The core web vitals, as the web-vitals package names and measures them."""

from dataclasses import dataclass

from specter_core import metrics
from specter_core.metrics import Metric

DEVICES = frozenset({"desktop", "mobile", "tablet"})
# As everywhere, `other` is what is not in a list, whether it was said or not.
OTHER_DEVICE = "other"


@dataclass(frozen=True, slots=True)
class Vital:
    """One of them.

    `scale` turns the package's values into the metric's unit: it measures in milliseconds, but for layout
    shifts, which have no unit. A value above `largest`, in the metric's unit, is no measurement: what takes
    ten minutes is a page that slept in the background.
    """

    metric: Metric
    scale: float = 1e-3
    largest: float = 600.0


VITALS = {
    "LCP": Vital(metrics.WEB_VITALS_LCP),
    "INP": Vital(metrics.WEB_VITALS_INP),
    "CLS": Vital(metrics.WEB_VITALS_CLS, scale=1.0, largest=100.0),
    "FCP": Vital(metrics.WEB_VITALS_FCP),
    "TTFB": Vital(metrics.WEB_VITALS_TTFB),
}


def device_class(said: object) -> str:
    """Return a device's label: one of `DEVICES`, `OTHER_DEVICE` for everything else and for nothing."""
    return said if isinstance(said, str) and said in DEVICES else OTHER_DEVICE
