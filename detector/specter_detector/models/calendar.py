"""Holidays: days whose weekly shape is a Sunday's, whatever weekday they fall on."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from specter_core.errors import SpecterError
from specter_detector.models.arrays import Floats, Ints
from specter_detector.models.phases import local_seconds

DAY = 86400.0
SUNDAY = 6
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0
EPOCH_ORDINAL = dt.date(1970, 1, 1).toordinal()


class CalendarError(SpecterError):
    """A country, subdivision, date or weekday of a calendar that does not exist."""


@dataclass(frozen=True, slots=True)
class Holidays:
    """Which local dates are holidays, and as which weekday they count.

    Attributes:
        country: ISO 3166 code as the `holidays` package has it ("DE"), None for no country.
        subdivision: its state or region ("BY"), None for nationwide holidays only.
        dates: further holidays, ISO dates ("2026-12-24").
        as_weekday: 0 (Monday) to 6 (Sunday): the weekday whose shape a holiday has.

    Raises:
        CalendarError: an unknown country, subdivision, date or weekday; says what is allowed.
    """

    country: str | None = None
    subdivision: str | None = None
    dates: tuple[str, ...] = ()
    as_weekday: int = SUNDAY
    _listed: frozenset[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.as_weekday not in range(7):
            raise CalendarError(f"as_weekday is {self.as_weekday!r}: expected 0 (Monday) to 6 (Sunday)")
        object.__setattr__(self, "_listed", frozenset(_day_number(text) for text in self.dates))
        if self.country is None:
            if self.subdivision is not None:
                raise CalendarError(f"subdivision {self.subdivision!r} needs a country")
            return
        supported = _supported()
        if self.country not in supported:
            allowed = ", ".join(sorted(supported))
            raise CalendarError(f"unknown country {self.country!r}: expected one of {allowed}")
        subdivisions = supported[self.country]
        if self.subdivision is not None and self.subdivision not in subdivisions:
            allowed = ", ".join(subdivisions) or "none: it has no subdivisions"
            raise CalendarError(
                f"unknown subdivision {self.subdivision!r} of {self.country}: expected one of {allowed}"
            )

    def on(self, days: Ints) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Tell which `days`, numbered from 1970-01-01 in local dates, are holidays."""
        if days.size == 0:
            return np.zeros(days.shape, dtype=np.bool_)
        known = self._listed | self._of_country(int(days.min()), int(days.max()))
        return np.isin(days, np.fromiter(known, np.int64, len(known)))

    def _of_country(self, first: int, last: int) -> frozenset[int]:
        if self.country is None:
            return frozenset()
        # Imported here: only a model with a country has to pay.
        from holidays import country_holidays  # noqa: PLC0415

        years = range(_date(first).year, _date(last).year + 1)
        found: Iterable[dt.date] = country_holidays(self.country, subdiv=self.subdivision, years=years)
        return frozenset(date.toordinal() - EPOCH_ORDINAL for date in found)


NO_HOLIDAYS = Holidays()


def day_types(times: Floats, tz: str, holidays: Holidays = NO_HOLIDAYS) -> Ints:
    """Return 0 (Monday) to 6 (Sunday) for each of Unix `times` (s) in `tz`.

    A holiday has the type `holidays.as_weekday`, from local midnight to local midnight.
    """
    days = _local_days(local_seconds(times, tz))
    return (_weekday(days) + _shift(days, holidays)).astype(np.int64)


def calendar_phases(times: Floats, step: float, tz: str, holidays: Holidays = NO_HOLIDAYS) -> Floats:
    """Return `phases.phases(times, step, tz)`, with holidays moved to `holidays.as_weekday`.

    A holiday moves by whole days within its week (Monday to Sunday), so its daily
    phase stays and its weekly phase, modulo a week of steps (which begins on a
    Thursday, as 1970 did), is a Sunday's. Elsewhere it equals `phases` exactly.

    Args:
        times: Unix times (s), any shape.
        step: seconds a step; it divides a day where daily phases matter.
        tz: IANA name of the time zone whose midnights bound the days.
        holidays: which dates move.
    """
    local = local_seconds(times, tz)
    moved: Floats = (local + DAY * _shift(_local_days(local), holidays)) / step
    return moved


def weekly_phases(times: Floats, step: float, tz: str, holidays: Holidays = NO_HOLIDAYS) -> Floats:
    """Return the steps since Monday 00:00 in `tz`, in [0, 7 days / step), holidays as `calendar_phases`."""
    local = local_seconds(times, tz)
    days = _local_days(local)
    since_monday: Floats = (local - DAY * days + DAY * (_weekday(days) + _shift(days, holidays))) / step
    return since_monday


def _shift(days: Ints, holidays: Holidays) -> Ints:
    """Return by how many days each of `days` moves: 0 on ordinary days."""
    distinct, where = np.unique(days, return_inverse=True)
    moves = np.where(holidays.on(distinct), holidays.as_weekday - _weekday(distinct), 0)
    return moves[where].reshape(days.shape)


def _local_days(local: Floats) -> Ints:
    return np.floor(local / DAY).astype(np.int64)


def _weekday(days: Ints) -> Ints:
    return (days + EPOCH_WEEKDAY) % 7


def _date(day: int) -> dt.date:
    return dt.date.fromordinal(EPOCH_ORDINAL + day)


def _day_number(text: str) -> int:
    try:
        return dt.date.fromisoformat(text).toordinal() - EPOCH_ORDINAL
    except ValueError as error:
        raise CalendarError(f"holiday {text!r} is no date: expected YYYY-MM-DD") from error


def _supported() -> Mapping[str, list[str]]:
    from holidays import list_supported_countries  # noqa: PLC0415

    return list_supported_countries(include_aliases=False)
