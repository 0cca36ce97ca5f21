"""What a job has learnt comes back as it was, and only to a detector that understands it the same way."""

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from specter_detector.models.arrays import Floats
from specter_detector.models.fit import FitOptions, fit
from specter_detector.models.online import tick
from specter_detector.models.shape import Shape
from specter_detector.models.state import State
from specter_detector.store import checkpoint
from specter_detector.store.checkpoint import Learnt, Part, load_learnt, restored, save_learnt
from specter_detector.store.container import load, save
from specter_detector.store.errors import CorruptError
from specter_detector.store.fields import layout, put_together, taken_apart
from tests.detector.fitted import named

STEP, DAY = 1800.0, 48
OPTIONS = "seasonal 1800 UTC"


def learnt(days: int = 16, series: int = 5) -> Learnt:
    """Fit series with a day, a week and, in one of them, a cycle of 37 steps."""
    n = days * DAY
    times = 1_700_006_400 + STEP * np.arange(n, dtype=np.float64)
    phase = 2 * np.pi * np.arange(n) / DAY
    values = np.random.default_rng(1).normal(size=(series, n)) + 10 * np.sin(phase) + 100
    values[0] += 8 * np.sin(2 * np.pi * np.arange(n) / 37)
    values[1, -5:] = np.nan
    fitted = fit(times, values, FitOptions(step=STEP), with_state=True)
    labels = tuple(named(*map(str, range(series))))
    last_seen = dict(zip(labels, fitted.last_seen.tolist(), strict=True)) | {
        named("new")[0]: float(times[-1])
    }
    assert fitted.state is not None
    part = Part(labels, fitted.shape, fitted.state)
    return Learnt(float(times[-1]), (part,), last_seen, {"open": ["a", 1.5, None]})


def assert_identical(one: object, other: object) -> None:
    """Compare field by field: values, types, and how arrays lie in memory."""
    assert type(one) is type(other)
    assert dataclasses.is_dataclass(one)
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if dataclasses.is_dataclass(left):
            assert_identical(left, right)
        elif isinstance(left, np.ndarray):
            assert (left.dtype, left.flags.fnc) == (right.dtype, right.flags.fnc), field.name
            np.testing.assert_array_equal(left, right, err_msg=field.name)
        else:
            np.testing.assert_equal(left, right, err_msg=field.name)


@pytest.mark.parametrize("days", [2, 16], ids=["daily", "weekly"])
def test_everything_comes_back_as_it_was(tmp_path: Path, days: int) -> None:
    before = learnt(days)
    save_learnt(tmp_path / "job.state", before, OPTIONS)
    after = load_learnt(tmp_path / "job.state", OPTIONS, DAY)
    (one,), (other,) = before.parts, after.parts
    assert (one.shape.week is None) == (days == 2)
    assert_identical(one.shape, other.shape)
    assert_identical(one.state, other.state)
    assert (after.at, after.labels, after.extra) == (before.at, before.labels, before.extra)
    assert after.last_seen == before.last_seen


def test_scores_go_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    before = learnt()
    save_learnt(tmp_path / "job.state", before, OPTIONS)
    (now,), (then,) = before.parts, load_learnt(tmp_path / "job.state", OPTIONS, DAY).parts
    step = before.at / STEP
    samples = np.random.default_rng(2).normal(100, 30, size=(DAY, len(before.labels)))
    for number, values in enumerate(samples, 1):
        one = tick(now.shape, now.state, step + number, number % DAY, values)
        other = tick(then.shape, then.state, step + number, number % DAY, values)
        assert_identical(one, other)


def test_a_job_without_a_fit_keeps_when_series_were_seen(tmp_path: Path) -> None:
    seen = {labels: 100.0 + index for index, labels in enumerate(named("a", "b"))}
    save_learnt(tmp_path / "job.state", Learnt(200.0, (), seen), OPTIONS)
    after = load_learnt(tmp_path / "job.state", OPTIONS, DAY)
    assert (after.at, after.parts, after.last_seen) == (200.0, (), seen)


def test_thousands_of_series_keep_their_rows(tmp_path: Path) -> None:
    labels = tuple(named(*(f"é\n{number}" for number in range(2500))))
    seen = {each: float(index) for index, each in enumerate(reversed(labels))}
    save_learnt(tmp_path / "job.state", Learnt(1.0, (), seen), OPTIONS)
    assert load_learnt(tmp_path / "job.state", OPTIONS, DAY).last_seen == seen


def test_other_options_are_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "job.state"
    save_learnt(file, learnt(), OPTIONS)
    with pytest.raises(CorruptError, match="learnt under other options"):
        load_learnt(file, "seasonal 1800 Europe/Berlin", DAY)
    assert restored(file, "seasonal 1800 Europe/Berlin", DAY) is None
    (aside,) = tmp_path.iterdir()
    assert caplog.messages == [
        f"{file}: it was learnt under other options; set aside as {aside.name}, and begun anew"
    ]
    assert restored(file, OPTIONS, DAY) is None, "nothing is there any more, which is no error"
    assert len(caplog.messages) == 1


