"""What a job has learnt, in a file: shapes and states of its series, and when each was last seen.

Read again only by a Specter whose classes have the same fields, under the same options: what a state means
depends on both.
"""

import copy
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
class Learnt:
    """What a job has learnt.

    Attributes:
        at: Unix time (s) of the tick after which it was so.
        labels: the series of `shape` and `state`, in the order of their rows.
        shape, state: None where nothing has been fitted yet.
        last_seen: Unix time (s) of the last sample of each series, those without a fit too.
        extra: what else the caller wants back: anything that JSON can hold.
    """

    at: float
    labels: tuple[Labels, ...]
    shape: Shape | None
    state: State | None
    last_seen: Mapping[Labels, float]
    extra: Mapping[str, Any] = field(default_factory=dict)


def snapshot(learnt: Learnt) -> Learnt:
    """Return `learnt` with copies of all that ticks and fits change in place.

    To be called between two ticks; what it returns may be saved from any thread. Values inside `extra` are
    shared.
    """
    shape, state = copy.deepcopy(learnt.shape), copy.deepcopy(learnt.state)
    return Learnt(learnt.at, learnt.labels, shape, state, dict(learnt.last_seen), dict(learnt.extra))


def save_learnt(path: Path, learnt: Learnt, options: str, *, durable: bool = True) -> None:
    """Write `learnt` to `path`.

    Args:
        path: the file, replaced in one step.
        learnt: nobody changes it meanwhile: see `snapshot`.
        options: whatever changes what a state means: model, step, time zone, policy, as text.
        durable: wait until it is on the disk.

    Raises:
        StoreError: the file system refuses; the old file is as it was.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for name, part in (("shape", learnt.shape), ("state", learnt.state)):
        if part is not None:
            if size(part) != len(learnt.labels):
                raise ValueError(f"{len(learnt.labels)} series have a {name} of {size(part)}")
            arrays |= taken_apart(part, name)
    others = tuple(learnt.last_seen.keys() - frozenset(learnt.labels))
    named = (*learnt.labels, *others)
    arrays["labels"] = _text(named)
    arrays["last_seen"] = np.array([learnt.last_seen.get(labels, np.nan) for labels in named], np.float64)
    arrays["at"] = np.array(learnt.at)
    header = {
        "options": options,
        "fields": _fields(),
        "series": len(learnt.labels),
        "has": [name for name in ("shape", "state") if getattr(learnt, name) is not None],
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
        series, has, extra = int(header["series"]), header["has"], header["extra"]
        named = _labels(arrays["labels"])
        last_seen, at = arrays["last_seen"].tolist(), float(arrays["at"])
    except (KeyError, TypeError, ValueError) as error:
        raise CorruptError("it lacks what we write") from error
    like = replace(unknown_shape(0, period), week=np.zeros((0, 7 * period), np.float32))
    shape = put_together(Shape, arrays, "shape", like) if "shape" in has else None
    state = put_together(State, arrays, "state", no_state(0)) if "state" in has else None
    for part in (shape, state):
        if part is not None:
            _same_series(part, series)
    if len(named) != len(last_seen) or series > len(named):
        raise CorruptError(f"{len(named)} series have {len(last_seen)} times")
    seen = {labels: time for labels, time in zip(named, last_seen, strict=True) if not np.isnan(time)}
    return Learnt(at, named[:series], shape, state, seen, extra)


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
