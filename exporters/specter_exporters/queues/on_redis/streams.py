"""Streams: each consumer group is a queue of its own.

Redis counts what a group has not been given yet (`lag`) from counters of entries, which deletions make wrong;
then it says nil, and in some versions a number. So what it says is held against the entries themselves.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from specter_exporters.queues.model import Queue
from specter_exporters.queues.on_redis.model import Key
from specter_exporters.queues.on_redis.session import Known, Reply, Session

SYSTEM = "stream"


class Streams:
    """Reads streams over a session.

    Args:
        session: the connection.
        known: takes replies apart.
        now: unix seconds.
    """

    def __init__(self, session: Session, known: Known, now: float) -> None:
        self._session = session
        self._known = known
        self._now = now

    def read(self, keys: Sequence[Key], dead: Mapping[Key, float | None]) -> list[Queue]:
        """Return the queues: `stream/group`, or the stream's name alone where it has no group.

        Raises:
            redis.RedisError, OSError: the server does not answer.
        """
        if not keys:
            return []
        replies = self._session.ask([("XLEN", key.key) for key in keys])
        lengths = [self._known.value(reply, key.key) for key, reply in zip(keys, replies, strict=True)]
        there = [(key, length) for key, length in zip(keys, lengths, strict=True) if length is not None]
        replies = self._session.ask(
            [c for key, _ in there for c in (("XINFO", "STREAM", key.key), ("XINFO", "GROUPS", key.key))]
        )
        queues: list[Queue] = []
        for (key, length), info, groups in zip(there, replies[::2], replies[1::2], strict=True):
            if _absent(info):
                # A stream that does not exist holds nothing: XLEN has said so.
                queues.append(Queue(SYSTEM, key.name, ready=0, dead_letters=dead.get(key)))
                continue
            stream = _pairs(self._known.value(info))
            listed = [_pairs(each) for each in self._known.value(groups) or []]
            queues += (
                self._groups(key, stream, listed, length, dead.get(key))
                if listed
                else [self._plain(key, stream, length, dead.get(key))]
            )
        return queues

    def _plain(self, key: Key, stream: Mapping[str, Any], length: int, dead: float | None) -> Queue:
        return Queue(
            SYSTEM,
            key.name,
            ready=length,
            dead_letters=dead,
            oldest=_time_of(_first_id(stream.get("first-entry"))),
            totals=_arrived(stream),
        )

    def _groups(
        self,
        key: Key,
        stream: Mapping[str, Any],
        groups: Sequence[Mapping[str, Any]],
        length: int,
        dead: float | None,
    ) -> list[Queue]:
        commands: list[tuple[str | bytes | float, ...]] = []
        for group in groups:
            commands += [
                ("XRANGE", key.key, b"(" + group["last-delivered-id"], "+", "COUNT", 1),
                ("XPENDING", key.key, group["name"], "-", "+", 1),
            ]
        replies = self._session.ask(commands)
        queues = []
        for group, following, pending in zip(groups, replies[::2], replies[1::2], strict=True):
            entries = self._known.value(following)
            first = _first_id(entries[0]) if entries else None
            held = self._known.value(pending)
            name = group["name"].decode("utf-8", "replace")
            queues.append(
                Queue(
                    SYSTEM,
                    f"{key.name}/{name}",
                    ready=_ready(group.get("lag"), entries, length),
                    in_progress=group["pending"],
                    dead_letters=dead,
                    consumers=group["consumers"],
                    oldest=_time_of(first),
                    oldest_taken=self._now - held[0][2] / 1000 if held else None,
                    totals={**_arrived(stream), **_completed(group)},
                )
            )
        return queues


def _ready(lag: int | None, following: Sequence[Any] | None, length: int) -> float | None:
    """Return what a group has not been given yet; None where Redis does not know, or contradicts itself."""
    if following is not None and not following:
        return 0
    if lag is None or lag > length:
        return None
    # Something follows, so that none is no answer.
    return lag if lag > 0 or following is None else None


def _arrived(stream: Mapping[str, Any]) -> dict[Any, float]:
    added = stream.get("entries-added")
    return {} if added is None else {"arrived": added}


def _completed(group: Mapping[str, Any]) -> dict[Any, float]:
    """Return what was given to the group and is not pending: it was acknowledged, or deleted while it was."""
    read = group.get("entries-read")
    return {} if read is None else {"completed": max(0, read - group["pending"])}


def _absent(reply: Reply) -> bool:
    return isinstance(reply, Exception) and "no such key" in str(reply)


def _pairs(reply: Sequence[Any] | None) -> dict[str, Any]:
    flat = reply or []
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def _first_id(entry: Sequence[Any] | None) -> bytes | None:
    return entry[0] if entry else None


def _time_of(entry: bytes | None) -> float | None:
    """Return the time in an entry's identifier, unix seconds; None where there is none, or it was made up."""
    if entry is None:
        return None
    seconds = int(entry.partition(b"-")[0]) / 1000
    return seconds if seconds > 1e9 else None
