"""One measurement as a browser sends it: checked, and turned into the metric's unit."""

import math
from dataclasses import dataclass
from typing import Any

from specter_exporters.browser.pages import Pages
from specter_exporters.vitals import DEVICES, OTHER_DEVICE, VITALS, device_class

MAX_ID = 100
MAX_PATH = 2048
REASONS = ("shape", "name", "value", "id", "page", "device")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A value of one vital on one view of a page.

    `name` is a key of `VITALS`, `value` in its metric's unit. `key` is a hash of its name and id, which are
    as long as a client likes.
    """

    key: int
    name: str
    value: float
    page: str
    device: str


class MeasurementError(Exception):
    """A measurement is refused; `reason` is one of `REASONS`. The message quotes nothing of it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def measurement(item: Any, pages: Pages) -> Measurement:
    """Return what `item` says, a `Metric` of the web-vitals package with the view's `page` and `device`.

    Other fields are not read: versions of the package differ in them.

    Raises:
        MeasurementError: a field is missing, of another kind or out of range.
    """
    if not isinstance(item, dict):
        raise MeasurementError("shape", "a measurement must be an object")
    name = item.get("name")
    if not isinstance(name, str) or name not in VITALS:
        raise MeasurementError("name", f"name must be one of {', '.join(VITALS)}")
    identifier = item.get("id")
    if not isinstance(identifier, str) or not 1 <= len(identifier) <= MAX_ID:
        raise MeasurementError("id", f"id must be a text of 1 to {MAX_ID} characters")
    page = item.get("page")
    if not isinstance(page, str) or not page.startswith("/") or len(page) > MAX_PATH:
        raise MeasurementError("page", f"page must be a path: it begins with / and has {MAX_PATH} characters")
    device = item.get("device", OTHER_DEVICE)
    if not isinstance(device, str):
        raise MeasurementError(
            "device", f"device must be one of {', '.join(sorted(DEVICES))}, {OTHER_DEVICE}"
        )
    value = _value(name, item.get("value"))
    return Measurement(hash((name, identifier)), name, value, pages.find(page), device_class(device))


def _value(name: str, given: Any) -> float:
    vital = VITALS[name]
    # true is an int to Python; an integer may have any number of digits.
    if isinstance(given, int | float) and not isinstance(given, bool) and given >= 0:
        try:
            value = float(given) * vital.scale
        except OverflowError:
            value = math.inf
        if value <= vital.largest:
            return value
    largest = vital.largest / vital.scale
    raise MeasurementError("value", f"value of {name} must be a number from 0 to {largest:.0f}")
