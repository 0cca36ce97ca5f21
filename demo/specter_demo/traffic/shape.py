"""The seasonal shape of the shop's traffic: how many requests a second, by route and time.

Pure: the generator and the imported history both ask it, which is why the live series continue
the imported ones without a seam.
"""

import datetime as dt
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specter_demo.settings import Settings
from specter_demo.traffic.noise import slow_noise

Array = NDArray[np.float64]

# Share of all requests, averaged over a day.
ROUTES = {
    "/": 0.34,
    "/products/<int:product_id>": 0.18,
    "/search": 0.25,
    "/login": 0.05,
    "/checkout": 0.12,
    "/register": 0.02,
    "/checkin": 0.04,
}

# Requests at each full hour of local time, relative to 15:00 on a weekday.
WEEKDAY = (
    *(0.42, 0.37, 0.345, 0.334, 0.334, 0.36, 0.43, 0.54, 0.66, 0.78, 0.87, 0.92),
    *(0.93, 0.95, 0.985, 1.00, 0.98, 0.93, 0.88, 0.84, 0.80, 0.72, 0.61, 0.50),
)
WEEKEND = (
    *(0.42, 0.37, 0.32, 0.295, 0.280, 0.285, 0.30, 0.34, 0.40, 0.48, 0.56, 0.62),
    *(0.65, 0.67, 0.69, 0.70, 0.70, 0.69, 0.68, 0.67, 0.64, 0.58, 0.51, 0.46),
)

# How much larger a route's share is at its busiest hour: (local hour, relative increase).
BUSY_HOURS = {"/login": (8.5, 0.15), "/search": (11.0, 0.05), "/checkout": (20.5, 0.25)}

COMMON_NOISE = 0.025
ROUTE_NOISE = 0.015
STREAMS = 16  # of noise: one for all, and one for each route
BLEND_HOURS = 1.5
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class TrafficShape:
    """Requests a second as a deterministic function of time.

    Attributes:
        peak: all routes together on a weekday at 15:00 local time, requests/s.
        floor: all routes together never get below this, requests/s.
        utc_offset_hours: local time minus UTC; may be any number, so that it can be any time of day now.
        seed: picks the slow noise (at most 4 % either way).
    """

    peak: float = 24.0
    floor: float = 6.0
    utc_offset_hours: float = 0.0
    seed: int = 1

    @classmethod
    def from_settings(cls, settings: Settings) -> "TrafficShape":
        """Return the shape that `settings` describe."""
        return cls(
            peak=settings.traffic_peak,
            floor=settings.traffic_floor,
            utc_offset_hours=settings.traffic_utc_offset,
            seed=settings.traffic_seed,
        )

    def rate(self, route: str, times: Array) -> Array:
        """Return the rate of `route` (a key of `ROUTES`) at `times` (epoch seconds), requests/s.

        Raises:
            ValueError: `route` is not one of `ROUTES`.
        """
        if route not in ROUTES:
            raise ValueError(f"no such route in the traffic mix: {route!r}; there are {', '.join(ROUTES)}")
        times = np.asarray(times, dtype=np.float64)
        return self._noisy(_share(route, self._local(times)), list(ROUTES).index(route), times)

    def beside(self, share: float, number: int, times: Array) -> Array:
        """Return the rate of what gets `share` requests for each of the shop's, requests/s.

        Args:
            share: of all requests to the shop; they are not among them.
            number: picks the slow noise of its own, from 0 on.
            times: epoch seconds.
        """
        times = np.asarray(times, dtype=np.float64)
        return self._noisy(np.full_like(times, share), len(ROUTES) + number, times)

    def _noisy(self, share: Array, number: int, times: Array) -> Array:
        common = slow_noise(times, self.seed * STREAMS)
        own = slow_noise(times, self.seed * STREAMS + 1 + number)
        noise = 1.0 + COMMON_NOISE * common + ROUTE_NOISE * own
        return np.asarray(self._seasonal(times) * share * noise)

    def total(self, times: Array) -> Array:
        """Return the rate of all routes together at `times` (epoch seconds), requests/s."""
        return np.asarray(np.sum([self.rate(route, times) for route in ROUTES], axis=0))

    def _local(self, times: Array) -> Array:
        return times + self.utc_offset_hours * 3600.0

    def _seasonal(self, times: Array) -> Array:
        local = self._local(times)
        hour = (local % DAY) / 3600.0
        weekend = _weekend_weight(local)
        profile = weekend * _profile(WEEKEND, hour) + (1.0 - weekend) * _profile(WEEKDAY, hour)
        # The noise is multiplied on afterwards: leave room for it above the floor.
        return np.maximum(self.peak * profile, self.floor / (1.0 - COMMON_NOISE - ROUTE_NOISE))


