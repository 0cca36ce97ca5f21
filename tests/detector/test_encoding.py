"""Remote write's bytes: what we encode is what the protobuf library reads, and the reverse."""

import struct
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_detector.encoding import FixedBlock, RecordTable, bits_of, fixed, stale_bits
from specter_detector.models.arrays import Floats
from specter_detector.packing import Limits, decompress, pack, request
from specter_detector.protobuf import (
    STALE_BITS,
    MalformedError,
    Record,
    decode,
    decode_record,
    encode_labels,
    encode_record,
    record_of,
    spans,
)
from specter_detector.series import Labels, labels_of
from tests.detector.write_request import read, write_request

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
LABELS = st.dictionaries(TEXT, TEXT, max_size=5).map(labels_of)
BITS = st.integers(0, 2**64 - 1)
# Zero, one byte, our era, after 2109, before 1970.
STAMPS = st.sampled_from([0, 1, 127, 128, 1_790_000_000_000, 2**42, -1, -(2**63), 2**63 - 1])


def as_read(record: Record) -> tuple[Labels, list[tuple[bytes, int]]]:
    return record.labels, [(struct.pack("<Q", record.bits), record.timestamp)]


def in_bits(body: bytes) -> list[tuple[Labels, list[tuple[bytes, int]]]]:
    return [
        (labels, [(struct.pack("<d", value), at) for value, at in samples]) for labels, samples in read(body)
    ]


@given(st.lists(st.builds(Record, LABELS, BITS, STAMPS | st.integers(0, 2**43)), max_size=5))
def test_records_are_what_the_protobuf_library_reads(records: list[Record]) -> None:
    assert in_bits(b"".join(map(encode_record, records))) == [as_read(record) for record in records]


@given(st.lists(st.builds(Record, LABELS, BITS, STAMPS), max_size=5))
def test_what_the_protobuf_library_writes_is_read(records: list[Record]) -> None:
    message = write_request()()
    for record in records:
        series = message.timeseries.add()
        for name, value in record.labels:
            series.labels.add(name=name, value=value)
        (value,) = struct.unpack("<d", struct.pack("<Q", record.bits))
        # Zeros are left out on the wire.
        series.samples.add(value=value, timestamp=record.timestamp)
    assert decode(message.SerializeToString()) == records


@given(st.lists(LABELS, min_size=1, max_size=20), st.lists(STAMPS, min_size=1, max_size=4), st.data())
def test_a_table_encodes_any_rows_as_the_plain_encoder_does(
    labels: list[Labels], stamps: list[int], data: st.DataObject
) -> None:
    table = RecordTable()
    first = data.draw(st.integers(0, len(labels)))
    table.add([encode_labels(each) for each in labels[:first]])
    table.add([encode_labels(each) for each in labels[first:]])
    for stamp in stamps:
        rows = data.draw(st.lists(st.integers(0, len(labels) - 1), unique=True))
        bits = np.array(data.draw(st.lists(BITS, min_size=len(rows), max_size=len(rows))), np.uint64)
        block = fixed(table.block(np.array(rows, np.int64), bits, stamp, "q"))
        expected = [Record(labels[row], int(value), stamp) for row, value in zip(rows, bits, strict=True)]
        expected = [
            record for _, record in sorted(zip(rows, expected, strict=True), key=lambda pair: pair[0])
        ]
        assert in_bits(block.data) == [as_read(record) for record in expected]
        assert [end for _, end in spans(block.data)] == block.ends.tolist()
        assert block.scores_of == "q"


def test_a_block_keeps_its_values_until_its_table_is_laid_out_anew() -> None:
    table = RecordTable()
    rows = table.add([encode_labels((("a", "b"),))])
    early = table.block(rows, bits_of(np.array([1.0])), 1000)
    late = table.block(rows, bits_of(np.array([2.0])), 2000)
    assert read(late.read(0, 1)) == [((("a", "b"),), [(2.0, 2000)])]
    assert read(early.read(0, 1)) == [((("a", "b"),), [(1.0, 1000)])]
    assert early.read(0, 0) == fixed(early).read(0, 0) == b""
    table.keep(rows)
    with pytest.raises(RuntimeError, match="laid out anew"):
        early.read(0, 1)


def test_rows_that_are_dropped_leave_the_others() -> None:
    table = RecordTable()
    rows = table.add([encode_labels((("i", str(i)),)) for i in range(300)])
    table.keep(rows[[1, 250]])
    assert len(table) == 2
    (again,) = table.add([encode_labels((("i", "new"),))])
    block = table.block(np.array([0, 1, again]), bits_of(np.array([1.0, 2.0, 3.0])), 5)
    assert [(dict(labels)["i"], samples) for labels, samples in read(block.read(0, 3))] == [
        ("1", [(1.0, 5)]), ("250", [(2.0, 5)]), ("new", [(3.0, 5)]),
    ]  # fmt: skip


def test_a_staleness_marker_has_the_bits_that_prometheus_looks_for() -> None:
    assert struct.pack("<Q", 0x7FF0000000000002) in encode_record(record_of((("a", "b"),), None, 1.0))
    assert stale_bits(2).tolist() == [0x7FF0000000000002] * 2
    table = RecordTable()
    rows = table.add([encode_labels((("a", "b"),))])
    (record,) = decode(table.block(rows, stale_bits(1), 1000).read(0, 1))
    assert (record.bits, record.value) == (STALE_BITS, None)


@pytest.mark.parametrize(
    "body", [b"\x0a", b"\x0a\x05abc", b"\x12\x00", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b"x"]
)
def test_what_is_no_request_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(MalformedError):
        decode(body)


@given(st.binary(max_size=60))
def test_no_bytes_make_the_decoder_fail_in_another_way(body: bytes) -> None:
    with suppress(MalformedError):
        decode(body)


def block_of(count: int, size: int = 1, scores_of: str = "") -> FixedBlock:
    table = RecordTable()
    rows = table.add([encode_labels((("i", str(i).rjust(size, "x")),)) for i in range(count)])
    values: Floats = np.arange(count, dtype=np.float64)
    return fixed(table.block(rows, bits_of(values), 1_790_000_000_000, scores_of))


@given(
    st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["", "p", "q"])), max_size=5),
    st.integers(1, 40),
    st.integers(30, 3000),
)
def test_requests_keep_order_and_limits_and_know_their_scores(
    sizes: list[tuple[int, str]], samples: int, nbytes: int
) -> None:
    blocks = [block_of(count, scores_of=query) for count, query in sizes]
    requests = list(pack(blocks, Limits(samples, nbytes)))
    bodies = [decompress(each.body) for each in requests]
    assert b"".join(bodies) == b"".join(block.data for block in blocks)
    assert [each.samples for each in requests] == [len(spans(body)) for body in bodies]
    assert all(0 < each.samples <= samples for each in requests)
    assert all(len(body) <= nbytes or each.samples == 1 for body, each in zip(bodies, requests, strict=True))
    told = [
        (scores.query, decode_record(body[start:end]).value)
        for body, each in zip(bodies, requests, strict=True)
        for scores in each.scores
        for start, end in spans(body)[scores.first : scores.end]
    ]
    assert told == [(query, float(i)) for count, query in sizes if query for i in range(count)]


def test_a_few_records_make_one_request() -> None:
    body = request([record_of((("a", "b"),), 1.5, 2.0), record_of((("c", "d"),), None, 2.0)])
    assert [record.value for record in decode(decompress(body))] == [1.5, None]
