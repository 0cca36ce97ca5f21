"""Days, weeks and months of a time zone, at little cost an event."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

SET_BACK = 86400.0


class Period(StrEnum):
    """A stretch of the calendar over which users are counted; the value of the label `period`."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def start(self, day: int) -> int:
        """Return the first day (proleptic ordinal) of the period in which `day` is."""
        when = date.fromordinal(day)
        if self is Period.DAY:
            return day
        if self is Period.WEEK:
            return day - when.weekday()
        return when.replace(day=1).toordinal()


class Days:
    """Says which day it is.

    A clock that is set back by less than a day does not bring yesterday again; one
    that was far ahead is believed when it has been set right.
    """

    def __init__(self, time_zone: str) -> None:
        self._zone = ZoneInfo(time_zone)
        self._day = 0
        self._begins = self._ends = 0.0

    def day(self, now: float) -> int:
        """Return the ordinal of the day at `now` (Unix time)."""
        if not self._begins - SET_BACK <= now < self._ends:
            today = datetime.fromtimestamp(now, self._zone).date()
            self._day = today.toordinal()
            self._begins = self._midnight(today)
            self._ends = self._midnight(today + timedelta(days=1))
        return self._day

    def _midnight(self, day: date) -> float:
        return datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()
