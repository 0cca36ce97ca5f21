"""Choose and put together series of what is held by the batch: shapes, states, tails.

Works on the fields of the dataclasses, whatever they are: an array has the series on
one axis, anything else (a clock, the number of a day) holds for the whole batch.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import Field, fields, is_dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Ints

Array = NDArray[Any]


class Batch(Protocol):
    """A dataclass of arrays; `SERIES_AXIS` says on which axis all of them have the series."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    SERIES_AXIS: ClassVar[int]


B = TypeVar("B", bound=Batch)


def size(part: Batch) -> int:
    """Return the number of series in `part`."""
    return int(next(_arrays(part)).shape[part.SERIES_AXIS])


def bytes_per_series(part: Batch) -> float:
    """Return the memory that one series of `part` takes."""
    return sum(array.nbytes for array in _arrays(part)) / size(part)


def views(part: B, rows: slice) -> B:
    """Return the series `rows` of `part`, which share its memory."""
    return _changed(part, lambda array: array[rows] if part.SERIES_AXIS == 0 else array[..., rows])


def take(part: B, rows: Ints | Sequence[int]) -> B:
    """Return the series `rows` of `part`, in that order, as copies."""
    chosen = np.asarray(rows, np.int64)
    return _changed(part, lambda array: _laid_out(array, array.take(chosen, axis=part.SERIES_AXIS)))


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
            changes[field.name] = _concatenated(values, [size(part) for part in parts], first.SERIES_AXIS)
        elif is_dataclass(values[0]):
            changes[field.name] = joined(values)
    return replace(first, **changes)


def put(whole: B, rows: Ints | Sequence[int], part: B) -> B:
    """Return `whole` with the series `part` in the places `rows`.

    The arrays of `whole` are changed, not copied: it may be a gigabyte. Only those that are None in it and
    not in `part` are made, zero elsewhere.
    """
    chosen = np.asarray(rows, np.int64)
    changes: dict[str, Any] = {}
    for field in fields(whole):
        old, new = getattr(whole, field.name), getattr(part, field.name)
        if old is None and isinstance(new, np.ndarray):
            shape = list(new.shape)
            shape[whole.SERIES_AXIS] = size(whole)
            old = changes[field.name] = np.zeros(shape, new.dtype, "F" if new.flags.fnc else "C")
        if isinstance(old, np.ndarray):
            places = (chosen,) if whole.SERIES_AXIS == 0 else (..., chosen)
            old[places] = 0 if new is None else new
        elif is_dataclass(old):
            changes[field.name] = put(old, rows, new)
    return replace(whole, **changes)


def _arrays(part: Batch) -> Iterator[Array]:
    """Yield the arrays of `part`, those of its parts too."""
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, np.ndarray):
            yield value
        elif is_dataclass(value):
            yield from _arrays(value)  # type: ignore[arg-type]


def _changed(part: B, change: Callable[[Array], Array]) -> B:
    """Return `part` with every array changed, those of its parts too."""
    changes: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if isinstance(value, np.ndarray):
            changes[field.name] = change(value)
        elif is_dataclass(value):
            changes[field.name] = _changed(value, change)  # type: ignore[type-var]
    return replace(part, **changes)


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
