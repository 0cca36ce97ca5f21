"""What short-lived jobs push, as to a Pushgateway: metrics that are shown until the next push.

A push replaces what the same group pushed before, but for the time of the last success: a run that fails
pushes it unset, as 0, or not at all, and it happened all the same.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families
from pydantic import TypeAdapter

from specter_core.metrics import JOB_NAME

PUSH_TIME = "push_time_seconds"
PUSH_FAILURE_TIME = "push_failure_time_seconds"
MOST_SERIES = 500
"""Of one group."""
LONGEST_LABEL = 500
LONGEST_RUN = 31_536_000.0
"""Seconds; a duration beyond a year is none, and would spoil the sum of all for ever."""
# Prometheus' own, and ours: what is pushed must not be taken for a job or a target that is scraped.
_TAKEN_LABELS = frozenset({"job", JOB_NAME})
_TAKEN_NAMES = re.compile(rf"specter_|{PUSH_TIME}$|{PUSH_FAILURE_TIME}$")
# Of the process that pushes, which is gone; the exporter has its own.
_LEFT_OUT = re.compile(r"(process|python)_")
_SUCCESS = re.compile(r"(^|_)last_success")
_EXIT_STATUS = re.compile(r"(^|_)exit_(status|code)$")
_DURATION = re.compile(r"(^|_)duration_seconds$")
Labels = tuple[tuple[str, str], ...]


class PushError(ValueError):
    """What is pushed cannot be taken; the message says why and quotes no value."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """A family of a group: its type, its text of help, and values by name of series and labels."""

    kind: str
    help: str
    values: Mapping[tuple[str, Labels], float]


@dataclass(frozen=True, slots=True)
class Group:
    """What a job pushed last, under one grouping key.

    Attributes:
        job: its name.
        grouping: the other labels of the key, sorted.
        families: by name.
        at: Unix time of the newest push that was taken; 0: none was.
        failed_at: of the newest that was refused; 0: none was.
    """

    job: str
    grouping: Labels
    families: Mapping[str, Pushed]
    at: float = 0.0
    failed_at: float = 0.0

    @property
    def series(self) -> int:
        """How many there are."""
        return sum(len(each.values) for each in self.families.values())


@dataclass(frozen=True, slots=True)
class Told:
    """What a push says of the job's newest run; `succeeded` is None where it says nothing of one."""

    succeeded: bool | None = None
    exit_status: int | None = None
    duration: float | None = None


def parse(text: str, key: frozenset[str] = frozenset()) -> dict[str, Pushed]:
    """Return the families of an exposition, without labels that the grouping key `key` has.

    Raises:
        PushError: it is none, or says what a push may not.
    """
    try:
        found = list(text_string_to_metric_families(text))
    except (ValueError, KeyError, IndexError) as error:
        raise PushError("it is no exposition in the text format") from error
    families: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, Labels], float]] = {}
    # Of a family without a type, the parser makes one for each series.
    for family in found:
        if not _LEFT_OUT.match(family.name):
            _read(family, values.setdefault(family.name, {}), _TAKEN_LABELS | key)
            families.setdefault(family.name, family)
    if sum(map(len, values.values())) > MOST_SERIES:
        raise PushError(f"a group may have {MOST_SERIES} series")
    return {name: Pushed(each.type, each.documentation, values[name]) for name, each in families.items()}


def _read(family: Family, values: dict[tuple[str, Labels], float], taken: frozenset[str]) -> None:
    if _TAKEN_NAMES.match(family.name):
        raise PushError(f"{family.name}: the name is taken")
    for sample in family.samples:
        if sample.timestamp is not None:
            raise PushError(f"{family.name}: has a timestamp; a push is of now")
        if any(len(value) > LONGEST_LABEL for value in sample.labels.values()):
            raise PushError(f"{family.name}: a label is longer than {LONGEST_LABEL} characters")
        labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name not in taken))
        if (sample.name, labels) in values:
            raise PushError(f"{family.name}: has a series twice")
        values[sample.name, labels] = sample.value


