"""Encode many records at once: label bytes are made once, values and the timestamp are patched in.

A record is `0A length [labels] 12 length 09 <8 bytes> 10 <varint>`, see `protobuf`. All but the value and the
timestamp stays as it is from tick to tick, so a table keeps its records laid out and numpy writes into them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from specter_detector.models.arrays import Floats, Ints
from specter_detector.protobuf import STALE_BITS, timestamp_varint, varint

Bytes = NDArray[np.uint8]
Bits = NDArray[np.uint64]

MILLISECOND_BYTES = 6
"""Length of a timestamp between 1971 and 2109."""
_VALUE_BYTES = 8
_FIRST_CAPACITY = 4096


class Block(Protocol):
    """Records one after the other, made when they are read.

    What is read is compressed at once, a request at a time, while it is in the processor's cache: a tenth of
    a large tick's time.
    """

    @property
    def ends(self) -> Ints:
        """Return (records,) where each ends in the bytes of all."""

    @property
    def scores_of(self) -> str:
        """Return the alias of the query whose scores they are, empty for all else."""

    def __len__(self) -> int: ...

    def read(self, first: int, end: int) -> bytes:
        """Return the records `first` to before `end`."""


@dataclass(frozen=True, slots=True, eq=False)
class FixedBlock:
    """A block that has been made: `data` and where each record ends in it."""

    data: bytes
    ends: Ints
    scores_of: str = ""

    def __len__(self) -> int:
        return len(self.ends)

    def read(self, first: int, end: int) -> bytes:
        """Return the records `first` to before `end`."""
        start = int(self.ends[first - 1]) if first else 0
        return self.data[start : int(self.ends[end - 1]) if end else 0]


def fixed(block: Block) -> FixedBlock:
    """Make all of `block` now, so that it outlives its table's next tick."""
    return FixedBlock(block.read(0, len(block)), block.ends, block.scores_of)


@dataclass(frozen=True, slots=True, eq=False)
class TableBlock:
    """Rows of a table with their values; it can be read until the table is laid out anew."""

    table: "RecordTable"
    rows: Ints
    bits: Bits
    stamp: bytes
    ends: Ints
    scores_of: str
    layout: int

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, first: int, end: int) -> bytes:
        """Return the records `first` to before `end`.

        Raises:
            RuntimeError: too late; a defect of the caller.
        """
        if self.layout != self.table.layout:
            raise RuntimeError("a block was read after its table had been laid out anew")
        return self.table.patched(self.rows[first:end], self.bits[first:end], self.stamp)


