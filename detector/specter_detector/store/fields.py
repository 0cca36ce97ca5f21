"""Dataclasses of arrays and numbers, taken apart into named arrays and put together again.

Works on the fields, whatever they are: arrays, numbers, other such classes, and None where that is allowed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.batch import Batch
from specter_detector.store.errors import CorruptError

B = TypeVar("B", bound=Batch)


def taken_apart(part: Batch, prefix: str) -> dict[str, NDArray[Any]]:
    """Return every array and number in `part` under `prefix.field`, nested ones under `prefix.field.field`.

    Arrays are not copied. Fields that are None are left out.

    Raises:
        TypeError: a field is something else.
    """
    found: dict[str, NDArray[Any]] = {}
    for field in fields(part):
        value, name = getattr(part, field.name), f"{prefix}.{field.name}"
        if is_dataclass(value):
            found |= taken_apart(value, name)  # type: ignore[arg-type]
        elif isinstance(value, np.ndarray | bool | int | float):
            found[name] = np.asarray(value)
        elif value is not None:
            raise TypeError(f"{name}: a {type(value).__name__} cannot be kept")
    return found


def put_together(kind: type[B], arrays: Mapping[str, NDArray[Any]], prefix: str, like: B) -> B:
    """Return the `kind` that `taken_apart` made `arrays` of.

    Args:
        kind: the class.
        arrays: by name.
        prefix: of the names.
        like: one that is right: every array has to have its type, and its sizes but for the series. Where it
            has None, and where `arrays` has nothing and None is allowed, only the type is compared.

    Raises:
        CorruptError: something lacks or is of another type or size.
    """
    values: dict[str, Any] = {}
    for field, hint in _hints(kind).items():
        name, model = f"{prefix}.{field}", getattr(like, field)
        inner = _nested(hint)
        if inner is not None:
            values[field] = put_together(inner, arrays, name, model)
        elif name in arrays:
            values[field] = _value(arrays[name], name, hint, model, kind.SERIES_AXIS)
        elif type(None) in get_args(hint):
            values[field] = None
        else:
            raise CorruptError(f"{name} is missing")
    return kind(**values)


def layout(kind: type[Batch]) -> list[str]:
    """Return the names and types of all fields of `kind`, those of nested classes too."""
    return list(_layout(kind, kind.__name__))


def _layout(kind: type[Any], prefix: str) -> Iterator[str]:
    for field, hint in _hints(kind).items():
        inner = _nested(hint)
        if inner is not None:
            yield from _layout(inner, f"{prefix}.{field}")
        else:
            yield f"{prefix}.{field}: {_told(hint)}"


def _hints(kind: type[Any]) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _nested(hint: Any) -> type[Any] | None:
    """Return the dataclass that a field holds, None for anything else."""
    return hint if isinstance(hint, type) and is_dataclass(hint) else None


def _told(hint: Any) -> str:
    """Return a type as text that does not depend on how a version of numpy spells it."""
    if isinstance(hint, UnionType):
        return " | ".join(_told(each) for each in get_args(hint))
    if get_origin(hint) is np.ndarray:
        (scalar,) = get_args(get_args(hint)[1])
        return f"array of {scalar.__name__}"
    return str(hint.__name__)


def _value(array: NDArray[Any], name: str, hint: Any, model: Any, axis: int) -> Any:
    if hint in (bool, int, float):
        if array.shape:
            raise CorruptError(f"{name} is an array, and should be a number")
        return hint(array)
    if not isinstance(model, np.ndarray):
        return array
    if array.dtype != model.dtype or _sizes(array, axis) != _sizes(model, axis):
        was, should = (f"{each.dtype}{_sizes(each, axis)}" for each in (array, model))
        raise CorruptError(f"{name} is {was} a series, and should be {should}")
    return array


def _sizes(array: NDArray[Any], axis: int) -> tuple[int, ...]:
    sizes = list(array.shape)
    del sizes[axis]
    return tuple(sizes)
