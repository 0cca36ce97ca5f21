"""Faults put into a made-up series after its history, each with its time, its size and its label.

A fault changes nothing before its start, and its size is counted in the noise of each time. One that does not
fit, such as a dip that would go below zero, is not placed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import Generator

from benchmarks.evaluation.series import Bools, Floats
from benchmarks.evaluation.synthetic_families import DAY, Made, settled

HOUR = 12
"""Samples an hour."""

LEAK_SIGMAS_PER_DAY = 3.0
NOISE_FACTOR = 4.0
SHAPE_SHIFT = 6 * HOUR

_EVENTS = 4  # spikes or dips a series
_LAST_START = 5 * DAY  # lasting faults begin at most so long after the history


@dataclass(frozen=True, slots=True)
class Event:
    """One fault: samples `start` up to `end`, and its size in `Made.unit`, 0 where the kind has none."""

    kind: str
    start: int
    end: int
    sigmas: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Faulted:
    """The series with its faults: `values` and `anomalous` are (n,), `events` empty where nothing fitted."""

    values: Floats
    anomalous: Bools
    events: tuple[Event, ...]


Fault = Callable[[Made, int, Generator, float], Faulted]
"""A function of the healthy series, the index where the scored part begins, randomness, and the size."""


def healthy(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:  # noqa: ARG001
    """Change nothing."""
    return _faulted(made, made.values, ())


def spike(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:
    """Add `sigmas` for one to three samples, four times at different hours."""
    return _pulses(made, scored_from, rng, sigmas, kind="spike")


def early_spike(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:
    """Add `sigmas` for one to three samples, once between one and twelve hours after the history."""
    start = int(rng.integers(scored_from + HOUR, scored_from + 12 * HOUR))
    return _moved(made, (Event("spike", start, start + int(rng.integers(1, 4)), sigmas),), sign=1)


def dip(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:
    """Take `sigmas` away for one to three samples, four times where that stays above zero."""
    return _pulses(made, scored_from, rng, sigmas, kind="dip")


def level_shift(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:
    """Move the level by `sigmas` of each time's noise until the end: up, or down where it fits."""
    start, sign = _start(made, scored_from, rng), int(rng.choice([-1, 1]))
    if not np.all(_has_room(made, sigmas)[start:]):
        sign = 1
    return _moved(made, (Event("level_shift", start, made.values.size, sigmas),), sign=sign)


def drop_to_zero(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:
    """Be zero for three hours, from a time whose level is at least `sigmas`."""
    allowed = made.level >= sigmas * made.unit
    start = _pick(allowed, scored_from + HOUR, scored_from + _LAST_START, rng)
    if start is None:
        return _faulted(made, made.values, ())
    event = Event("drop_to_zero", start, start + 3 * HOUR, sigmas)
    values = made.values.copy()
    values[event.start : event.end] = 0.0
    return _faulted(made, values, (event,))


def absence(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:  # noqa: ARG001
    """Have no samples from a time on."""
    start = _start(made, scored_from, rng)
    values = made.values.copy()
    values[start:] = np.nan
    return _faulted(made, values, (Event("absence", start, values.size),))


def leak(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:  # noqa: ARG001
    """Grow by three times the median noise a day, until the end."""
    start = int(rng.integers(scored_from + HOUR, scored_from + 2 * DAY))
    days = np.maximum(np.arange(made.values.size) - start, 0) / DAY
    grown = made.values + LEAK_SIGMAS_PER_DAY * float(np.median(made.unit)) * days
    values = settled(grown, whole=made.whole)
    return _faulted(made, values, (Event("leak", start, values.size),))


def variance(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:  # noqa: ARG001
    """Have four times the noise around the same level, until the end."""
    start = _start(made, scored_from, rng)
    noisy = made.level + NOISE_FACTOR * (made.values - made.level)
    values = made.values.copy()
    values[start:] = settled(noisy, whole=made.whole)[start:]
    return _faulted(made, values, (Event("variance", start, values.size),))


def shape(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:  # noqa: ARG001
    """Live the day six hours later, or lose it; only where a day's swing is six times the noise."""
    start = _start(made, scored_from, rng)
    before = slice(start - DAY, start)
    if np.ptp(made.level[before]) < 6 * float(np.median(made.unit[before])):
        return _faulted(made, made.values, ())
    if rng.random() < 0.5:
        changed = np.roll(made.values, SHAPE_SHIFT)
    else:
        sigma = np.sqrt(np.mean(made.sigma[before] ** 2))
        changed = np.mean(made.level[before]) + sigma * (made.values - made.level) / made.sigma
    values = made.values.copy()
    values[start:] = settled(changed, whole=made.whole)[start:]
    return _faulted(made, values, (Event("shape", start, values.size),))


def missing_blocks(made: Made, scored_from: int, rng: Generator, sigmas: float) -> Faulted:  # noqa: ARG001
    """Lose two blocks of 2 to 24 hours in the history and two in the scored part: nothing is anomalous."""
    values = made.values.copy()
    for first, last in ((0, scored_from), (scored_from, values.size - DAY)):
        for begin in rng.integers(first, last, 2):
            values[begin : begin + int(rng.integers(2 * HOUR, DAY))] = np.nan
    return _faulted(made, values, ())


def _faulted(made: Made, values: Floats, events: tuple[Event, ...]) -> Faulted:
    anomalous = np.zeros(made.values.size, dtype=np.bool_)
    for event in events:
        anomalous[event.start : event.end] = True
    return Faulted(values, anomalous, events)


def _pulses(made: Made, scored_from: int, rng: Generator, sigmas: float, *, kind: str) -> Faulted:
    """Place one pulse in each quarter of the scored part, an hour clear of its edges."""
    upwards = kind == "spike"
    allowed = np.ones(made.values.size, dtype=np.bool_) if upwards else _has_room(made, sigmas)
    edges = np.linspace(scored_from, made.values.size, _EVENTS + 1).astype(int)
    events = []
    for begin, end in pairwise(edges):
        start = _pick(allowed, begin + HOUR, end - HOUR, rng)
        if start is not None:
            events.append(Event(kind, start, start + int(rng.integers(1, 4)), sigmas))
    return _moved(made, tuple(events), sign=1 if upwards else -1)


def _moved(made: Made, events: tuple[Event, ...], *, sign: int) -> Faulted:
    values = made.values.copy()
    for event in events:
        inside = slice(event.start, event.end)
        size = event.sigmas * made.unit[inside]
        moved = values[inside] + sign * (np.ceil(size) if made.whole else size)
        values[inside] = settled(moved, whole=made.whole)
    return _faulted(made, values, events)


def _has_room(made: Made, sigmas: float) -> Bools:
    """Tell where a fall by `sigmas` leaves one sigma above zero for the noise."""
    return made.level >= (sigmas + 1) * made.unit


def _start(made: Made, scored_from: int, rng: Generator) -> int:
    last = min(scored_from + _LAST_START, made.values.size - DAY)
    return int(rng.integers(scored_from + HOUR, last))


def _pick(allowed: Bools, first: int, last: int, rng: Generator) -> int | None:
    found = first + np.flatnonzero(allowed[first:last])
    return int(rng.choice(found)) if found.size else None
