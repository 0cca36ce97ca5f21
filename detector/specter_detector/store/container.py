"""A file of named arrays and a header of plain values: checksummed to the last byte, replaced in one step.

    magic (8 bytes) | format, length of the directory, its CRC-32 (3 x uint32) | directory | arrays

The directory is JSON: the header, and of each array its name, type, shape, order, place and CRC-32. Arrays
begin at multiples of 64, with zeros between them. Nothing is executed by reading one, unlike with pickle.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from specter_detector.store.atomic import replace_file
from specter_detector.store.errors import CorruptError, explained
from specter_detector.store.medium import raw

MAGIC = b"SPSTATE\n"
FORMAT = 1
HEAD = struct.Struct("<8sIII")
ALIGNED = 64
LONGEST = 2**31
"""Bytes of a directory: a damaged length is not believed."""

TYPES = frozenset(["|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"])
"""Of arrays: plain numbers, so that no bytes can be more than wrong."""

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array lies, and what it is."""

    name: str
    type: str
    shape: tuple[int, ...]
    fortran: bool
    offset: int
    bytes: int
    crc: int


def save(path: Path, header: Mapping[str, Any], arrays: Arrays, *, durable: bool = True) -> None:
    """Write `header` and `arrays` to `path`, which is the old file or the new one at every moment.

    Args:
        path: the file.
        header: what JSON can hold.
        arrays: of numbers or truths. Fortran's order is kept; anything between is laid out in C's.
        durable: wait until it is on the disk.

    Raises:
        StoreError: the file system refuses; the old file is as it was.
        TypeError: an array of another type.
    """
    parts: list[tuple[int, memoryview]] = []
    directory: list[list[Any]] = []
    offset = 0
    for name, array in arrays.items():
        type_ = array.dtype.newbyteorder("<").str
        if type_ not in TYPES:
            raise TypeError(f"array {name}: {array.dtype} cannot be kept")
        fortran = bool(array.flags.fnc)
        flat = array.T if fortran else np.ascontiguousarray(array)
        content = raw(flat.astype(type_, copy=False))
        offset = _aligned(offset)
        crc = zlib.crc32(content)
        directory.append([name, type_, list(array.shape), fortran, offset, content.nbytes, crc])
        parts.append((offset, content))
        offset += content.nbytes
    text = json.dumps({"header": header, "arrays": directory}, allow_nan=False).encode("ascii")
    begin = _aligned(HEAD.size + len(text))
    first = (HEAD.pack(MAGIC, FORMAT, len(text), zlib.crc32(text)) + text).ljust(begin, b"\0")
    replace_file(path, _padded(first, parts), durable=durable)


def load(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `save` wrote: the header and the arrays, which are this process' own memory.

    Raises:
        CorruptError: any byte is not as it was written, or the format is another.
        StoreError: the file cannot be read.
    """
    with explained("read", path), path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        directory, end = _directory(file.read(HEAD.size), file.read, size)
        header, places = _parsed(directory)
        arrays: dict[str, NDArray[Any]] = {}
        begin = position = _aligned(end)
        _zeros(file.read(begin - end), begin - end)
        for place in places:
            gap = begin + place.offset - position
            if not 0 <= gap < ALIGNED or not 0 <= place.bytes <= size:
                raise CorruptError(f"array {place.name} is not where it should be")
            _zeros(file.read(gap), gap)
            content = np.empty(place.bytes, np.uint8)
            if file.readinto(content.data) != place.bytes:
                raise CorruptError("it is cut short")
            if zlib.crc32(content.data) != place.crc:
                raise CorruptError(f"array {place.name} is damaged")
            arrays[place.name] = _shaped(content, place)
            position += gap + place.bytes
        if position != max(size, begin) or size < begin:
            raise CorruptError("there is something behind its end" if size > position else "it is cut short")
    return header, arrays


def _directory(head: bytes, read: Any, size: int) -> tuple[bytes, int]:
    """Return the directory and the offset of its end."""
    if len(head) < HEAD.size:
        raise CorruptError("it is cut short")
    magic, version, length, crc = HEAD.unpack(head)
    if magic != MAGIC:
        raise CorruptError("it is no file of ours, or its first bytes are damaged")
    if version != FORMAT:
        raise CorruptError(f"it has format {version}, and this is a Specter for format {FORMAT}")
    if length > min(LONGEST, size):
        raise CorruptError("it is cut short")
    text: bytes = read(length)
    if zlib.crc32(text) != crc or len(text) != length:
        raise CorruptError("its directory is damaged")
    return text, HEAD.size + length


def _parsed(text: bytes) -> tuple[dict[str, Any], list[Place]]:
    try:
        content = json.loads(text)
        places = [
            Place(name, type_, tuple(map(int, shape)), bool(fortran), int(offset), int(size), int(crc))
            for name, type_, shape, fortran, offset, size, crc in content["arrays"]
        ]
        header = dict(content["header"])
    except (ValueError, TypeError, KeyError) as error:
        raise CorruptError("its directory is not what we write") from error
    return header, places


def _shaped(content: NDArray[np.uint8], place: Place) -> NDArray[Any]:
    if place.type not in TYPES or any(side < 0 for side in place.shape):
        raise CorruptError(f"array {place.name} has the type {place.type} and the shape {place.shape}")
    try:
        return content.view(place.type).reshape(place.shape, order="F" if place.fortran else "C")
    except ValueError as error:
        raise CorruptError(f"array {place.name} does not fill {place.shape}") from error


def _padded(first: bytes, parts: list[tuple[int, memoryview]]) -> Iterator[bytes | memoryview]:
    yield first
    end = 0
    for offset, content in parts:
        yield bytes(offset - end)
        yield content
        end = offset + content.nbytes


def _zeros(content: bytes, length: int) -> None:
    if len(content) != length:
        raise CorruptError("it is cut short")
    if any(content):
        raise CorruptError("there is something between its arrays")


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED
