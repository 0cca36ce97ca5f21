"""Put blocks of records together to compressed bodies of requests."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import cramjam
import numpy as np

from specter_detector.encoding import Block
from specter_detector.protobuf import Record, encode_record


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold: samples, and bytes before compression."""

    samples: int = 5_000
    nbytes: int = 4 << 20


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Scores:
    """Which records of a request, from `first` to before `end`, are scores of `query`."""

    query: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Packed:
    """One request: its body, compressed, and what is in it."""

    body: bytes
    samples: int
    scores: tuple[Scores, ...]


@dataclass(slots=True)
class _Open:
    """A request that is being filled."""

    pieces: list[bytes] = field(default_factory=list)
    samples: int = 0
    nbytes: int = 0
    scores: list[Scores] = field(default_factory=list)

    def add(self, block: Block, first: int, end: int) -> None:
        piece = block.read(first, end)
        self.pieces.append(piece)
        if block.scores_of:
            self.scores.append(Scores(block.scores_of, self.samples, self.samples + end - first))
        self.samples += end - first
        self.nbytes += len(piece)

    def packed(self) -> Packed:
        return Packed(compress(self.pieces), self.samples, tuple(self.scores))


def pack(blocks: Iterable[Block], limits: Limits) -> Iterator[Packed]:
    """Yield requests with the records of `blocks` in their order, as large as `limits` allow.

    A record that is larger than a request may be is alone in one: what to do with it is the server's choice.
    """
    request = _Open()
    for block in blocks:
        first = 0
        while first < len(block):
            end = _last_that_fits(block, first, request, limits)
            if end == first:
                yield request.packed()
                request = _Open()
                continue
            request.add(block, first, end)
            first = end
    if request.samples:
        yield request.packed()


def request(records: Iterable[Record]) -> bytes:
    """Return the compressed body of one request with a few `records`, made one by one."""
    return compress([encode_record(record) for record in records])


def compress(pieces: Sequence[bytes | memoryview]) -> bytes:
    """Return `pieces`, one after the other, as one snappy block."""
    return bytes(cramjam.snappy.compress_raw(pieces[0] if len(pieces) == 1 else b"".join(pieces)))


def decompress(body: bytes) -> bytes:
    """Undo `compress`."""
    return bytes(cramjam.snappy.decompress_raw(body))


def _last_that_fits(block: Block, first: int, request: _Open, limits: Limits) -> int:
    """Return the record before which `request` is full; `first` if nothing more fits."""
    start = int(block.ends[first - 1]) if first else 0
    by_bytes = int(np.searchsorted(block.ends, start + limits.nbytes - request.nbytes, side="right"))
    end = min(first + limits.samples - request.samples, by_bytes, len(block))
    return max(end, first if request.samples else first + 1)
