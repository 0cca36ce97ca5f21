"""Jobs as crontabs and systemd's timers say them, for a configuration to begin from: nothing is run here."""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from zoneinfo import ZoneInfo

import yaml

from specter_exporters.jobs.schedules import Calendar, Cron
from specter_exporters.jobs.wrapping import NEXT, program, runs, wrapped
from specter_exporters.run.masking import masked_line
from specter_exporters.run.pings import slug

_ASSIGNED = re.compile(r"(\w+)\s*=\s*(.*)")
_FIELDS = re.compile(r"(@\w+|(?:\S+\s+){4}\S+)\s+(.*)")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d|w|month|y)")
_SECONDS = {
    "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0,
    "month": 2_629_800.0, "y": 31_557_600.0,
}  # fmt: skip
_WRAPPED = re.compile(r"\bspecter run\b")
_NO_NAMES = frozenset(
    {"test", "cd", "sudo", "nice", "ionice", "env", "flock", "timeout", "sh", "bash", "exec"}
)
_NO_JOBS = frozenset({"cd", "test", "[", "curl", "wget", "echo", "sleep", "exit", "true", "false"})
_NUMBER = re.compile(r"\d+[smhd]?")
GRACE = 300.0
LONGEST_NAME = 90
"""Leaves room for the number of one that comes twice."""


@dataclass(frozen=True, slots=True)
class Found:
    """A job that was found.

    Attributes:
        name: what it is called.
        comment: where it was found.
        settings: of one entry of `jobs`.
        starts: returns the line that starts it and tells of its runs, for its name; None: it does so already.
    """

    name: str
    comment: str
    settings: tuple[tuple[str, object], ...]
    starts: Callable[[str], str] | None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A line or a timer that is no job to watch, and why."""

    comment: str
    why: str


def crontab(text: str, *, system: bool, zone: str) -> Iterator[Found | Skipped]:
    """Yield the jobs of a crontab.

    Args:
        text: of it.
        system: whether it is the system's, whose lines have a user before the command.
        zone: whose clock cron follows, unless CRON_TZ says another.
    """
    variables: dict[str, str] = {}
    for line in map(str.strip, text.split("\n")):
        if not line or line.startswith("#"):
            continue
        assigned = _ASSIGNED.fullmatch(line)
        if assigned is not None:
            variables[assigned[1]] = assigned[2].strip("\"' ")
            continue
        yield _cron_line(line, system, variables, zone)


def _cron_line(line: str, system: bool, variables: Mapping[str, str], zone: str) -> Found | Skipped:
    own, shell = variables.get("CRON_TZ"), variables.get("SHELL") or "/bin/sh"
    comment = masked_line(line)
    fields = _FIELDS.fullmatch(line)
    if fields is None:
        return Skipped(comment, "is no line of a crontab")
    expression, command, user = " ".join(fields[1].split()), fields[2], ""
    if expression.lower() == "@reboot":
        return Skipped(comment, "runs at each start, at no time")
    if system:
        user, command = [*command.split(None, 1), "", ""][:2]
        if not command:
            return Skipped(comment, "has a user, and no command")
    try:
        Cron(expression, ZoneInfo(own or zone))
    except (ValueError, KeyError, OSError) as error:
        return Skipped(comment, str(error))
    settings: list[tuple[str, object]] = [("cron", expression)]
    if own and own != zone:
        settings.append(("time_zone", own))
    masked = masked_line(command)
    before = f"{expression} {user} " if user else f"{expression} "
    starts = None if _WRAPPED.search(command) else lambda name: before + wrapped(name, masked, shell)
    return Found(name_of(command), masked, tuple(settings), starts)


def timers(shown: str, *, zone: str) -> Iterator[Found | Skipped]:
    """Yield the jobs of `systemctl show --property=... '*.timer'`, see `PROPERTIES`."""
    for block in re.split(r"\n\s*\n", shown.strip()):
        said: dict[str, list[str]] = {}
        for line in block.splitlines():
            name, _, value = line.partition("=")
            if value:
                said.setdefault(name, []).append(value)
        if "Id" in said:
            yield _timer(said, zone)


PROPERTIES = ("Id", "Unit", "TimersCalendar", "TimersMonotonic", "AccuracyUSec", "RandomizedDelayUSec")


def _timer(said: dict[str, list[str]], zone: str) -> Found | Skipped:
    unit = said["Id"][0]
    calendar = _of("OnCalendar", said.get("TimersCalendar", []))
    period = _of("OnUnitActiveUSec", said.get("TimersMonotonic", []))
    late = sum(span(value) for name in PROPERTIES[4:] for value in said.get(name, []))
    settings: list[tuple[str, object]] = []
    if calendar:
        try:
            Calendar(tuple(calendar), ZoneInfo(zone))
        except ValueError as error:
            return Skipped(unit, str(error))
        settings.append(("on_calendar", calendar[0] if len(calendar) == 1 else list(calendar)))
    elif period:
        settings.append(("every", f"{span(period[0]):g}s"))
    else:
        return Skipped(unit, "runs after an event, at no time of its own")
    if late > GRACE:
        settings.append(("grace", f"{late + GRACE:g}s"))
    service = said.get("Unit", [unit.removesuffix(".timer") + ".service"])[0]
    return Found(
        _name(unit.removesuffix(".timer")),
        unit,
        tuple(settings),
        lambda name: (
            f"systemctl edit {service}: ExecStart= and then ExecStart={runs(name)} WHAT_IT_HAS_BEHIND_IT_NOW"
        ),
    )


def _of(name: str, values: Sequence[str]) -> list[str]:
    found = [re.search(rf"{name}=([^;}}]+)", value) for value in values]
    return [each[1].strip() for each in found if each is not None]


def span(text: str) -> float:
    """Return the seconds of a time span as systemd writes it (`1h 30min`); 0 for what is none."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _SPAN.findall(text))


