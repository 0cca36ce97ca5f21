"""Answers of the query API, taken apart as they arrive."""

import json
import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specter_detector import rows
from specter_detector.datasource import RefusedError, TooLargeError
from specter_detector.identity import Identities
from specter_detector.rows import Kind, number, numbers, read_rows
from specter_detector.selection import Selection
from specter_detector.series import Labels, labels_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TRICKY = st.sampled_from(
    [
        '},{"metric":{',
        ',"value":[',
        ',"values":[',
        '"]},{"metric":{"a":"b"},"value":[1,"2"]}',
        '\\"',
        "\\",
        "]}",
        '"result":[',
        "for",
        "NaN",
        "İßẞ\u202e\u0000\U0001f600",
    ]
)
LABELS = st.dictionaries(TEXT | TRICKY, TEXT | TRICKY, max_size=4)
VALUES = st.floats() | st.integers(-(10**30), 10**30).map(float)


def written(value: float) -> str:
    """Write a value as Go does in JSON."""
    return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN" if math.isnan(value) else f"{value:.17g}")


def answer(kind: Kind, result: list[dict[str, object]], **more: object) -> bytes:
    document = {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def cut_up(body: bytes, size: int) -> Iterator[bytes]:
    return (body[start : start + size] for start in range(0, len(body), size))


def rows_of(body: bytes, kind: Kind, size: int = 1 << 20) -> list[tuple[Labels, bytes]]:
    taken: list[tuple[Labels, bytes]] = []
    identities = Identities()

    def take(text: bytes, value: bytes) -> None:
        labels = identities.find(text)
        assert labels is not None
        taken.append((labels, value))

    read_rows(cut_up(body, size), kind, take)
    return taken


@given(st.lists(st.tuples(LABELS, VALUES), max_size=6), st.integers(1, 200), st.booleans())
def test_a_vector_is_read_whatever_its_labels_and_however_it_is_cut(
    series: list[tuple[dict[str, str], float]], size: int, spaces: bool
) -> None:
    result: list[dict[str, object]] = [
        {"metric": labels, "value": [1700000000.5, written(value)]} for labels, value in series
    ]
    body = answer("vector", result, warnings=["w"])
    if spaces:
        body = json.dumps(json.loads(body)).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "BLOCK", size)
        read = [(labels, number(value)) for labels, value in rows_of(body, "vector", size)]
    assert [labels for labels, _ in read] == [labels_of(labels) for labels, _ in series]
    np.testing.assert_array_equal([value for _, value in read], [value for _, value in series])


@given(st.lists(st.tuples(LABELS, st.lists(VALUES, min_size=1, max_size=5)), max_size=4), st.integers(1, 300))
def test_a_matrix_is_read_to_the_last_bit(
    series: list[tuple[dict[str, str], list[float]]], size: int
) -> None:
    result: list[dict[str, object]] = [
        {"metric": labels, "values": [[1700000000 + 15.25 * i, written(v)] for i, v in enumerate(values)]}
        for labels, values in series
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "BLOCK", size)
        read = rows_of(answer("matrix", result), "matrix", size)
    assert [labels for labels, _ in read] == [labels_of(labels) for labels, _ in series]
    for (_, text), (_, values) in zip(read, series, strict=True):
        stamps, found = numbers(text)
        np.testing.assert_array_equal(stamps, 1700000000 + 15.25 * np.arange(len(values)))
        np.testing.assert_array_equal(found, values)


@given(st.integers(0, 10_000), st.sampled_from(["vector", "matrix"]))
def test_an_answer_that_ends_in_the_middle_is_never_taken_for_a_whole_one(at: int, kind: Kind) -> None:
    rows_in = [{"metric": {"a": str(i)}, "value": [1, "2"], "values": [[1, "2"], [2, "3"]]} for i in range(5)]
    name = "value" if kind == "vector" else "values"
    body = answer(kind, [{"metric": row["metric"], name: row[name]} for row in rows_in])
    with pytest.raises(RefusedError, match=r"ends in the middle|not JSON"):
        rows_of(body[: at % len(body)], kind)


def test_what_is_no_vector_is_refused_with_the_reason() -> None:
    cases: dict[bytes, str] = {
        b'{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}': "scalar or a string",
        answer("matrix", [{"metric": {}, "values": [[1, "2"]]}]): "must return a vector",
        answer("vector", [{"metric": {}, "histogram": [1, {"count": "1"}]}]): "histogram_quantile",
        b"<html>log in</html>": "not JSON",
        b"[1]": "not a JSON object",
        b'{"status":"success"}': r"no data\.result",
        b"": "not JSON",
        answer("vector", [{"metric": {}, "value": [1, "one"]}]): "something else than numbers",
    }
    for body, message in cases.items():
        with pytest.raises(RefusedError, match=message):
            [number(value) for _, value in rows_of(body, "vector")]


def test_an_answer_in_a_form_that_must_be_read_as_a_whole_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LOOSE_LIMIT", 1000)
    monkeypatch.setattr(rows, "BLOCK", 100)
    body = json.dumps(json.loads(answer("vector", [{"metric": {}, "value": [1, "2"]}] * 50))).encode()
    with pytest.raises(TooLargeError):
        rows_of(body, "vector", 100)


def test_warnings_and_partial_answers_are_told() -> None:
    row: dict[str, object] = {"metric": {}, "value": [1, "2"]}
    body = answer("vector", [row], warnings=["one store is away"], isPartial=True)
    warnings = read_rows([body], "vector", lambda _labels, _value: None)
    assert warnings == ("one store is away", "the answer is partial")


def test_labels_that_are_not_utf8_still_name_their_series() -> None:
    body = answer("vector", [{"metric": {"a": "x", "empty": ""}, "value": [1, "2"]}]).replace(
        b'"x"', b'"\xff"'
    )
    assert rows_of(body, "vector") == [((("a", "\ufffd"),), b'1,"2"')]


def test_labels_stay_the_same_object_while_they_are_kept() -> None:
    identities = Identities()
    labels = identities.find(b'{"b":"2","a":"1"}')
    assert labels == (("a", "1"), ("b", "2"))
    identities.keep([(b'{"b":"2","a":"1"}', labels)])
    assert identities.find(b'{"b":"2","a":"1"}') is labels
    identities.keep([])
    assert len(identities) == 0


@given(
    st.lists(st.integers(0, 60), max_size=80), st.sets(st.integers(0, 60), max_size=10), st.integers(1, 20)
)
def test_a_selection_keeps_the_known_first_and_the_same_in_any_order(
    offered: list[int], known: set[int], limit: int
) -> None:
    def named(n: int) -> Labels:
        return (("n", f"{n:03}"),)

    first = {named(n) for n in known}
    selection = Selection[int](first, limit)
    for n in offered:
        if selection.wants(named(n)):
            selection.put(named(n), n)
        assert len(selection) <= limit * 1.25 + 1
    ordered = sorted(set(offered), key=lambda n: (n not in known, n))
    assert set(selection.rows().values()) == set(ordered[:limit])
    assert selection.cut == max(len(ordered) - limit, 0)