class RecordTable:
    """Records, one a row, that differ from tick to tick in value and timestamp alone."""

    def __init__(self) -> None:
        self.layout = 0
        self._width = MILLISECOND_BYTES
        self._buffer: Bytes = np.zeros(_FIRST_CAPACITY, np.uint8)
        self._ends: Ints = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def nbytes(self) -> int:
        """Bytes that the table holds."""
        return self._buffer.nbytes + self._ends.nbytes

    def add(self, labels: Sequence[bytes]) -> Ints:
        """Add a row for each of `labels`, encoded; return the rows."""
        first = len(self._ends)
        self._append([_record(each, self._width) for each in labels])
        return np.arange(first, len(self._ends))

    def keep(self, rows: Ints) -> None:
        """Drop all rows but `rows`, ascending, which are numbered from 0 from then on."""
        records = self._slices(rows)
        self._clear()
        self._append(records)

    def block(self, rows: Ints, bits: Bits, timestamp: int, scores_of: str = "") -> TableBlock:
        """Return the records of `rows`, in the table's order; read it before the table is changed.

        Args:
            rows: (records,) each once.
            bits: (records,) the values as the bits of a double.
            timestamp: in milliseconds, of all of them.
            scores_of: see `Block`.
        """
        stamp = timestamp_varint(timestamp)
        if len(stamp) != self._width:
            self._relay(len(stamp))
        if (np.diff(rows) < 0).any():
            order = np.argsort(rows, kind="stable")
            rows, bits = rows[order], bits[order]
        ends = np.cumsum(self._ends[rows] - self._starts()[rows])
        return TableBlock(self, rows, bits, stamp, ends, scores_of, self.layout)

    def patched(self, rows: Ints, bits: Bits, stamp: bytes) -> bytes:
        """Return the records of `rows`, ascending, with their values and the encoded timestamp."""
        ends = self._ends[rows]
        self._windows(_VALUE_BYTES)[ends - (_VALUE_BYTES + 1 + self._width)] = bits.view("V8")
        self._windows(self._width)[ends - self._width] = np.void(stamp)
        return self._joined(rows, np.where(rows > 0, self._ends[rows - 1], 0), ends)

    def _joined(self, rows: Ints, starts: Ints, ends: Ints) -> bytes:
        """Return the bytes of `rows`, ascending: rows that follow one another are copied as one."""
        if not len(rows):
            return b""
        breaks = np.flatnonzero(np.diff(rows) != 1)
        firsts = np.concatenate([[0], breaks + 1])
        lasts = np.concatenate([breaks, [len(rows) - 1]])
        view = self._buffer.data
        runs = zip(starts[firsts].tolist(), ends[lasts].tolist(), strict=True)
        return b"".join([view[start:end] for start, end in runs])

    def _starts(self) -> Ints:
        starts = np.zeros_like(self._ends)
        starts[1:] = self._ends[:-1]
        return starts

    def _slices(self, rows: Ints) -> list[bytes]:
        starts, ends = self._starts()[rows].tolist(), self._ends[rows].tolist()
        return [self._buffer[start:end].tobytes() for start, end in zip(starts, ends, strict=True)]

    def _windows(self, width: int) -> NDArray[np.void]:
        """Return the `width` bytes that begin at each byte of the buffer; writing there changes it."""
        # Records begin anywhere: no view of aligned numbers reaches all values.
        return np.ndarray(
            (len(self._buffer) - width + 1,), f"V{width}", buffer=self._buffer.data, strides=(1,)
        )

    def _relay(self, width: int) -> None:
        """Lay all records out anew for timestamps of `width` bytes."""
        labels = [_labels_of(record, self._width) for record in self._slices(np.arange(len(self._ends)))]
        self._width = width
        self._clear()
        self.add(labels)

    def _clear(self) -> None:
        self.layout += 1
        self._buffer = np.zeros(_FIRST_CAPACITY, np.uint8)
        self._ends = np.zeros(0, np.int64)

    def _append(self, records: Sequence[bytes]) -> None:
        data = np.frombuffer(b"".join(records), np.uint8)
        used = int(self._ends[-1]) if len(self._ends) else 0
        needed = used + len(data)
        if needed > len(self._buffer):
            grown = np.zeros(max(needed, 3 * len(self._buffer) // 2), np.uint8)
            grown[:used] = self._buffer[:used]
            self._buffer = grown
        self._buffer[used:needed] = data
        lengths = np.fromiter(map(len, records), np.int64, len(records))
        self._ends = np.concatenate([self._ends, used + np.cumsum(lengths)])


def bits_of(values: Floats) -> Bits:
    """Return (values,) the bits of doubles."""
    return np.ascontiguousarray(values, np.float64).view(np.uint64)


def stale_bits(count: int) -> Bits:
    """Return (count,) staleness markers."""
    return np.full(count, STALE_BITS, np.uint64)


def _record(labels: bytes, width: int) -> bytes:
    """Return a record whose value and timestamp, `width` bytes long, are to be filled in."""
    sample = _VALUE_BYTES + width + 2
    body = b"".join([labels, b"\x12", varint(sample), b"\x09", bytes(_VALUE_BYTES), b"\x10", bytes(width)])
    return b"\x0a" + varint(len(body)) + body


def _labels_of(record: bytes, width: int) -> bytes:
    """Undo `_record`."""
    body = 1
    while record[body] > 0x7F:
        body += 1
    return record[body + 1 : len(record) - (_VALUE_BYTES + width + 4)]
