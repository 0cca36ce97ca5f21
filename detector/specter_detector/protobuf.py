"""Encode remote write 1.0's `WriteRequest` as protobuf, without a protobuf library.

Message: https://prometheus.io/docs/specs/prw/remote_write_spec/#protocol
    WriteRequest { repeated TimeSeries timeseries = 1; }
    TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
    Label        { string name = 1; string value = 2; }
    Sample       { double value = 1; int64 timestamp = 2; }
"""

import struct
from collections.abc import Iterable

from specter_detector.series import Labels

LENGTH_DELIMITED = 2
STALE_MARKER = struct.pack("<Q", 0x7FF0000000000002)
"""The NaN that ends a series; as bytes, because a float may come out quietened."""


def varint(number: int) -> bytes:
    """Encode a number of 0 to 2^64-1 in base 128, lowest group first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def message(number: int, body: bytes) -> bytes:
    """Encode a length-delimited field."""
    return varint(number << 3 | LENGTH_DELIMITED) + varint(len(body)) + body


def encode_labels(labels: Labels) -> bytes:
    """Encode the labels of one series; they must be sorted by name."""
    return b"".join(
        message(1, message(1, name.encode()) + message(2, value.encode())) for name, value in labels
    )


def encode_sample(value: float | None, timestamp_ms: int) -> bytes:
    """Encode one sample; a value of None is a staleness marker."""
    payload = STALE_MARKER if value is None else struct.pack("<d", value)
    # Negative int64 are sent as their two's complement in 64 bits.
    return message(2, b"\x09" + payload + b"\x10" + varint(timestamp_ms & 0xFFFFFFFFFFFFFFFF))


def encode_request(series: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Encode a request from (labels, samples), each encoded already."""
    return b"".join(message(1, labels + samples) for labels, samples in series)
