"""When a job is to run: by cron, by systemd's OnCalendar, or so long after its last run.

A schedule is asked for the next time after another one. The answer is later than what was asked for, whatever
clocks do in between, and the same from every moment in between: so each scheduled run is seen once.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from oncalendar import BaseIterator, OnCalendarError

from specter_exporters.jobs.fallen import Fallen, Pattern, by_days, one_by_one

_FIELDS = 5
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


class Schedule(Protocol):
    """What says when a job is to run."""

    @property
    def anchored(self) -> bool:
        """Whether it counts from the last run and not from the clock."""

    @property
    def text(self) -> str:
        """The same in words: for people, and for the store."""

    def next_after(self, moment: float) -> float | None:
        """Return the first Unix time after `moment` at which the job is to run; None when there is none."""

    def fallen(self, first: float, until: float, most: int) -> Fallen:
        """Return how many times there are from `first`, which is one, to `until`, and the newest `most`."""


@dataclass(frozen=True, slots=True)
class Cron:
    """Five fields of a crontab, as Debian's cron takes them.

    When clocks go forward, a job of a fixed hour that is left out runs right after the gap; when they go
    back, it runs once. Jobs of every hour or minute (`*`) follow the time that really passes.

    Args:
        expression: five fields, or a word such as @daily.
        zone: whose clock.

    Raises:
        ValueError: the expression is none; the message says what is wrong.
    """

    expression: str
    zone: ZoneInfo
    anchored: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        if self.expression.startswith("@") and self.expression.lower() not in _MACROS:
            raise ValueError(f"expected five fields or one of {', '.join(sorted(_MACROS))}")
        if len(self._fields.split()) != _FIELDS:
            raise ValueError("expected five fields: minute, hour, day of month, month, day of week")
        try:
            CronSim(self._fields, datetime.now(self.zone))
        except CronSimError as error:
            raise ValueError(f"is no cron expression: {error}") from error

    @property
    def text(self) -> str:
        """The same in words; see `Schedule`."""
        return f"cron {self.expression} {self.zone.key}"

    @property
    def _fields(self) -> str:
        return _MACROS.get(self.expression.lower(), self.expression)

    def next_after(self, moment: float) -> float | None:
        """Return the next time; see `Schedule`."""
        if any(part.startswith("*") for part in self._fields.split()[:2]):
            return _as_time_passes(self._fields, self.zone, moment)
        # After clocks went back, a job that ran before comes once more: that run is the earlier one.
        for found in CronSim(self._fields, datetime.fromtimestamp(moment, self.zone)):
            seconds = found.timestamp()
            if seconds > moment:
                return seconds
        return None

    def fallen(self, first: float, until: float, most: int) -> Fallen:
        """Return the times of a stretch; see `Schedule`."""
        return by_days(self, self.zone, [_cron_pattern(self._fields)], first, until, most)


def _cron_pattern(fields: str) -> Pattern:
    parsed = CronSim(fields, datetime(2000, 1, 1, tzinfo=UTC))

    def runs_on(day: date) -> bool:
        return day.month in parsed.months and parsed.match_day(day)

    return _pattern(parsed, runs_on)


@dataclass(frozen=True, slots=True)
class Calendar:
    """systemd's OnCalendar; with several, the job runs at each of their times.

    When clocks go forward, times in the gap are left out; when they go back, those of the hour that comes
    twice come once, in its first pass: systemd asks for the next time after the last one.

    Args:
        expressions: as systemd.time(7) says, the time zone at the end of one is its own.
        zone: whose clock, of those that name no zone.

    Raises:
        ValueError: one of them is none; the message says what is wrong.
    """

    expressions: tuple[str, ...]
    zone: ZoneInfo
    anchored: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        for expression, zone in self._parts():
            try:
                BaseIterator(expression, datetime.now(zone).replace(tzinfo=None))
            except OnCalendarError as error:
                raise ValueError(f"{expression!r} is no OnCalendar expression: {error}") from error

    @property
    def text(self) -> str:
        """The same in words; see `Schedule`."""
        return f"on_calendar {'; '.join(self.expressions)} {self.zone.key}"

    def next_after(self, moment: float) -> float | None:
        """Return the next time; see `Schedule`."""
        found = [_calendar_next(expression, zone, moment) for expression, zone in self._parts()]
        return min((seconds for seconds in found if seconds is not None), default=None)

    def fallen(self, first: float, until: float, most: int) -> Fallen:
        """Return the times of a stretch; see `Schedule`."""
        zones = {zone for _, zone in self._parts()}
        if len(zones) > 1:  # their days are not the same
            return one_by_one(self, first, until, most)
        patterns = [_calendar_pattern(expression) for expression, _ in self._parts()]
        return by_days(self, zones.pop(), patterns, first, until, most)

    def _parts(self) -> Iterator[tuple[str, ZoneInfo]]:
        for expression in self.expressions:
            head, _, last = expression.strip().rpartition(" ")
            zone = _zone(last) if head else None
            yield (expression.strip(), self.zone) if zone is None else (head, zone)


def _calendar_pattern(expression: str) -> Pattern:
    parsed = BaseIterator(expression, datetime(2000, 1, 1))  # noqa: DTZ001  (the clock on the wall)

    def runs_on(day: date) -> bool:
        return (
            day.year in parsed.years
            and day.month in parsed.months
            and parsed.match_dow(day)
            and parsed.match_dom(day)
        )

    return _pattern(parsed, runs_on)


def _pattern(parsed: CronSim | BaseIterator, runs_on: Callable[[date], bool]) -> Pattern:
    hours, minutes, seconds = (tuple(sorted(each)) for each in (parsed.hours, parsed.minutes, parsed.seconds))
    return Pattern(hours, minutes, seconds, runs_on)


def _zone(name: str) -> ZoneInfo | None:
    if not name[:1].isalpha():
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # what is no zone is a part of the expression
        return None


def _calendar_next(expression: str, zone: ZoneInfo, moment: float) -> float | None:
    """Return the next time of one expression, which is matched against the clock on the wall."""
    for found in _real(BaseIterator(expression, _wall(moment, zone)), zone):
        seconds = _seconds(found, zone, 0)
        # Within the hour that comes twice, the wall shows again what is over.
        if seconds > moment:
            return seconds
    return None


def _as_time_passes(fields: str, zone: ZoneInfo, moment: float) -> float | None:
    """Return the next time of a crontab's line, of each hour that comes twice in both."""
    now, wall = datetime.fromtimestamp(moment, zone), _wall(moment, zone)
    first = next(_real(CronSim(fields, wall), zone), None)
    here = first is not None and first - wall < _DAY and _twice(first, zone)
    if now.fold or here or not _twice(wall, zone):
        return None if first is None else _seconds(first, zone, now.fold if here else 0)
    # The first pass of the hour that comes twice is over for this line: what is in the second?
    back = _offset(wall, zone, 0) - _offset(wall, zone, 1)
    for again in CronSim(fields, wall - back - _SECOND):
        if again > wall:
            break
        if _twice(again, zone):
            return _seconds(again, zone, 1)
    return None if first is None else _seconds(first, zone, 0)


