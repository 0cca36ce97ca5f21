"""What a job has learnt, in a file: shapes and states of its series, and when each was last seen.

Read again only by a Specter whose classes have the same fields, under the same options: what a state means
depends on both.
"""

import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.batch import Batch, size
from specter_detector.models.shape import Shape, unknown_shape
from specter_detector.models.state import State, no_state
from specter_detector.series import Labels
from specter_detector.store.container import load, save
from specter_detector.store.errors import CorruptError, set_aside
from specter_detector.store.fields import layout, put_together, taken_apart

PART = 1000
"""Series whose labels become text at a time: the interpreter's lock is held for one part, not for all."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Series that are kept together: their `shape` and `state`, in the order of `labels`."""

    labels: tuple[Labels, ...]
    shape: Shape
    state: State


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What a job has learnt.

    Attributes:
        at: Unix time (s) of the tick after which it was so.
        parts: what was fitted; never put together, because that would take as much memory again.
        last_seen: Unix time (s) of the last sample of each series, those without a fit too.
        extra: what else the caller wants back: anything that JSON can hold.
    """

    at: float
    parts: tuple[Part, ...]
    last_seen: Mapping[Labels, float]
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[Labels, ...]:
        """The series that were fitted."""
        return tuple(labels for part in self.parts for labels in part.labels)


def save_learnt(path: Path, learnt: Learnt, options: str, *, durable: bool = True) -> None:
    """Write `learnt` to `path`.

    Args:
        path: the file, replaced in one step.
        learnt: nobody changes it meanwhile.
        options: whatever changes what a state means: model, step, time zone, policy, as text.
        durable: wait until it is on the disk.

    Raises:
        StoreError: the file system refuses; the old file is as it was.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for number, part in enumerate(learnt.parts):
        for name, batch in (("shape", part.shape), ("state", part.state)):
            if size(batch) != len(part.labels):
                raise ValueError(f"{len(part.labels)} series have a {name} of {size(batch)}")
            arrays |= taken_apart(batch, f"{number}.{name}")
    fitted = learnt.labels
    named = (*fitted, *(learnt.last_seen.keys() - frozenset(fitted)))
    arrays["labels"] = _text(named)
    arrays["last_seen"] = np.array([learnt.last_seen.get(labels, np.nan) for labels in named], np.float64)
    arrays["at"] = np.array(learnt.at)
    header = {
        "options": options,
        "fields": _fields(),
        "parts": [len(part.labels) for part in learnt.parts],
        "extra": learnt.extra,
    }
    save(path, header, arrays, durable=durable)


def load_learnt(path: Path, options: str, period: int) -> Learnt:
    """Read what `save_learnt` wrote.

    Args:
        path: the file.
        options: as they are now.
        period: steps of a day.

    Raises:
        CorruptError: it is damaged, or was written by other classes or under other options.
        StoreError: it cannot be read.
    """
    header, arrays = load(path)
    if header.get("fields") != _fields():
        raise CorruptError("it was written by a version that remembers other things")
    if header.get("options") != options:
        raise CorruptError("it was learnt under other options")
    try:
        sizes, extra = [int(each) for each in header["parts"]], header["extra"]
        named = _labels(arrays["labels"])
        last_seen, at = arrays["last_seen"].tolist(), float(arrays["at"])
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptError("it lacks what we write") from error
    if len(named) != len(last_seen) or sum(sizes) > len(named) or min(sizes, default=0) < 0:
        raise CorruptError(f"{len(named)} series have {len(last_seen)} times")
    ends = list(itertools.accumulate(sizes))
    parts = tuple(
        _part(number, named[end - series : end], arrays, period)
        for number, (series, end) in enumerate(zip(sizes, ends, strict=True))
    )
    seen = {labels: time for labels, time in zip(named, last_seen, strict=True) if not np.isnan(time)}
    return Learnt(at, parts, seen, extra)


def restored(path: Path, options: str, period: int) -> Learnt | None:
    """Return what `path` has, None where there is no such file, or one that had to be set aside.

    Raises:
        StoreError: it cannot be read.
    """
    if not path.exists():
        return None
    try:
        return load_learnt(path, options, period)
    except CorruptError as error:
        set_aside(path, str(error))
        return None


def _fields() -> list[str]:
    return layout(Shape) + layout(State)


def _part(number: int, labels: tuple[Labels, ...], arrays: Mapping[str, NDArray[Any]], period: int) -> Part:
    like = replace(unknown_shape(0, period), week=np.zeros((0, 7 * period), np.float32))
    shape = put_together(Shape, arrays, f"{number}.shape", like)
    state = put_together(State, arrays, f"{number}.state", no_state(0))
    for part in (shape, state):
        _same_series(part, len(labels))
    return Part(labels, shape, state)


def _same_series(part: Batch, series: int) -> None:
    for name, array in taken_apart(part, type(part).__name__).items():
        if array.ndim and array.shape[part.SERIES_AXIS] != series:
            raise CorruptError(f"{name} is {array.shape}, for {series} series")


def _text(labels: tuple[Labels, ...]) -> NDArray[np.uint8]:
    """Return the labels as lines of JSON."""
    parts = (labels[begin : begin + PART] for begin in range(0, len(labels), PART))
    text = b"\n".join(json.dumps(part, separators=(",", ":")).encode("ascii") for part in parts)
    return np.frombuffer(text, np.uint8)


def _labels(text: NDArray[Any]) -> tuple[Labels, ...]:
    lines: Iterable[bytes] = text.tobytes().splitlines()
    return tuple(
        tuple((str(name), str(value)) for name, value in labels)
        for line in lines
        for labels in json.loads(line)
    )
