"""Choose and put together series of what is held by the batch: shapes, states, tails.

Works on the fields of the dataclasses, whatever they are: an array has the series on
one axis, anything else (a clock, the number of a day) holds for the whole batch.
"""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Ints
from specter_detector.models.shape import Shape
from specter_detector.models.spectrum import Cycles
from specter_detector.models.state import State
from specter_detector.models.tail import Tails

B = TypeVar("B", Shape, Cycles, State, Tails)

Array = NDArray[Any]


def series_axis(part: object) -> int:
    """Return on which axis of its arrays `part` has the series: the first of shapes, the last of the rest."""
    return 0 if isinstance(part, Shape | Cycles) else -1


def size(part: Shape | Cycles | State | Tails) -> int:
    """Return the number of series in `part`."""
    arrays = (getattr(part, field.name) for field in fields(part))
    return next(int(value.shape[series_axis(part)]) for value in arrays if isinstance(value, np.ndarray))


def take(part: B, rows: Ints | Sequence[int]) -> B:
    """Return the series `rows` of `part`, in that order, as copies."""
    axis = series_axis(part)
    changes: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, np.ndarray):
            changes[field.name] = _laid_out(value, value.take(np.asarray(rows, np.int64), axis=axis))
        elif is_dataclass(value):
            changes[field.name] = take(value, rows)  # type: ignore[type-var]
    return replace(part, **changes)


def joined(parts: Sequence[B]) -> B:
    """Return the series of all `parts`, of which there is at least one, behind each other.

    An array that is None in some of them is zero there. What is no array is taken
    from the first, so the clocks of all have to agree.
    """
    first = parts[0]
    changes: dict[str, Any] = {}
    for field in fields(first):
        values = [getattr(part, field.name) for part in parts]
        if any(isinstance(value, np.ndarray) for value in values):
            changes[field.name] = _concatenated(values, [size(part) for part in parts], series_axis(first))
        elif is_dataclass(values[0]):
            changes[field.name] = joined(values)
    return replace(first, **changes)


def replaced(whole: B, rows: Ints | Sequence[int], part: B) -> B:
    """Return `whole` with the series `part` in the places `rows`."""
    order = np.arange(size(whole))
    order[np.asarray(rows, np.int64)] = size(whole) + np.arange(len(rows))
    return take(joined([whole, part]), order)


def _concatenated(values: Sequence[Array | None], sizes: Sequence[int], axis: int) -> Array:
    model = next(value for value in values if value is not None)
    arrays = []
    for value, number in zip(values, sizes, strict=True):
        shape = list(model.shape)
        shape[axis] = number
        arrays.append(np.zeros(shape, model.dtype) if value is None else value)
    return _laid_out(model, np.concatenate(arrays, axis=axis))


def _laid_out(model: Array, array: Array) -> Array:
    """Return `array` in the memory order of `model`: profiles may lie phase by phase."""
    return np.asfortranarray(array) if model.flags.fnc else array
