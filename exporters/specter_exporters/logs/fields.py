"""Look things up in an entry: by dotted path, as text, as a number."""

from collections.abc import Callable, Mapping, Sequence

Fields = Mapping[str, object]
Getter = Callable[[Fields], object]

MAX_LABEL_LENGTH = 200
MAX_NUMBER = 1e18
"""Far above anything that is measured, and far enough below infinity that sums stay away from it."""


def getter(path: str) -> Getter:
    """Return what looks up `path` in an entry; None where there is nothing.

    `res.statusCode` is the member `statusCode` of the object `res`, or a key that has the dot in its name.
    """
    if "." not in path:
        return lambda fields: fields.get(path)
    first, *rest = path.split(".")

    def nested(fields: Fields) -> object:
        value = fields.get(first)
        if value is None:
            return fields.get(path)
        for name in rest:
            if type(value) is not dict:
                return None
            value = value.get(name)
        return value

    return nested


def first_of(paths: Sequence[str]) -> Getter:
    """Return what looks up the first of `paths` that has a value."""
    getters = [getter(path) for path in paths]
    if len(getters) == 1:
        return getters[0]

    def first(fields: Fields) -> object:
        for get in getters:
            value = get(fields)
            if value is not None:
                return value
        return None

    return first


def as_number(value: object) -> float | None:
    """Return a number from 0 to `MAX_NUMBER`, or None.

    Text is taken where it holds a number and nothing else. nginx writes several upstreams' times with commas
    and colons between them, and `-` for none: they are added up.
    """
    if type(value) is float or type(value) is int:
        # Whole numbers too: their sum could outgrow the 64 bits that the saved state has for one.
        number = float(value)
    elif type(value) is str:
        parsed = _of_text(value)
        if parsed is None:
            return None
        number = parsed
    else:
        return None
    return number if 0 <= number <= MAX_NUMBER else None


def _of_text(text: str) -> float | None:
    if len(text) > 100:
        return None
    try:
        return float(text)
    except ValueError:
        pass
    parts = [part.strip() for part in text.replace(":", ",").split(",")]
    try:
        numbers = [float(part) for part in parts if part not in {"-", ""}]
    except ValueError:
        return None
    return sum(numbers) if numbers and len(parts) > 1 else None


def as_label(value: object) -> str:
    """Return a label value for what a field holds; empty for nothing, and for what is no scalar."""
    if type(value) is str:
        text = value
    elif type(value) is bool:
        return "true" if value else "false"
    elif type(value) is int or type(value) is float:
        text = str(value)
    else:
        return ""
    if len(text) > MAX_LABEL_LENGTH:
        text = text[:MAX_LABEL_LENGTH]
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
