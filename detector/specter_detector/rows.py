"""Take an answer of the query API apart as it arrives, without an object a sample.

Servers answer with one line of compact JSON in which a row begins with its labels:

    {"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"a":"b"},"values":[[1700000000,"1.5"],[1700000300,"NaN"]]},{"metric":…}]}}

Rows are found by their beginning, `,{"metric":`. It cannot stand inside of a string, where a quote has
a backslash before it. Other JSON (spaces, another order) is read as a whole and written anew in that form.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np
import orjson

from specter_detector.datasource import BrokenError, RefusedError, TooLargeError
from specter_detector.models.arrays import Floats

Kind = Literal["vector", "matrix"]
Take = Callable[[bytes, bytes], None]

BLOCK = 512 * 1024
"""Bytes that are collected before rows are looked for."""
LOOSE_LIMIT = 32 * 2**20
"""Bytes of an answer that has to be read as a whole."""
_RESULT = b'"result":['
_ROW = b',{"metric":'
_KEYS: dict[Kind, bytes] = {"vector": b',"value":[', "matrix": b',"values":['}
_NAMES: dict[Kind, str] = {"vector": "value", "matrix": "values"}
_PUNCTUATION = b'[]}"'


def read_rows(pieces: Iterable[bytes], kind: Kind, take: Take) -> tuple[str, ...]:
    """Call `take` for each row of the answer that arrives in `pieces`.

    Args:
        pieces: of the body.
        kind: what the answer has to be.
        take: called with two pieces of JSON: the labels, and the values without the bracket before them.

    Returns:
        What the server warns of.

    Raises:
        RefusedError: it is not JSON, ends in the middle (`BrokenError`), or is of another kind.
        TooLargeError: it has to be read as a whole, and is too long for that.
    """
    blocks = _blocks(pieces)
    start = next(blocks, b"")
    head, found, rows = start.partition(_RESULT)
    if not found or not rows.startswith((_ROW[1:], b"]")):
        head, found, rows = _compact(start, blocks, kind).partition(_RESULT)
    if f'"resultType":"{kind}"'.encode() not in head:
        raise RefusedError(_not_a(kind))
    key, pending = _KEYS[kind], b"," + rows
    while True:
        _, *whole = pending.split(_ROW)
        for row in whole[:-1]:
            take(*_parts(row, key))
        pending = _ROW + whole[-1] if whole else pending
        block = next(blocks, b"")
        if not block:
            break
        pending += block
    tail = pending[1:]
    if whole:
        labels, values = _parts(whole[-1], key)
        values, end, tail = values.partition(b"]}")
        if not end:
            raise BrokenError("the answer ends in the middle")
        take(labels, values)
    return _warnings(head + found + tail)


def numbers(values: bytes) -> tuple[Floats, Floats]:
    """Return the times (Unix s) and the values of one row of a matrix.

    Raises:
        RefusedError: there is something else than numbers.
    """
    text = values.translate(None, _PUNCTUATION)
    try:
        # A list of one row at a time, four times as quick as np.fromstring, which JSON's lack of NaN and Inf
        # leaves to few rows.
        if b"N" in text or b"I" in text:
            pairs = np.fromstring(text, dtype=np.float64, sep=",")
        else:
            pairs = np.array(orjson.loads(b"[" + text + b"]"), np.float64)
    except ValueError as error:
        raise RefusedError(f"the answer holds something else than numbers: {error}") from error
    if not pairs.size or pairs.size % 2:
        raise RefusedError("the answer holds a time without a value")
    return pairs[0::2], pairs[1::2]


def number(value: bytes) -> float:
    """Return the value of one row of a vector: `1700000000.5,"1.5"`, also NaN and ±Inf.

    Raises:
        RefusedError: it is no number.
    """
    text = value.split(b'"', 2)
    try:
        return float(text[1])
    except (ValueError, IndexError) as error:
        raise RefusedError("the answer holds something else than numbers") from error


def _parts(row: bytes, key: bytes) -> tuple[bytes, bytes]:
    labels, found, values = row.partition(key)
    if not found:
        if b'"histogram' in row:
            raise RefusedError("native histograms have no single value: use histogram_quantile() or the like")
        raise BrokenError("the answer ends in the middle")
    return labels, values


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join small pieces: looking through what has arrived costs a little each time."""
    collected: list[bytes] = []
    size = 0
    for piece in pieces:
        collected.append(piece)
        size += len(piece)
        if size >= BLOCK:
            yield b"".join(collected)
            collected, size = [], 0
    if collected:
        yield b"".join(collected)


def _compact(start: bytes, blocks: Iterator[bytes], kind: Kind) -> bytes:
    read = bytearray(start)
    for block in blocks:
        read += block
        if len(read) > LOOSE_LIMIT:
            raise TooLargeError(f"an answer in another form than servers give is longer than {LOOSE_LIMIT} B")
    document = _json(bytes(read))
    data = document.get("data")
    rows = data.get("result") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(rows, list):
        raise RefusedError("the answer has no data.result")
    name = _NAMES[kind]
    if not all(isinstance(row, dict) and isinstance(row.get("metric"), dict) and name in row for row in rows):
        raise RefusedError(_not_a(kind))
    data["result"] = [{"metric": row["metric"], name: row[name]} for row in rows]
    return orjson.dumps(document)


def _warnings(document: bytes) -> tuple[str, ...]:
    """Return the warnings of an answer whose rows have been taken out."""
    answer = _json(document)
    warnings = answer.get("warnings") or ()
    if answer.get("isPartial"):
        warnings = [*warnings, "the answer is partial"]
    return tuple(str(warning) for warning in warnings)


def _json(text: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if text.startswith(b'{"'):
            raise BrokenError("the answer ends in the middle") from error
        raise RefusedError("the answer is not JSON") from error
    if not isinstance(document, dict):
        raise RefusedError("the answer is not a JSON object")
    return document


def _not_a(kind: Kind) -> str:
    return f"the expression must return a vector; a scalar or a string has no labels (expected a {kind})"
