"""Series chosen from batches and put together again, and what that means for a tick."""

import dataclasses

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.models.batch import joined, put, size, take
from specter_detector.models.online import tick
from specter_detector.models.shape import Shape, learn_shape, unknown_shape
from specter_detector.models.state import State, no_state

DAY = 48


def history(*seeds: int, days: int = 20) -> Floats:
    phase = 2 * np.pi * np.arange(days * DAY) / DAY
    rows = [10 * np.sin(phase) + np.random.default_rng(seed).normal(size=phase.size) for seed in seeds]
    return np.stack(rows)


def lived(values: Floats) -> tuple[Shape, State]:
    """Return the shape and the state of series after `values`."""
    phases = np.arange(values.shape[1], dtype=np.float64)
    shape, state = learn_shape(values, phases, DAY), no_state(len(values))
    for index in range(values.shape[1]):
        tick(shape, state, float(index), phases[index], values[:, index])
    return shape, state


def assert_same(one: object, other: object) -> None:
    """Compare field by field, arrays by value."""
    assert dataclasses.is_dataclass(one)
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if dataclasses.is_dataclass(left):
            assert_same(left, right)
        elif isinstance(left, np.ndarray):
            np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-5, err_msg=field.name)
        else:
            assert left == right, field.name


def test_joined_series_are_as_if_they_had_always_been_together() -> None:
    values = history(1, 2, 3)
    whole_shape, whole_state = lived(values)
    (first_shape, first_state), (rest_shape, rest_state) = lived(values[:1]), lived(values[1:])
    assert_same(joined([first_shape, rest_shape]), whole_shape)
    assert_same(joined([first_state, rest_state]), whole_state)
    assert size(joined([first_state, rest_state]).tails) == 3


def test_series_are_taken_in_the_order_asked_for_and_apart_from_the_others() -> None:
    shape, state = lived(history(1, 2, 3))
    taken = take(state, [2, 0])
    np.testing.assert_array_equal(taken.level, state.level[:, [2, 0]])
    np.testing.assert_array_equal(taken.tails.days, state.tails.days[..., [2, 0]])
    np.testing.assert_array_equal(take(shape, [2, 0]).day, shape.day[[2, 0]])
    tick(take(shape, [2, 0]), taken, 10_000.0, 0.0, np.array([1e6, 1e6]))
    assert state.step == 20 * DAY - 1
    assert not (state.level > 1e3).any()


def test_a_shape_without_a_week_joins_one_with_a_week_of_zeros() -> None:
    with_week, _ = lived(history(1))
    assert with_week.week is not None
    both = joined([unknown_shape(1, DAY), with_week])
    assert both.week is not None
    assert not both.week[0].any()
    np.testing.assert_array_equal(both.week[1], with_week.week[0])
    assert joined([unknown_shape(1, DAY), unknown_shape(2, DAY)]).week is None


def test_series_put_into_a_batch_leave_the_others_alone_and_copy_nothing() -> None:
    shape, state = lived(history(1, 2, 3))
    others = shape.day[[0, 2]].copy()
    new, new_state = lived(history(4))
    result = put(shape, [1], new)
    assert result.day is shape.day
    np.testing.assert_array_equal(result.day[[0, 2]], others)
    np.testing.assert_array_equal(result.day[1], new.day[0])
    assert result.day.dtype == np.float32
    np.testing.assert_array_equal(put(state, [1], new_state).tails.days[..., 1], new_state.tails.days[..., 0])


def test_a_week_put_into_a_batch_without_weeks_is_zero_for_the_others() -> None:
    with_week, _ = lived(history(1))
    assert with_week.week is not None
    result = put(unknown_shape(3, DAY), [1], with_week)
    assert result.week is not None
    assert not result.week[[0, 2]].any()
    np.testing.assert_array_equal(result.week[1], with_week.week[0])
    again = put(result, [1], unknown_shape(1, DAY))
    assert again.week is not None
    assert not again.week.any()


def test_profiles_that_lie_phase_by_phase_go_on_doing_so() -> None:
    shape, _ = lived(history(1, 2))
    turned = dataclasses.replace(shape, day=np.asfortranarray(shape.day))
    assert take(turned, [1, 0]).day.flags.f_contiguous
    assert joined([turned, turned]).day.flags.f_contiguous