def pushed(old: Group, new: Mapping[str, Pushed], at: float, *, replace_all: bool) -> Group:
    """Return the group after a push; what it does not name goes if `replace_all`, not the last success."""
    families = {} if replace_all else dict(old.families)
    families.update(new)
    for name, before in old.families.items():
        if _SUCCESS.search(name):
            now = families.get(name, before)
            values = {**before.values, **now.values}
            kept = {series: max(values[series], value) for series, value in before.values.items()}
            families[name] = Pushed(now.kind, now.help, {**values, **kept})
    return Group(old.job, old.grouping, families, at, old.failed_at)


def told(old: Group, new: Mapping[str, Pushed]) -> Told:
    """Return what a push says of a run: it succeeded if the time of the last success is a newer one.

    It failed if that is an older one, or none; the same again says nothing, as when a push is repeated.
    """
    status = _first(new, _EXIT_STATUS)
    duration = _first(new, _DURATION)
    successes = {
        (name, series): value
        for name, family in new.items()
        if _SUCCESS.search(name)
        for series, value in family.values.items()
    }
    succeeded: bool | None = None
    before = {
        key: old.families[key[0]].values.get(key[1], 0.0) if key[0] in old.families else 0.0
        for key in successes
    }
    if any(value > before[key] for key, value in successes.items()):
        succeeded = True
    elif any(not value > 0 or value < before[key] for key, value in successes.items()):
        succeeded = False
    if status is not None and (status != 0 or succeeded is None):
        succeeded = status == 0
    exit_status = int(status) if status is not None and 0 <= status <= 255 else None
    is_one = duration is not None and 0 <= duration <= LONGEST_RUN
    return Told(succeeded, exit_status, duration if is_one else None)


def _first(families: Mapping[str, Pushed], name: "re.Pattern[str]") -> float | None:
    for each, family in families.items():
        if name.search(each) and family.kind in {"gauge", "unknown"}:
            return next(iter(family.values.values()), None)
    return None


def exposed(groups: Iterable[Group]) -> Iterable[Family]:
    """Yield the families of all groups, with the labels of their keys; a name has one type."""
    families: dict[str, Family] = {}
    for name, text in (
        (PUSH_TIME, "Unix time of the newest push of the group that was taken."),
        (PUSH_FAILURE_TIME, "Unix time of the newest push of the group that was refused; 0 if none was."),
    ):
        families[name] = Family(name, text, "gauge")
    for group in groups:
        key = {JOB_NAME: group.job, **dict(group.grouping)}
        families[PUSH_TIME].add_sample(PUSH_TIME, key, group.at)
        families[PUSH_FAILURE_TIME].add_sample(PUSH_FAILURE_TIME, key, group.failed_at)
        for name, each in group.families.items():
            family = families.setdefault(name, Family(name, each.help, each.kind))
            for (series, labels), value in each.values.items():
                family.add_sample(series, {**dict(labels), **key}, value)
    yield from families.values()


def encoded(group: Group) -> str:
    """Return the group as JSON."""
    families = {name: [each.kind, each.help, _listed(each.values)] for name, each in group.families.items()}
    return json.dumps([group.job, group.grouping, families, group.at, group.failed_at], separators=(",", ":"))


def _listed(values: Mapping[tuple[str, Labels], float]) -> list[object]:
    return [[series, labels, value] for (series, labels), value in values.items()]


_Sample = tuple[str, Labels, float]
_SHAPE = TypeAdapter(
    tuple[str, Labels, dict[str, tuple[str, str, tuple[_Sample, ...]]], float, float], config={"strict": True}
)


def decoded(text: str) -> Group:
    """Return the group that `encoded` made.

    Raises:
        ValueError: it is something else.
    """
    job, grouping, families, at, failed_at = _SHAPE.validate_json(text)
    return Group(
        job,
        grouping,
        {
            name: Pushed(kind, said, {(series, labels): value for series, labels, value in values})
            for name, (kind, said, values) in families.items()
        },
        at,
        failed_at,
    )
