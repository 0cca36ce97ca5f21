"""Since when the message that is taken next has been next: a lower bound of its age."""

from specter_exporters.queues.ledger import Ledger, key
from specter_exporters.queues.model import Queue


def first_seen(ledger: Ledger, server: str, queue: Queue, now: float) -> float | None:
    """Return when the queue's head was first seen, unix seconds; None where it has none or it is not told.

    The message has been waiting for longer: it was behind others, and came between two scrapes.
    """
    place = key(server, queue.system, queue.name, "head")
    if queue.head is None:
        for each in (place, key(place, "since")):
            ledger.drop(each)
        return None
    known, since = ledger.get(place, now), ledger.get(key(place, "since"), now)
    if known == queue.head and since is not None:
        # A clock that was set back must not make it younger than it was.
        return min(since, now)
    ledger.put(place, queue.head, now)
    ledger.put(key(place, "since"), now, now)
    return now
