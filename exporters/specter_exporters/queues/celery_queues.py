"""Which of RabbitMQ's queues are Celery's own: no worker takes tasks from them.

Workers talk over `celeryev.ID`, `HOST.celery.pidbox` and `ID.reply.celery.pidbox`, where `celery` is the
setting `control_exchange`. With quorum queues, tasks with an `eta` wait in 28 queues `celery_delayed_LEVEL`,
and go from one to the next until they are due.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from specter_exporters.queues.model import Queue

TALK = r"^celeryev\.|\.pidbox$"
"""Names of queues over which workers talk, as a regular expression that RabbitMQ understands too."""
_TALK = re.compile(TALK)
_DELAYED = re.compile(r"((?:.*_)?celery_delayed)_\d{1,2}")


class Found(NamedTuple):
    """A queue, and its place in the broker."""

    vhost: str
    name: str
    queue: Queue


def is_talk(name: str) -> bool:
    """Return whether a queue is one over which workers talk."""
    return _TALK.search(name) is not None


def with_delays(found: Sequence[Found]) -> list[Found]:
    """Return the queues, those in which tasks wait until they are due as one, of scheduled messages."""
    kept: list[Found] = []
    delayed: dict[tuple[str, str], list[Found]] = {}
    for each in found:
        level = _DELAYED.fullmatch(each.name)
        if level is None:
            kept.append(each)
        else:
            delayed.setdefault((each.vhost, level[1]), []).append(each)
    return kept + [_one(vhost, name, levels) for (vhost, name), levels in delayed.items()]


def _one(vhost: str, name: str, levels: Sequence[Found]) -> Found:
    depths = [each.queue.depth for each in levels]
    known = [depth for depth in depths if depth is not None]
    first = levels[0].queue
    label = first.name.rpartition("_")[0]
    scheduled = sum(known) if len(known) == len(depths) else None
    return Found(vhost, name, Queue(first.system, label, scheduled=scheduled))
