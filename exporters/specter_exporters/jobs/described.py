"""What a ping says about its job, in headers: when it is to run, whose clock, how late, of what kind."""

import re
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from specter_core.durations import parse_seconds
from specter_exporters.jobs.model import KINDS, Job
from specter_exporters.jobs.schedules import Calendar, Cron, Every, Schedule

MOST_SECONDS = 31_536_000.0
MOST_TEXT = 500
_CRON = re.compile(r"@\w+|(\S+ ){4}\S+")
_KEPT = re.compile(r"(?:(cron|on_calendar) (.*) (\S+)|every (\S+)s) grace (\S+)")


class Said(NamedTuple):
    """The headers of a ping as they came, empty where there was none.

    Attributes:
        schedule: `every 15m`, five fields of a crontab, a word such as @daily, or an OnCalendar expression.
        timezone: of it, an IANA name; UTC if none is said.
        grace: seconds.
        kind: one of `KINDS`.
    """

    schedule: str = ""
    timezone: str = ""
    grace: str = ""
    kind: str = ""


NOTHING_SAID = Said()


@lru_cache(10_000)
def described(like: Job, said: Said) -> Job:
    """Return `like` with all that is `said` of it.

    Raises:
        ValueError: something in it is wrong; the message names the header.
    """
    job = like
    if said.schedule:
        job = replace(job, schedule=_schedule(said.schedule, _zone(said.timezone or "UTC")))
    if said.grace:
        job = replace(job, grace=_seconds(said.grace))
    if said.kind:
        if said.kind not in KINDS:
            raise ValueError(f"X-Specter-Kind: expected one of {', '.join(KINDS)}")
        job = replace(job, kind=said.kind)
    return job


def as_kept(like: Job, kept: str) -> Job:
    """Return `like` with the schedule and the grace that the store has, as `judged_by` wrote them."""
    found = _KEPT.fullmatch(kept)
    if found is None:
        return like
    try:
        grace = _seconds(found[5])
        if found[4]:
            return replace(like, schedule=Every(float(found[4])), grace=grace)
        zone = _zone(found[3])
        schedule: Schedule = (
            Cron(found[2], zone) if found[1] == "cron" else Calendar(tuple(found[2].split("; ")), zone)
        )
    except (
        ValueError
    ):  # no longer valid, as of a zone that this machine does not have: the next ping says it anew
        return like
    return replace(like, schedule=schedule, grace=grace)


def judged_by(job: Job) -> str:
    """Return what a job's state is judged by, for the store; empty without a schedule."""
    return "" if job.schedule is None else f"{job.schedule.text} grace {job.grace:g}"


def _schedule(text: str, zone: ZoneInfo) -> Schedule:
    if len(text) > MOST_TEXT:
        raise ValueError(f"X-Specter-Schedule: expected {MOST_TEXT} characters at most")
    try:
        if text.startswith("every "):
            return Every(_bounded(parse_seconds(text.removeprefix("every ").strip())))
        expression = " ".join(text.split())
        return Cron(expression, zone) if _CRON.fullmatch(expression) else Calendar((text,), zone)
    except ValueError as error:
        raise ValueError(f"X-Specter-Schedule: {error}") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("X-Specter-Timezone: is no time zone such as Europe/Berlin") from None


def _seconds(text: str) -> float:
    try:
        return _bounded(float(text))
    except ValueError:
        raise ValueError("X-Specter-Grace: expected seconds, from 1 to those of a year") from None


def _bounded(seconds: float) -> float:
    if not 1 <= seconds <= MOST_SECONDS:
        raise ValueError("expected a second to a year")
    return seconds