def name_of(command: str) -> str:
    """Return a name for the job of a command: what `specter run --job` says, or the program's."""
    line = command.partition("%")[0]
    said = re.search(r"--job[ =](\S+)", line)
    if said is not None:
        return _name(said[1])
    # The last of several is the job: `cd` and `test` come before it.
    names = [name for part in re.split(r"&&|\|\||;", line) if (name := _program(part)) is not None]
    return _name(names[-1] if names else "job")


def _name(text: str) -> str:
    return slug(text)[:LONGEST_NAME]


def _program(line: str) -> str | None:
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.replace("'", "").replace('"', "").split()
    if words and words[0] in _NO_JOBS:
        return None
    names = (
        PurePath(word).stem
        for word in words
        if not word.startswith(("-", "/dev/", "[", "&", "|", ">", "(")) and "=" not in word
    )
    return next((name for name in names if name not in _NO_NAMES and not _NUMBER.fullmatch(name)), None)


def configuration(found: Iterable[Found | Skipped], zone: str) -> str:
    """Return a configuration file; what was skipped is a comment in it, and names appear once.

    Comments say what to do next: a configuration alone is told of no run.
    """
    lines = [*NEXT.format(program=program()).splitlines(), f"time_zone: {zone}", "ping_key_file: ping.key"]
    lines.append("jobs:")
    names: dict[str, int] = {}
    for each in found:
        if isinstance(each, Skipped):
            lines.append(f"  # left out: {_line(each.comment)}: {_line(each.why)}")
            continue
        names[each.name] = count = names.get(each.name, 0) + 1
        name = each.name if count == 1 else f"{each.name}-{count}"
        entry = yaml.safe_dump([{"name": name, **dict(each.settings)}], sort_keys=False, width=1000)
        lines.append(f"  # {_line(each.comment)}")
        if each.starts is not None:
            lines.append(f"  #   now: {_printable(each.starts(name))}")
        lines += [f"  {line}" for line in entry.splitlines()]
    if not names:
        lines[lines.index("jobs:")] = "jobs: []"
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    return " ".join(_printable(text).split())


def _printable(text: str) -> str:
    # A tab is one also within quotes.
    return "".join(each if each.isprintable() or each == "\t" else " " for each in text)
