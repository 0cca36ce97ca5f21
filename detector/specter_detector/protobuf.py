"""Remote write 1.0's `WriteRequest` as protobuf, without a protobuf library: a plain encoder and a decoder.

Message: https://prometheus.io/docs/specs/prw/remote_write_spec/#protocol
    WriteRequest { repeated TimeSeries timeseries = 1; }
    TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
    Label        { string name = 1; string value = 2; }
    Sample       { double value = 1; int64 timestamp = 2; }

A record is one `timeseries` field with one sample; `encoding` makes many of them at once.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from specter_detector.series import Labels

VARINT = 0
FIXED64 = 1
LENGTH_DELIMITED = 2
STALE_BITS = 0x7FF0000000000002
"""The NaN that ends a series; as bits, because a float may come out quietened."""

_LABELS, _SAMPLE, _VALUE, _TIMESTAMP = b"\x0a", b"\x12", b"\x09", b"\x10"
_MASK = 0xFFFFFFFFFFFFFFFF
_LONGEST_VARINT = 70
_SHORT = 0x80


class MalformedError(ValueError):
    """These bytes are no write request."""


@dataclass(frozen=True, slots=True)
class Record:
    """One sample of one series; `bits` are those of its double, `timestamp` in milliseconds."""

    labels: Labels
    bits: int
    timestamp: int

    @property
    def value(self) -> float | None:
        """The value, None where the record ends its series."""
        value: float = struct.unpack("<d", struct.pack("<Q", self.bits))[0]
        return None if self.bits == STALE_BITS else value


def record_of(labels: Labels, value: float | None, at: float) -> Record:
    """Return a record of `value` at Unix time `at` (s); None ends the series."""
    bits = STALE_BITS if value is None else struct.unpack("<Q", struct.pack("<d", value))[0]
    return Record(labels, bits, round(at * 1000))


def varint(number: int) -> bytes:
    """Encode a number of 0 to 2^64-1 in base 128, lowest group first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def timestamp_varint(milliseconds: int) -> bytes:
    """Encode a timestamp: a negative int64 is sent as its two's complement in 64 bits."""
    return varint(milliseconds & _MASK)


def message(number: int, body: bytes) -> bytes:
    """Encode a length-delimited field."""
    return varint(number << 3 | LENGTH_DELIMITED) + varint(len(body)) + body


def encode_label(name: str, value: str) -> bytes:
    """Encode one label as the field of its series."""
    encoded_name, encoded_value = name.encode(), value.encode()
    length = len(encoded_name) + len(encoded_value) + 4
    if length < _SHORT:
        # Almost every label: all lengths fit into a byte.
        return b"".join(
            (
                b"\x0a", bytes((length,)), b"\x0a", bytes((len(encoded_name),)), encoded_name,
                b"\x12", bytes((len(encoded_value),)), encoded_value,
            )
        )  # fmt: skip
    return message(1, message(1, encoded_name) + message(2, encoded_value))


def encode_labels(labels: Labels) -> bytes:
    """Encode the labels of one series; they must be sorted by name."""
    return b"".join(encode_label(name, value) for name, value in labels)


def encode_record(record: Record) -> bytes:
    """Encode one record; records one after the other are a request."""
    payload = _VALUE + struct.pack("<Q", record.bits) + _TIMESTAMP + timestamp_varint(record.timestamp)
    return message(1, encode_labels(record.labels) + message(2, payload))


def spans(body: bytes) -> list[tuple[int, int]]:
    """Return where each record of a request begins and ends.

    Raises:
        MalformedError: there is something else in it.
    """
    found, at = [], 0
    while at < len(body):
        start = at
        if body[at : at + 1] != _LABELS:
            raise MalformedError(f"no record at byte {at}")
        length, at = _read_varint(body, at + 1)
        at += length
        if at > len(body):
            raise MalformedError(f"the record at byte {start} is cut off")
        found.append((start, at))
    return found


def decode_record(record: bytes) -> Record:
    """Decode one record with one sample.

    Raises:
        MalformedError: it is none.
    """
    labels: list[tuple[str, str]] = []
    bits = timestamp = 0
    (_, _, series), *others = _fields(record)
    if others:
        raise MalformedError("more than one record")
    for number, kind, content in _fields(series):
        if (number, kind) == (1, LENGTH_DELIMITED):
            texts = {field: _text(text) for field, _, text in _fields(content)}
            labels.append((texts.get(1, ""), texts.get(2, "")))
        else:
            parts = {field: part for field, _, part in _fields(content)}
            bits = int.from_bytes(parts.get(1, b""), "little")
            timestamp = int.from_bytes(parts.get(2, b""), "little", signed=True)
    return Record(tuple(labels), bits, timestamp)


def decode(body: bytes) -> list[Record]:
    """Decode a request of records with one sample each.

    Raises:
        MalformedError: it is none.
    """
    return [decode_record(body[start:end]) for start, end in spans(body)]


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise MalformedError("a label is not UTF-8") from None


def _fields(body: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield number, wire type and content of each field; a varint as its eight bytes, lowest first."""
    at = 0
    while at < len(body):
        key, at = _read_varint(body, at)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, at = _read_varint(body, at)
            yield number, kind, (value & _MASK).to_bytes(8, "little")
            continue
        if kind == FIXED64:
            length = 8
        elif kind == LENGTH_DELIMITED:
            length, at = _read_varint(body, at)
        else:
            raise MalformedError(f"wire type {kind}")
        if at + length > len(body):
            raise MalformedError("a field is cut off")
        yield number, kind, body[at : at + length]
        at += length


def _read_varint(body: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at `at`, and where it ends."""
    number = shift = 0
    while at < len(body) and shift < _LONGEST_VARINT:
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise MalformedError("a number is cut off")
