"""Where in the day and in the week a timestamp is, in the time zone of the series."""

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np

from specter_detector.models.arrays import Floats

OFFSET_STEP = 900.0  # every UTC offset changes at a multiple of a quarter of an hour


def local_seconds(times: Floats, tz: str) -> Floats:
    """Shift Unix `times` (s) to the wall clock of `tz`, so that daylight saving does not move the day."""
    if tz == "UTC":
        return times
    zone = ZoneInfo(tz)
    slots, inverse = np.unique(np.floor(times / OFFSET_STEP), return_inverse=True)
    offsets = np.array([_offset(slot * OFFSET_STEP, zone) for slot in slots], dtype=np.float64)
    return times + offsets[inverse]


def _offset(timestamp: float, zone: ZoneInfo) -> float:
    offset = dt.datetime.fromtimestamp(timestamp, tz=zone).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()


def phases(times: Floats, step: float, tz: str) -> Floats:
    """Return the number of steps since the epoch's midnight in `tz`; modulo a period it is the phase."""
    return local_seconds(times, tz) / step
