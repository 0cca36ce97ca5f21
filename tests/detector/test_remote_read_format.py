"""Remote read: its bytes against the protobuf library, and raw samples on a grid."""

import math
import struct
from typing import Any

import cramjam
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_detector.datasource import TooLargeError
from specter_detector.promql import Matcher
from specter_detector.raw_source import external_labels
from specter_detector.remote_read import LayoutError, decode_series, decompress, encode_query
from specter_detector.resample import resample
from specter_detector.series import labels_of
from tests.detector.protobuf_classes import read_messages

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
SAMPLES = st.lists(
    st.tuples(st.sampled_from([0.0, 1.5, math.inf, math.nan]) | st.floats(), st.integers(2**35, 2**42 - 1))
)


@pytest.fixture(scope="module")
def messages() -> dict[str, Any]:
    return read_messages()


def encoded(messages: dict[str, Any], series: list[tuple[dict[str, str], list[tuple[float, int]]]]) -> bytes:
    response = messages["ReadResponse"]()
    result = response.results.add()
    for labels, samples in series:
        added = result.timeseries.add()
        for name, value in labels.items():
            added.labels.add(name=name, value=value)
        for number, stamp in samples:
            added.samples.add(value=number, timestamp=stamp)
    return bytes(response.SerializeToString())


@given(st.lists(st.tuples(st.dictionaries(TEXT, TEXT, max_size=3), SAMPLES), max_size=4))
def test_responses_decode_to_what_the_protobuf_library_encoded(
    messages: dict[str, Any], series: list[tuple[dict[str, str], list[tuple[float, int]]]]
) -> None:
    decoded = list(decode_series(encoded(messages, series)))
    assert [labels for labels, _, _ in decoded] == [labels_of(labels) for labels, _ in series]
    for (_, stamps, values), (_, samples) in zip(decoded, series, strict=True):
        assert stamps.tolist() == [stamp for _, stamp in samples]
        # A zero's sign goes the way of the value that is left out, in some encoders.
        np.testing.assert_array_equal(values, [value for value, _ in samples])


def test_a_staleness_marker_keeps_its_bits(messages: dict[str, Any]) -> None:
    marker = struct.pack("<Q", 0x7FF0000000000002)
    plain = encoded(messages, [({"a": "b"}, [(1.0, 1_700_000_000_000)])])
    ((_, _, values),) = decode_series(plain.replace(struct.pack("<d", 1.0), marker))
    assert values.tobytes() == marker


def test_other_layouts_and_broken_answers_are_said_to_be_such(messages: dict[str, Any]) -> None:
    whole = encoded(messages, [({"a": "b"}, [(1.0, 1_700_000_000_000), (0.0, 1_700_000_015_000)])])
    early = encoded(messages, [({"a": "b"}, [(1.0, 5)])])
    for body in (whole[:-1], whole[:10], early, b"\x12" + whole[1:]):
        with pytest.raises(LayoutError):
            list(decode_series(body))
    with pytest.raises(LayoutError, match="snappy"):
        decompress(b"\x05no", 1000)
    packed = bytes(cramjam.snappy.compress_raw(b"x" * 5000))
    assert decompress(packed, 5000) == b"x" * 5000
    with pytest.raises(TooLargeError):
        decompress(packed, 4999)


def test_a_request_says_what_the_selector_says(messages: dict[str, Any]) -> None:
    matchers = [Matcher("__name__", "=", "up"), Matcher("é", "!=", "x"), Matcher("b", "=~", "a|b"),
                Matcher("c", "!~", "")]  # fmt: skip
    body = bytes(cramjam.snappy.decompress_raw(encode_query(matchers, -5, 1_700_000_000_000)))
    (query,) = messages["ReadRequest"].FromString(body).queries
    assert (query.start_timestamp_ms, query.end_timestamp_ms) == (-5, 1_700_000_000_000)
    found = [(each.type, each.name, each.value) for each in query.matchers]
    assert found == [(0, "__name__", "up"), (1, "é", "x"), (2, "b", "a|b"), (3, "c", "")]


@given(
    st.lists(st.tuples(st.integers(0, 2000), st.sampled_from([1.0, 2.0, math.nan, STALE])), max_size=30),
    st.integers(1, 400),
    st.booleans(),
)
def test_a_grid_holds_what_an_instant_query_at_each_point_would_say(
    samples: list[tuple[int, float]], back: int, closed: bool
) -> None:
    by_time = dict(samples)
    stamps = np.array(sorted(by_time), np.int64)
    values = np.array([by_time[at] for at in sorted(by_time)], np.float64)
    grid = np.arange(0, 2001, 100)
    resampled, there = resample(stamps, values, grid, back, closed=closed)
    stale = values.view(np.uint64) == 0x7FF0000000000002
    seen = False
    for at, found in zip(grid.tolist(), resampled.tolist(), strict=True):
        reach = [k for k, t in enumerate(stamps.tolist()) if t <= at and at - t < back + closed]
        newest = reach[-1] if reach else None
        seen |= newest is not None and not stale[newest]
        expected = math.nan if newest is None or stale[newest] else values[newest]
        np.testing.assert_equal(found, expected)
    assert there == seen


def test_external_labels_are_found_in_a_servers_configuration() -> None:
    text = (
        "global:\n  scrape_interval: 15s\n  external_labels:\n    region: eu\n    replica: '1'\nrules: [a]\n"
    )
    assert external_labels(text) == {"region": "eu", "replica": "1"}
    assert external_labels("global:\n  scrape_interval: 15s\n") == {}
    assert external_labels("scrape_configs: []\n") == {}