def _profile(table: tuple[float, ...], hour: Array) -> Array:
    """Interpolate the 24 values of `table` at `hour` (0-24): a periodic Catmull-Rom spline."""
    values = np.array(table)
    index = np.floor(hour).astype(np.int64)
    x = hour - index
    before, left, right, after = (values[(index + shift) % 24] for shift in (-1, 0, 1, 2))
    slope_left, slope_right = (right - before) / 2.0, (after - left) / 2.0
    bend = 3.0 * (right - left) - 2.0 * slope_left - slope_right
    twist = 2.0 * (left - right) + slope_left + slope_right
    return np.asarray(left + x * (slope_left + x * (bend + x * twist)))


def _weekend_weight(local: Array) -> Array:
    """Return 1 at weekends, 0 on weekdays, and a smooth step around the midnights between them."""
    day = np.floor(local / DAY)
    hour = (local % DAY) / 3600.0
    today = _is_weekend(day)
    # -0.5 at the start of the blend before midnight, 0.5 at its end after midnight.
    phase = np.where(hour < 12.0, hour, hour - 24.0) / (2.0 * BLEND_HOURS)
    step = np.clip(phase + 0.5, 0.0, 1.0)
    step = step * step * (3.0 - 2.0 * step)
    earlier = np.where(hour < 12.0, _is_weekend(day - 1.0), today)
    later = np.where(hour < 12.0, today, _is_weekend(day + 1.0))
    return np.asarray(earlier + (later - earlier) * step)


def _is_weekend(day: Array) -> Array:
    """Tell for days since the epoch (a Thursday) whether they are a Saturday or Sunday, as 1 or 0."""
    return np.asarray((day + 3.0) % 7.0 >= 5.0, dtype=np.float64)


def _share(route: str, local: Array) -> Array:
    hour = (local % DAY) / 3600.0
    total = np.sum([_weight(name, hour) for name in ROUTES], axis=0)
    return np.asarray(_weight(route, hour) / total)


def _weight(route: str, hour: Array) -> Array:
    busiest, increase = BUSY_HOURS.get(route, (0.0, 0.0))
    wave = np.cos(2.0 * np.pi * (hour - busiest) / 24.0)
    return np.asarray(ROUTES[route] * (1.0 + increase * np.exp(3.0 * (wave - 1.0))))


def utc_offset_for(local_time: str, now: float) -> float:
    """Return the UTC offset (hours, -12 to 12) with which it is `local_time` at `now`.

    Args:
        local_time: a time of day, for example "03:00".
        now: epoch seconds.

    Raises:
        ValueError: `local_time` is not HH:MM.
    """
    try:
        wanted = dt.time.fromisoformat(local_time)
    except ValueError as error:
        raise ValueError(f"expected a time of day such as 03:00 (HH:MM), found {local_time!r}") from error
    hours = wanted.hour + wanted.minute / 60.0 + wanted.second / 3600.0 - (now % DAY) / 3600.0
    return hours - 24.0 * math.ceil((hours - 12.0) / 24.0)