def test_other_fields_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_learnt(tmp_path / "job.state", learnt(), OPTIONS)
    monkeypatch.setattr(checkpoint, "layout", lambda kind: [*layout(kind), f"{kind.__name__}.more: float"])
    with pytest.raises(CorruptError, match="a version that remembers other things"):
        load_learnt(tmp_path / "job.state", OPTIONS, DAY)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("0.state.level", lambda array: array[:4], r"0.state.level is float64\(4,\) a series, and should be"),
        ("0.state.tails.days", lambda array: array.astype(np.float32), r"0.state.tails.days is float32"),
        ("0.shape.day", lambda array: array[:, :-1], r"0.shape.day is float32\(47,\) a series"),
        ("0.shape.week", lambda array: array[:, :-1], r"0.shape.week is float32\(335,\) a series"),
        ("0.state.last", lambda array: array[:-1], r"State.last is \(4,\), for 5 series"),
        ("0.state.step", lambda array: np.zeros(2), r"0.state.step is an array"),
        ("0.shape.other.period", None, r"0.shape.other.period is missing"),
        ("labels", None, "it lacks what we write"),
        ("last_seen", lambda array: array[:-1], "6 series have 5 times"),
    ],
)
def test_arrays_of_other_sizes_and_types_are_refused(
    tmp_path: Path, name: str, change: Any, message: str
) -> None:
    """What no checksum finds: a version whose constants differ."""
    file = tmp_path / "job.state"
    save_learnt(file, learnt(), OPTIONS)
    header, arrays = load(file)
    if change is None:
        del arrays[name]
    else:
        arrays[name] = change(arrays[name])
    save(file, header, arrays)
    with pytest.raises(CorruptError, match=message):
        load_learnt(file, OPTIONS, DAY)


def test_whatever_byte_is_damaged_the_file_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "job.state"
    save_learnt(file, learnt(2, 2), OPTIONS)
    good = file.read_bytes()
    for place in np.random.default_rng(0).integers(0, len(good), 60).tolist():
        damaged = bytearray(good)
        damaged[place] ^= 0x10
        file.write_bytes(damaged)
        assert restored(file, OPTIONS, DAY) is None
        assert not file.exists()
    assert len(list(tmp_path.iterdir())) == 3, "three of them are kept for a look"


def test_several_parts_keep_their_rows_and_clocks(tmp_path: Path) -> None:
    one, two = learnt(2, 3), learnt(16, 4)
    other = tuple(named(*"wxyz"))
    parts = (one.parts[0], replace(two.parts[0], labels=other))
    seen = dict.fromkeys((*one.labels, *other), 5.0)
    save_learnt(tmp_path / "job.state", Learnt(9.0, parts, seen), OPTIONS)
    after = load_learnt(tmp_path / "job.state", OPTIONS, DAY)
    assert [part.labels for part in after.parts] == [one.labels, other]
    assert after.labels == (*one.labels, *other)
    for was, is_ in zip(parts, after.parts, strict=True):
        assert_identical(was.shape, is_.shape)
        assert_identical(was.state, is_.state)


def test_series_that_do_not_fit_their_labels_are_a_mistake_of_ours(tmp_path: Path) -> None:
    now = learnt()
    part = replace(now.parts[0], labels=now.labels[:-1])
    with pytest.raises(ValueError, match="4 series have a shape of 5"):
        save_learnt(
            tmp_path / "job.state",
            replace(now, parts=(part,)),
            OPTIONS,
        )


@dataclass(slots=True, eq=False)
class Odd:
    """A class as the models might have one."""

    SERIES_AXIS: ClassVar[int] = 0

    values: Floats
    count: int
    ready: bool
    name: str = ""


def test_fields_of_numbers_and_truths_come_back_and_text_is_refused() -> None:
    with pytest.raises(TypeError, match=r"x\.name: a str cannot be kept"):
        taken_apart(Odd(np.ones(2), 3, True), "x")
    parts = {"x.values": np.ones(2), "x.count": np.array(3), "x.ready": np.array(True)}
    with pytest.raises(CorruptError, match=r"x\.name is missing"):
        put_together(Odd, parts, "x", Odd(np.ones(0), 0, False))
    assert layout(Odd) == [
        "Odd.values: array of float64",
        "Odd.count: int",
        "Odd.ready: bool",
        "Odd.name: str",
    ]


def test_all_fields_of_the_models_are_kept() -> None:
    names = {line.partition(":")[0] for line in layout(Shape) + layout(State)}
    assert {"Shape.other.profile", "Shape.week", "State.tails.days", "State.step", "State.samples"} <= names
