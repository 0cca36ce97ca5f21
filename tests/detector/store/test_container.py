"""The container: what goes in comes out, and a damaged file never passes for a sound one."""

import json
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, from_dtype
from numpy.typing import NDArray

from specter_detector.store.container import HEAD, TYPES, load, save
from specter_detector.store.errors import CorruptError, StoreError

CORNERS: dict[str, NDArray[Any]] = {
    "singles": np.arange(12, dtype=np.float32).reshape(3, 4),
    "phases": np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4)),
    "halves": np.array([1.5, np.nan, np.inf, -0.0], np.float16),
    "numbers": np.array([np.iinfo(np.int64).min, -1, 0, np.iinfo(np.int64).max]),
    "truths": np.array([[True, False], [False, True]]),
    "small": np.array([-128, 127], np.int8),
    "scalar": np.array(np.nan),
    "nothing": np.empty((0, 7), np.float32),
    "flat": np.empty((3, 0)),
}


def assert_equal(one: NDArray[Any], other: NDArray[Any]) -> None:
    assert (one.dtype, one.shape) == (other.dtype, other.shape)
    assert one.tobytes() == other.tobytes()


def test_arrays_come_back_with_type_shape_and_order(tmp_path: Path) -> None:
    header = {"tick": 1.5, "text": 'é"\n', "none": None, "list": [1, {"a": True}]}
    save(tmp_path / "a", header, CORNERS)
    read, found = load(tmp_path / "a")
    assert read == header
    assert list(found) == list(CORNERS)
    for name, array in CORNERS.items():
        assert_equal(found[name], array)
        assert found[name].flags.fnc == array.flags.fnc
        assert found[name].flags.writeable
        found[name].fill(0)  # our own memory


def test_views_and_the_other_byte_order_are_laid_out(tmp_path: Path) -> None:
    whole = np.arange(24.0).reshape(4, 6)
    given_: dict[str, NDArray[Any]] = {"every": whole[::2, ::3], "across": whole[:, 1:3].T}
    given_["big"] = whole.astype(">f8")
    save(tmp_path / "a", {}, given_)
    for name, array in load(tmp_path / "a")[1].items():
        np.testing.assert_array_equal(array, given_[name])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.data(),
    types=st.lists(st.sampled_from(sorted(TYPES)), max_size=4),
    names=st.lists(st.text(max_size=20), min_size=4, max_size=4, unique=True),
)
def test_any_arrays_come_back(
    tmp_path: Path, data: st.DataObject, types: list[str], names: list[str]
) -> None:
    made: dict[str, NDArray[Any]] = {}
    for name, type_ in zip(names, types, strict=False):
        dtype = np.dtype(type_)
        shape = data.draw(array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
        array = data.draw(arrays(dtype, shape, elements=from_dtype(dtype)))
        made[name] = np.asfortranarray(array) if data.draw(st.booleans()) else array
    save(tmp_path / "a", {}, made)
    found = load(tmp_path / "a")[1]
    assert list(found) == list(made)
    for name, array in made.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_whatever_bit_is_flipped_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a"
    save(file, {"tick": 1}, CORNERS)
    good = file.read_bytes()
    for place in range(len(good)):
        damaged = bytearray(good)
        damaged[place] ^= 1 << (place % 8)
        file.write_bytes(damaged)
        with pytest.raises(CorruptError):
            load(file)


def test_wherever_the_file_ends_or_goes_on_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a"
    nothing: dict[str, NDArray[Any]] = {"nothing": np.empty(0)}
    for arrays_ in (CORNERS, {}, nothing):
        save(file, {"tick": 1}, arrays_)
        good = file.read_bytes()
        for wrong in (*(good[:end] for end in range(len(good))), good + b"\0", good + good):
            file.write_bytes(wrong)
            with pytest.raises(CorruptError):
                load(file)


def forged(path: Path, directory: object, content: bytes = b"") -> None:
    """Write a file with sound checksums whose directory says what we never would."""
    text = json.dumps(directory).encode()
    head = HEAD.pack(b"SPSTATE\n", 1, len(text), zlib.crc32(text)) + text
    path.write_bytes(head.ljust(-(-len(head) // 64) * 64, b"\0") + content)


@pytest.mark.parametrize(
    "entry",
    [
        ["a", "|O", [1], False, 0, 8, 0],
        ["a", "<f8", [-1], False, 0, 8, 0],
        ["a", "<f8", [2], False, 0, 8, 0],
        ["a", "<f8", [1], False, -64, 8, 0],
        ["a", "<f8", [1], False, 128, 8, 0],
        ["a", "<f8", [2**40], False, 0, 2**43, 0],
        ["a", "<f8", [1], False, 0, -8, 0],
        ["a", "<f8", [1], False, 0, 7, 0],
        ["a", "<f8", [1], False, 0],
        "a",
        None,
    ],
)
def test_a_directory_that_we_would_not_write_is_refused(tmp_path: Path, entry: object) -> None:
    content = bytes(7 if isinstance(entry, list) and entry[5:6] == [7] else 8)
    if isinstance(entry, list) and len(entry) == 7:
        entry[6] = zlib.crc32(content)
    forged(tmp_path / "a", {"header": {}, "arrays": [entry]}, content)
    with pytest.raises(CorruptError):
        load(tmp_path / "a")


def test_another_format_is_named(tmp_path: Path) -> None:
    save(tmp_path / "a", {}, {})
    content = bytearray((tmp_path / "a").read_bytes())
    struct.pack_into("<I", content, 8, 7)
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(CorruptError, match="it has format 7, and this is a Specter for format 1"):
        load(tmp_path / "a")


def test_what_is_no_number_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="array names: object cannot be kept"):
        save(tmp_path / "a", {}, {"names": np.array([{}], object)})
    with pytest.raises(ValueError, match="not JSON compliant"):
        save(tmp_path / "a", {"tick": float("nan")}, {})
    assert not list(tmp_path.iterdir())


def test_a_missing_file_is_no_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot read: No such file") as raised:
        load(tmp_path / "a")
    assert not isinstance(raised.value, CorruptError)


def test_the_file_is_its_owner_s_and_nothing_else_is_left(tmp_path: Path) -> None:
    save(tmp_path / "a", {}, CORNERS)
    save(tmp_path / "a", {}, CORNERS, durable=False)
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("a", 0o600)]
