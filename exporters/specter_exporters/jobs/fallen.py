"""How many times of a schedule a long stretch of time has, and which are the newest: day by day.

A day on which no clock is changed has the same times as any other on which the schedule runs: they are
counted, not looked for one by one. Of a day on which one is, each time is asked for.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache, lru_cache
from itertools import takewhile
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


class Fallen(NamedTuple):
    """Times of a schedule: how many there are, and the newest of them, in order."""

    total: int
    newest: tuple[float, ...]


class Asked(Protocol):
    """A schedule that can be asked for one time after another; equal ones have equal times."""

    def next_after(self, moment: float) -> float | None:
        """Return the first Unix time after `moment`; None when there is none."""

    def __hash__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression: the times of a day, on the days on which it runs."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]
    runs_on: Callable[[date], bool]

    @property
    def count(self) -> int:
        """How many times a day has."""
        return len(self.hours) * len(self.minutes) * len(self.seconds)

    @property
    def times(self) -> list[int]:
        """They, in seconds since midnight."""
        return _times_of_day(self.hours, self.minutes, self.seconds)


@lru_cache(8)
def _times_of_day(hours: Sequence[int], minutes: Sequence[int], seconds: Sequence[int]) -> list[int]:
    # Many jobs of one schedule come behind each other.
    return [3600 * hour + 60 * minute + second for hour in hours for minute in minutes for second in seconds]


def by_days(
    schedule: Asked, zone: ZoneInfo, patterns: Sequence[Pattern], first: float, until: float, most: int
) -> Fallen:
    """Return the times from `first` to `until`, both with it, and the newest `most` of them.

    Args:
        schedule: is asked for the times of days on which clocks are changed.
        zone: whose days they are.
        patterns: which times the other days have; what several say counts once.
        first: Unix time.
        until: Unix time.
        most: more than 0.
    """
    begin, end = (datetime.fromtimestamp(moment, zone).date() for moment in (first, until))

    @cache
    def within(day: date) -> Sequence[float]:
        times = _times(schedule, zone, patterns, day)
        return times[bisect_left(times, first) : bisect_right(times, until)]

    inner = (begin + _DAY * number for number in range(1, (end - begin).days))
    total = sum(len(within(day)) for day in {begin, end})
    total += sum(_count(schedule, zone, patterns, day) for day in inner)
    newest: list[float] = []
    day = end
    while len(newest) < min(most, total):
        newest = [*within(day)[-most:], *newest]
        day -= _DAY
    return Fallen(total, tuple(newest[-most:]))


def one_by_one(schedule: Asked, first: float, until: float, most: int) -> Fallen:
    """Return the same by asking for each; see `by_days`."""
    count, newest = 0, deque[float](maxlen=most)
    for moment in _asked(schedule, first, until):
        count += 1
        newest.append(moment)
    return Fallen(count, tuple(newest))


def _asked(schedule: Asked, first: float, until: float) -> Iterator[float]:
    moment: float | None = first
    while moment is not None and moment <= until:
        yield moment
        moment = schedule.next_after(moment)


def _count(schedule: Asked, zone: ZoneInfo, patterns: Sequence[Pattern], day: date) -> int:
    running = [each for each in patterns if each.runs_on(day)]
    if len(running) == 1 and _midnight(zone, day) is not None:
        return running[0].count
    return len(_times(schedule, zone, patterns, day))


def _times(schedule: Asked, zone: ZoneInfo, patterns: Sequence[Pattern], day: date) -> Sequence[float]:
    midnight = _midnight(zone, day)
    if midnight is None:
        return _of_changed_day(schedule, zone, day)
    running = [each.times for each in patterns if each.runs_on(day)]
    seconds = running[0] if len(running) == 1 else sorted(set().union(*running))
    return [midnight + each for each in seconds]


@lru_cache(32)
def _of_changed_day(schedule: Asked, zone: ZoneInfo, day: date) -> tuple[float, ...]:
    end = _at(zone, day + _DAY, 0).timestamp()
    first = schedule.next_after(_at(zone, day, 0).timestamp() - 1)
    return () if first is None else tuple(takewhile(lambda at: at < end, _asked(schedule, first, end)))


@lru_cache(4096)
def _midnight(zone: ZoneInfo, day: date) -> float | None:
    """Return the Unix time at which a day begins; None if a clock is changed on it, or at its edge."""
    begin = _at(zone, day, 0)
    # What a gap up to midnight leaves out of the day before, cron runs at midnight.
    before = datetime.fromtimestamp(begin.timestamp() - 1, zone)
    edges = [before, begin, _at(zone, day, 1), _at(zone, day + _DAY, 0), _at(zone, day + _DAY, 1)]
    return begin.timestamp() if len({each.utcoffset() for each in edges}) == 1 else None


def _at(zone: ZoneInfo, day: date, fold: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone, fold=fold)