def _wall(moment: float, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(moment, zone).replace(tzinfo=None, fold=0)


def _real(times: Iterable[datetime], zone: ZoneInfo) -> Iterator[datetime]:
    """Yield those of `times` that there are: clocks that go forward leave some out."""
    for found in times:
        if found.replace(tzinfo=zone).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == found:
            yield found


def _offset(wall: datetime, zone: ZoneInfo, fold: int) -> timedelta:
    return wall.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta()


def _twice(wall: datetime, zone: ZoneInfo) -> bool:
    return _offset(wall, zone, 0) > _offset(wall, zone, 1)


def _seconds(wall: datetime, zone: ZoneInfo, fold: int) -> float:
    return wall.replace(tzinfo=zone, fold=fold).timestamp()


@dataclass(frozen=True, slots=True)
class Every:
    """So long after the last run.

    Args:
        seconds: between two runs, more than 0.
    """

    seconds: float
    anchored: bool = field(default=True, init=False)

    @property
    def text(self) -> str:
        """The same in words; see `Schedule`."""
        return f"every {self.seconds:g}s"

    def next_after(self, moment: float) -> float | None:
        """Return the next time; see `Schedule`."""
        return moment + self.seconds

    def fallen(self, first: float, until: float, most: int) -> Fallen:
        """Return the times of a stretch; see `Schedule`."""
        count = math.floor((until - first) / self.seconds) + 1
        numbers = range(max(0, count - most), count)
        return Fallen(count, tuple(first + number * self.seconds for number in numbers))
