"""Prometheus' remote read: raw samples of a selector, decoded without a step a sample.

Messages: https://github.com/prometheus/prometheus/blob/main/prompb/remote.proto and types.proto
    ReadRequest  { repeated Query queries = 1; }
    Query        { int64 start_timestamp_ms = 1; int64 end_timestamp_ms = 2;
                   repeated LabelMatcher matchers = 3; }
    LabelMatcher { Type type = 1; string name = 2; string value = 3; }
    ReadResponse { repeated QueryResult results = 1; }
    QueryResult  { repeated TimeSeries timeseries = 1; }

Both are compressed with snappy's block format. Samples is what a server answers with when nothing else is
asked for.
"""

from collections.abc import Iterable, Iterator

import cramjam
import numpy as np
from numpy.typing import NDArray

from specter_detector.datasource import RefusedError, TooLargeError
from specter_detector.models.arrays import Floats, Ints
from specter_detector.promql import Matcher
from specter_detector.protobuf import message, varint
from specter_detector.series import Labels, labels_of

PATH = "/api/v1/read"
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
}
_TYPES = {"=": 0, "!=": 1, "=~": 2, "!~": 3}
_LABEL, _SAMPLE = 0x0A, 0x12
UNIT = 9
"""A sample takes 18 bytes, and 9 if its value is 0.0, which is left out."""

_VALUE_TAG, _TIME_TAG, _HEAD = 0x09, 0x10, 0x1012
_RECORD = np.dtype(
    {
        "names": ["head", "value_tag", "value", "time_tag", "low", "high"],
        "formats": ["<u2", "u1", "<f8", "u1", "<u4", "<u2"],
        "offsets": [0, 2, 3, 11, 12, 16],
        "itemsize": 2 * UNIT,
    }
)
"""A sample with its value; the time is a varint of six bytes, four of them in `low`."""
_OTHER_LAYOUT = "the samples of a remote read are laid out in another way"

Bytes = NDArray[np.uint8]


class LayoutError(RefusedError):
    """The answer is laid out in a way that is not read here: other servers, other times."""


def encode_query(matchers: Iterable[Matcher], start_ms: int, end_ms: int) -> bytes:
    """Return the request's body for the samples from `start_ms` to `end_ms`, both inclusive."""
    conditions = b"".join(
        message(
            3,
            b"\x08" + varint(_TYPES[each.operator])
            + message(2, each.name.encode()) + message(3, each.value.encode()),
        )
        for each in matchers
    )  # fmt: skip
    times = b"\x08" + varint(start_ms & 2**64 - 1) + b"\x10" + varint(end_ms & 2**64 - 1)
    return bytes(cramjam.snappy.compress_raw(message(1, times + conditions)))


def decompress(body: bytes, limit: int) -> bytes:
    """Return what `body` holds.

    Raises:
        TooLargeError: it is longer than `limit` bytes.
        LayoutError: it is not snappy.
    """
    try:
        size, _ = _varint(body, 0)
        if size > limit:
            raise TooLargeError(f"the raw samples take {size / 2**20:.0f} MiB, more than {limit >> 20}")
        return bytes(cramjam.snappy.decompress_raw(body))
    except (IndexError, cramjam.DecompressionError) as error:
        raise LayoutError("the answer to a remote read is not compressed with snappy") from error


def decode_series(body: bytes) -> Iterator[tuple[Labels, Ints, Floats]]:
    """Yield (labels, times in ms, values) of each series; a staleness marker keeps its bits.

    Raises:
        LayoutError: samples take other than 18 or 9 bytes, as before 1971 and after 2109, or are histograms.
    """
    try:
        for start, end in _fields(body, 0, len(body), 0x0A):  # results
            for first, last in _fields(body, start, end, 0x0A):  # timeseries
                yield _series(body, first, last)
    except (IndexError, ValueError) as error:
        raise LayoutError("the answer to a remote read ends in the middle") from error


def _series(body: bytes, at: int, end: int) -> tuple[Labels, Ints, Floats]:
    pairs: dict[str, str] = {}
    while at < end and body[at] == _LABEL:
        size, at = _varint(body, at + 1)
        name, value = _label(body, at, at + size)
        pairs[name] = value
        at += size
    return labels_of(pairs), *_samples(np.frombuffer(body, np.uint8, end - at, at))


def _label(body: bytes, at: int, end: int) -> tuple[str, str]:
    found = {0x0A: "", 0x12: ""}
    while at < end:
        tag = body[at]
        size, at = _varint(body, at + 1)
        found[tag] = body[at : at + size].decode("utf-8", "replace")
        at += size
    return found[0x0A], found[0x12]


def _samples(block: Bytes) -> tuple[Ints, Floats]:
    """Decode samples that follow each other.

    12 10 09 v v v v v v | v v 10 t t t t t t      with a value
    12 07 10 t t t t t t                           0.0
    """
    records = block.view(_RECORD) if block.size % _RECORD.itemsize == 0 else None
    if records is None or not (records["value_tag"] == _VALUE_TAG).all():
        records = _without_gaps(block)
    low, high = records["low"].astype(np.int64), records["high"].astype(np.int64)
    if not (
        (records["head"] == _HEAD).all()
        and (records["time_tag"] == _TIME_TAG).all()
        and (low & 0x80808080 == 0x80808080).all()
        and (high & 0x8080 == 0x0080).all()
    ):
        raise LayoutError(_OTHER_LAYOUT)
    stamps = low & 0x7F
    stamps |= (low & 0x7F00) >> 1
    stamps |= (low & 0x7F0000) >> 2
    stamps |= (low & 0x7F000000) >> 3
    stamps |= (high & 0x7F) << 28
    stamps |= (high & 0x7F00) << 27
    return stamps, records["value"].astype(np.float64)


def _without_gaps(block: Bytes) -> NDArray[np.void]:
    """Return the samples of `block` as records, with the values that were left out.

    In units of 9 bytes the third byte says what a unit is: 09 begins a sample with a value, and the
    unit after it is its second half. Every other unit is a sample of its own.
    """
    if block.size % UNIT:
        raise LayoutError(_OTHER_LAYOUT)
    units = block.reshape(-1, UNIT)
    begins = units[:, 2] == _VALUE_TAG
    second = np.zeros(begins.size, np.bool_)
    second[1:] = begins[:-1]
    zero = ~begins & ~second
    if begins[-1] or not ((units[zero, 0] == _SAMPLE) & (units[zero, 1] == 0x07)).all():
        raise LayoutError(_OTHER_LAYOUT)
    starts = begins | zero
    whole, halves = begins[starts], np.flatnonzero(begins)
    records = np.zeros((whole.size, 2 * UNIT), np.uint8)
    records[whole, :UNIT] = units[halves]
    records[whole, UNIT:] = units[halves + 1]
    records[~whole, :3] = (_SAMPLE, 0x10, _VALUE_TAG)
    records[~whole, 11:] = units[zero, 2:]
    return records.view(_RECORD)[:, 0]


def _fields(body: bytes, at: int, end: int, tag: int) -> Iterator[tuple[int, int]]:
    """Yield where each field `tag` of a message lies."""
    while at < end:
        if body[at] != tag:
            raise LayoutError("the answer to a remote read holds what is not expected there")
        size, at = _varint(body, at + 1)
        if at + size > end:
            raise IndexError(at)
        yield at, at + size
        at += size


def _varint(body: bytes, at: int) -> tuple[int, int]:
    """Return the number at `at`, and where it ends."""
    number = shift = 0
    while True:
        byte = body[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
