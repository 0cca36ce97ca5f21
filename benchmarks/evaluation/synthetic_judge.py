"""What scores are worth against a known truth: false alarms, faults seen, and the figures made of both."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.evaluation.series import Bools, Floats, Scores
from benchmarks.evaluation.synthetic_faults import Event
from benchmarks.evaluation.synthetic_plan import Case

FALSE_ALARMS = "false_alarms_per_series_month"

_BLOCK = 6
_MONTH = 30 * 86_400.0


@dataclass(frozen=True, slots=True)
class Watch:
    """How a kind of fault is to be seen: by `alarms` alarms in its first `samples`; None is until its end."""

    samples: int | None
    alarms: int


PROMPT = Watch(samples=5, alarms=1)
"""For the faults of recall at 6 sigma."""

WATCHES = {
    "absence": Watch(samples=12, alarms=1),
    "leak": Watch(samples=None, alarms=3),
    "variance": Watch(samples=288, alarms=3),
    "shape": Watch(samples=288, alarms=3),
}
"""For the others. Where there is much time, one alarm may be chance; the delay is the third's."""


@dataclass(frozen=True, slots=True)
class Quiet:
    """A series in which nothing was wrong: `alarms` are blocks of samples with an alarm."""

    scenario: str
    family: str
    alarms: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A fault to be seen within `horizon` seconds: `delay` is after how many it was, None where missed."""

    scenario: str
    kind: str
    sigmas: float
    delay: float | None
    horizon: float


@dataclass(frozen=True, slots=True)
class Figure:
    """A printed line."""

    name: str
    value: float
    unit: str


def judge(cases: Iterable[Case], scores: Iterable[Scores]) -> Iterator[Quiet | Seen]:
    """Yield what the scores of each case come to: its faults, or if it has none its false alarms."""
    for case, given in zip(cases, scores, strict=True):
        alarm = given.score > 1  # NaN is no alarm
        series = case.series
        if alarm.shape != series.values.shape:
            raise ValueError(f"{series.name}: {alarm.size} scores for {series.values.size} samples")
        for event in case.events:
            watch = WATCHES.get(event.kind, PROMPT)
            seen, horizon = first_seen(alarm, event, watch)
            delay = None if seen is None else seen * series.step
            yield Seen(case.scenario, event.kind, event.sigmas, delay, horizon * series.step)
        if not case.events:
            judged = series.scored & np.isfinite(series.values) & ~series.anomalous
            count = alarm_blocks(alarm & judged, series.scored_from)
            yield Quiet(case.scenario, case.family, count, float(np.sum(judged)) * series.step)


def alarm_blocks(alarm: Bools, first: int) -> int:
    """Return how many blocks of six samples, counted from `first`, have an alarm."""
    return int(np.unique(np.flatnonzero(alarm[first:]) // _BLOCK).size)


def first_seen(alarm: Bools, event: Event, watch: Watch) -> tuple[int | None, int]:
    """Return after how many samples an event was seen, None if it was not, and how many it had.

    The horizon may be longer than the event: the alarm about a spike of one sample may come with the next.
    """
    length = event.end - event.start if watch.samples is None else watch.samples
    found = np.flatnonzero(alarm[event.start : event.start + length])
    return (int(found[watch.alarms - 1]) if found.size >= watch.alarms else None), length


def figures(outcomes: Iterable[Quiet | Seen]) -> Iterator[Figure]:
    """Yield the figures of a whole run; one without a single outcome is left out.

    A missed fault counts in the median delay with all the time there was to see it.
    """
    outcomes = list(outcomes)
    quiet = [outcome for outcome in outcomes if isinstance(outcome, Quiet)]
    seen = [outcome for outcome in outcomes if isinstance(outcome, Seen)]
    yield from _false_alarms(quiet)
    cold = [one for one in seen if one.scenario == "cold_start"]
    warm = [one for one in seen if one.scenario != "cold_start"]
    sized = [one for one in warm if one.kind not in WATCHES]
    yield from _recall("synthetic_recall_6sigma", [one for one in sized if one.sigmas == 6])
    for sigmas, kind in sorted({(one.sigmas, one.kind) for one in sized}):
        of_kind = [one for one in sized if (one.sigmas, one.kind) == (sigmas, kind)]
        yield from _recall(f"synthetic_recall_{sigmas:g}sigma_{kind}", of_kind)
    for kind in WATCHES:
        of_kind = [one for one in warm if one.kind == kind]
        yield from _recall(f"synthetic_{kind}_recall", of_kind)
        yield from _delay(f"synthetic_{kind}_delay_median_s", of_kind)
    yield from _recall("synthetic_cold_start_recall_10sigma", cold)


def _false_alarms(quiet: list[Quiet]) -> Iterator[Figure]:
    clean = [one for one in quiet if one.scenario == "clean"]
    yield from _per_month(f"synthetic_{FALSE_ALARMS}", clean)
    for family in dict.fromkeys(one.family for one in clean):
        yield from _per_month(
            f"synthetic_{FALSE_ALARMS}_{family}", [one for one in clean if one.family == family]
        )
    for scenario in dict.fromkeys(one.scenario for one in quiet if one.scenario != "clean"):
        of_scenario = [one for one in quiet if one.scenario == scenario]
        yield from _per_month(f"synthetic_{scenario}_{FALSE_ALARMS}", of_scenario)


def _per_month(name: str, quiet: list[Quiet]) -> Iterator[Figure]:
    seconds = sum(one.seconds for one in quiet)
    if seconds:
        yield Figure(name, sum(one.alarms for one in quiet) / seconds * _MONTH, "1/month")


def _recall(name: str, seen: list[Seen]) -> Iterator[Figure]:
    if seen:
        yield Figure(name, sum(one.delay is not None for one in seen) / len(seen), "share")


def _delay(name: str, seen: list[Seen]) -> Iterator[Figure]:
    if seen:
        delays: Floats = np.array([one.horizon if one.delay is None else one.delay for one in seen])
        yield Figure(name, float(np.median(delays)), "s")
