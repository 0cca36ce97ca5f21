"""Sorted sets that grow by what was finished: how many members came since the scrape before.

Their scores are the time of the event, or that time plus how long it is kept: they rise, but for members that
are kept for less long, or not at all. So what is counted is at least so many.
"""

from collections.abc import Iterator, Sequence

from specter_exporters.queues.on_redis.session import Command, Known, Reply, Session


class Growth:
    """Counts the members of sorted sets beyond the highest score that was seen."""

    def __init__(self) -> None:
        # The highest score, as Redis wrote it, and how many had it.
        self._seen: dict[str, tuple[bytes, int]] = {}

    def since(self, session: Session, keys: Sequence[str], known: Known) -> dict[str, float]:
        """Return how many came to each key since the call before; 0 at the first.

        A key that cannot be read is left out.

        Raises:
            redis.RedisError, OSError: the server does not answer.
        """
        tops = session.ask([("ZREVRANGE", key, 0, 0, "WITHSCORES") for key in keys])
        newest: dict[str, bytes | None] = {}
        for key, reply in zip(keys, tops, strict=True):
            pair = known.value(reply)
            if pair is not None:
                newest[key] = pair[1] if pair else None
        there = {key: top for key, top in newest.items() if top is not None}
        replies = iter(session.ask([c for key, top in there.items() for c in self._questions(key, top)]))
        return {key: self._grown(key, top, replies, known) for key, top in newest.items()}

    def _questions(self, key: str, top: bytes) -> list[Command]:
        """Ask how many have the highest score, how many that of before, and how many are between them.

        Each is asked on its own, so that a member that comes meanwhile is counted once, now or next time.
        """
        before = self._seen.get(key)
        if before is None:
            return [("ZCOUNT", key, top, top)]
        score, _ = before
        return [
            ("ZCOUNT", key, top, top),
            ("ZCOUNT", key, score, score),
            ("ZCOUNT", key, b"(" + score, b"(" + top),
        ]

    def _grown(self, key: str, top: bytes | None, replies: Iterator[Reply], known: Known) -> float:
        before = self._seen.get(key)
        if top is None:
            if before is None:
                # What comes first comes after now.
                self._seen[key] = (b"-inf", 0)
            return 0
        at_top = known.value(next(replies)) or 0
        if before is None:
            self._seen[key] = (top, at_top)
            return 0
        score, had = before
        at_score, between = (known.value(next(replies)) or 0 for _ in range(2))
        self._seen[key] = (top, at_top)
        if float(top) <= float(score):
            # The highest one may have been taken out; those that are left were counted.
            return max(0, at_top - had) if top == score else 0
        return between + at_top + max(0, at_score - had)
