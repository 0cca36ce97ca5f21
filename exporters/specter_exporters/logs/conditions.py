"""Conditions on an entry's fields: `when: {status: {min: 500}, path: /login}`."""

import re
from collections.abc import Callable, Mapping, Sequence

from specter_exporters.logs.fields import Fields, as_label, as_number, getter
from specter_exporters.logs.schema import RangeSchema, Wanted
from specter_exporters.logs.watch import Matcher, TooLongError, Watch

Condition = Callable[[Fields], bool]
LONGEST = 4096


def condition(when: Mapping[str, Wanted], watch: Watch) -> Condition | None:
    """Return what says whether every field is as `when` wants it; None where it wants nothing."""
    tests = [_test(path, wanted, watch) for path, wanted in when.items()]
    if not tests:
        return None
    if len(tests) == 1:
        return tests[0]
    return lambda fields: all(test(fields) for test in tests)


def _test(path: str, wanted: Wanted, watch: Watch) -> Condition:
    get = getter(path)
    if isinstance(wanted, RangeSchema):
        if wanted.matches is not None:
            return _matches(path, wanted.matches, watch)
        return _within(path, wanted.min, wanted.max)
    values: Sequence[str | int | float | bool] = wanted if isinstance(wanted, list) else [wanted]
    texts = frozenset(as_label(value) for value in values)
    return lambda fields: as_label(get(fields)) in texts


def _within(path: str, least: float | None, most: float | None) -> Condition:
    get = getter(path)

    def test(fields: Fields) -> bool:
        number = as_number(get(fields))
        if number is None:
            return False
        return (least is None or number >= least) and (most is None or number <= most)

    return test


def _matches(path: str, pattern: str, watch: Watch) -> Condition:
    get = getter(path)
    search = re.compile(pattern).search
    within = Matcher(watch, LONGEST)

    def test(fields: Fields) -> bool:
        value = get(fields)
        if type(value) is not str:
            return False
        try:
            return within(search, value[:LONGEST]) is not None
        except TooLongError:
            return False

    return test
