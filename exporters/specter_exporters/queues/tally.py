"""Counters of a queue: the broker's where it has them, else what differences of depth prove."""

from collections.abc import Mapping

from specter_exporters.queues.ledger import Ledger, key
from specter_exporters.queues.model import Counter, Queue

COUNTERS: tuple[Counter, ...] = ("arrived", "completed", "failed", "retried")


def tally(
    ledger: Ledger, server: str, queue: Queue, now: float, *, kept: bool = True
) -> Mapping[Counter, float]:
    """Return the queue's counters, and remember what the next scrape compares with.

    Where nobody counts what is finished, what the depth fell by since the scrape before was finished, or
    taken away: at least so many. Where nobody counts what arrives, what is left unexplained by the depth
    and by what was finished has arrived: again at least so many.

    Args:
        ledger: what was counted.
        server: that has the queue.
        queue: as it is now.
        now: unix seconds.
        kept: whether the server has kept what it had at the scrape before. One that was started anew or
            deletes keys has lost messages, which nobody finished.
    """
    name = (server, queue.system, queue.name)
    if not kept:
        ledger.drop(key(*name, "depth"))
    counted: dict[Counter, float] = {}
    grown: dict[Counter, float] = {}
    for counter in COUNTERS:
        place = key(*name, counter)
        before = ledger.get(place, now)
        if counter in queue.totals:
            counted[counter] = ledger.follow(place, queue.totals[counter], now, queue.epochs.get(counter, ""))
            grown[counter] = 0.0 if before is None else counted[counter] - before
        elif counter in queue.more or before is not None:
            grown[counter] = queue.more.get(counter, 0.0)
            counted[counter] = ledger.add(place, grown[counter], now)
    change = _change(ledger, key(*name, "depth"), queue.depth, now)
    if change is None:
        return counted
    told = {*queue.totals, *queue.more}
    # Whoever has told of failures once will tell of completions: what the depth proves would count twice.
    if "completed" not in told and "failed" not in counted:
        grown["completed"] = max(0.0, -change)
        counted["completed"] = ledger.add(key(*name, "completed"), grown["completed"], now)
    if "arrived" not in told:
        finished = grown.get("completed", 0.0) + grown.get("failed", 0.0)
        counted["arrived"] = ledger.add(key(*name, "arrived"), max(0.0, change + finished), now)
    return counted


def _change(ledger: Ledger, place: str, depth: float | None, now: float) -> float | None:
    """Return by how much the depth changed; 0 at first sight, None where it is not known."""
    if depth is None:
        # What comes and goes until it is known again cannot be told apart.
        ledger.drop(place)
        return None
    before = ledger.get(place, now)
    if before != depth:
        ledger.put(place, depth, now)
    return 0.0 if before is None else depth - before
