"""The file under a history: what its first bytes say, how one is made, and what speaks against another."""

import json
import secrets
import struct
import zlib
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from specter_core.files import NEW
from specter_detector.store.atomic import replace_file
from specter_detector.store.block import Block
from specter_detector.store.errors import CorruptError, StoreError, explained, set_aside
from specter_detector.store.geometry import HEADER, Geometry
from specter_detector.store.label_log import LabelLog
from specter_detector.store.medium import FileMedium, Medium

MAGIC = b"SPRING\r\n"
FORMAT = 1
HEAD = struct.Struct("<8sIII")  # magic, format, length and CRC-32 of the JSON that follows


@dataclass(frozen=True, slots=True)
class Header:
    """What a history file says of itself.

    Attributes:
        step: seconds between two columns.
        capacity: columns.
        identity: hash of what its values are of.
        token: what the log of its labels has to say.
    """

    step: float
    capacity: int
    identity: str
    token: str

    def packed(self) -> bytes:
        """Return the bytes before the first block."""
        text = json.dumps(asdict(self)).encode("ascii")
        return (HEAD.pack(MAGIC, FORMAT, len(text), zlib.crc32(text)) + text).ljust(HEADER, b"\0")

    @classmethod
    def unpacked(cls, data: bytes) -> "Header":
        """Read what `packed` returns.

        Raises:
            CorruptError: it is damaged, or of another version.
        """
        if len(data) < HEADER:
            raise CorruptError("it is cut short")
        magic, version, length, crc = HEAD.unpack_from(data)
        if magic != MAGIC:
            raise CorruptError("it is no history file")
        if version != FORMAT:
            raise CorruptError(f"it has format {version}, and this is a Specter for format {FORMAT}")
        text = data[HEAD.size : HEAD.size + length]
        if length > HEADER or zlib.crc32(text) != crc or any(data[HEAD.size + length :]):
            raise CorruptError("its header is damaged")
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class RingFile:
    """An open history file, its blocks, and the log of its labels."""

    header: Header
    medium: Medium
    blocks: list[Block]
    log: LabelLog


def fingerprint(identity: str) -> str:
    """Return what stands for `identity` in a file."""
    return sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()


def other_capacity(path: Path, *, step: float, capacity: int, identity: str) -> int | None:
    """Return the number of columns of `path`, where it is the history wanted, but has another number of them.

    Raises:
        StoreError: it cannot be read.
    """
    if not path.exists():
        return None
    with explained("read", path), path.open("rb") as file:
        first = file.read(HEADER)
    try:
        header = Header.unpacked(first)
    except CorruptError:
        return None
    same = (header.identity, header.step) == (fingerprint(identity), step)
    return header.capacity if same and header.capacity != capacity else None


def open_ring_file(path: Path, *, step: float, capacity: int, identity: str) -> RingFile:
    """Open `path`; make it anew where it is not there, damaged, or of another query, step or capacity.

    Raises:
        StoreError: the file system refuses.
    """
    labels = path.with_suffix(".labels")
    with explained("write", path):
        for unfinished in path.parent.glob(f"{path.stem}.*{NEW}"):
            unfinished.unlink()
        there = path.exists()
    wanted = Header(step, capacity, fingerprint(identity), secrets.token_hex(8))
    if there:
        try:
            return _load(path, labels, wanted)
        except CorruptError as error:
            set_aside(path, str(error), labels)
    log = LabelLog.create(labels, wanted.token)
    try:
        # Last: a file without its log would be damaged, a log without its file is overwritten.
        replace_file(path, [wanted.packed()])
        return RingFile(wanted, FileMedium(path), [], log)
    except StoreError:
        log.close()
        raise


def _load(path: Path, labels: Path, wanted: Header) -> RingFile:
    medium = FileMedium(path)
    try:
        size = medium.size()
        if size < HEADER:
            raise CorruptError("it is cut short")
        header = Header.unpacked(medium.read(0, HEADER).tobytes())
        _compare(header, wanted)
        count = Geometry(header.capacity).blocks_in(size)
        if count is None:
            raise CorruptError("it is cut short")
        blocks = _blocks(medium, Geometry(header.capacity), count)
        log = LabelLog.load(labels, header.token)
    except StoreError:
        medium.close()
        raise
    try:
        _agree(blocks, log)
    except CorruptError:
        medium.close()
        log.close()
        raise
    return RingFile(header, medium, blocks, log)


def _compare(header: Header, wanted: Header) -> None:
    if (header.identity, header.step) != (wanted.identity, wanted.step):
        raise CorruptError("it is the history of another expression, offset or step")
    if header.capacity != wanted.capacity:
        raise CorruptError(f"it has {header.capacity} columns, and {wanted.capacity} are wanted now")


def _blocks(medium: Medium, geometry: Geometry, count: int) -> list[Block]:
    blocks: list[Block] = []
    for number in range(count):
        block = Block(medium, geometry, number)
        if not block.load():
            if number < count - 1:
                raise CorruptError(f"the header of block {number} is missing")
            block.begin(max((each.newest() for each in blocks), default=0) + 1)
        blocks.append(block)
    return blocks


def _agree(blocks: list[Block], log: LabelLog) -> None:
    rows = blocks[-1].first + blocks[-1].width if blocks else 0
    if any(row >= rows for row in log.rows):
        raise CorruptError("it is cut short: the log of its labels knows more series")
    if blocks and blocks[0].records() > log.records:
        raise CorruptError("the log of its labels is cut short")
