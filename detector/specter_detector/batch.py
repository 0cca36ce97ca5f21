"""One request to come, and how it is kept on disk.

Layout of an entry, numbers little-endian:
    magic "SPB" + version, flags, crc32 of all that follows it, length of the description, length of the body
    description (JSON: scheduler, tick, samples, scores)
    body (snappy)
"""

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from specter_detector.packing import Scores

HEADER = struct.Struct("<4sBIII")
MAGIC = b"SPB\x01"
LAST = 1
"""Flag of the last entry of a tick."""
_CHECKED_FROM = 9
MAX_LENGTH = 256 << 20


class CorruptEntryError(ValueError):
    """What is there is no whole entry."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's body and what is in it.

    Attributes:
        scheduler: alias of the scheduler whose tick it is of.
        at: Unix time of the tick (s).
        samples: number of records.
        scores: which of them are scores.
        body: compressed.
        last: whether the tick ends with it.
    """

    scheduler: str
    at: float
    samples: int
    scores: tuple[Scores, ...]
    body: bytes
    last: bool

    def entry(self) -> bytes:
        """Return the batch as it is kept on disk."""
        description = json.dumps(
            {
                "scheduler": self.scheduler,
                "at": self.at,
                "samples": self.samples,
                "scores": [[each.query, each.first, each.end] for each in self.scores],
            }
        ).encode()
        lengths = HEADER.pack(MAGIC, 0, 0, len(description), len(self.body))[_CHECKED_FROM:]
        checked = lengths + description + self.body
        flags = LAST if self.last else 0
        crc = zlib.crc32(bytes([flags]) + checked)
        return HEADER.pack(MAGIC, flags, crc, len(description), len(self.body)) + description + self.body


def read_entry(read: Callable[[int], bytes]) -> tuple[Batch, int] | None:
    """Read one entry with `read(length)`; return the batch and the entry's length, None at the end.

    Raises:
        CorruptEntryError: it is cut off or not what was written.
    """
    header = read(HEADER.size)
    if not header:
        return None
    if len(header) < HEADER.size:
        raise CorruptEntryError("cut off")
    magic, flags, crc, description_length, body_length = HEADER.unpack(header)
    if magic != MAGIC:
        raise CorruptEntryError("no entry, or of another version")
    if description_length + body_length > MAX_LENGTH:
        raise CorruptEntryError("damaged")
    content = read(description_length + body_length)
    if len(content) < description_length + body_length:
        raise CorruptEntryError("cut off")
    if zlib.crc32(bytes([flags]) + header[_CHECKED_FROM:] + content) != crc:
        raise CorruptEntryError("damaged")
    told = json.loads(content[:description_length])
    batch = Batch(
        told["scheduler"],
        told["at"],
        told["samples"],
        tuple(Scores(*each) for each in told["scores"]),
        content[description_length:],
        bool(flags & LAST),
    )
    return batch, HEADER.size + len(content)
