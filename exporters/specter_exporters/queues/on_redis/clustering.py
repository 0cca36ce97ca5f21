"""Whether a server holds all keys, or is one node of a Redis Cluster, whose other nodes are not asked."""

import re

from redis.exceptions import ResponseError

from specter_exporters.queues.model import Problem
from specter_exporters.queues.on_redis.session import Session, refusal

_ENABLED = re.compile(rb"^cluster_enabled:1\r?$", re.MULTILINE)
_SIZE = re.compile(rb"^cluster_size:(\d+)\r?$", re.MULTILINE)


def cluster_problem(session: Session) -> Problem | None:
    """Return why some keys may be elsewhere; None where all are here, or the server does not say.

    Raises:
        redis.RedisError, OSError: the server does not answer.
    """
    [mode] = session.ask([("INFO", "cluster")])
    if not isinstance(mode, bytes) or not _ENABLED.search(mode):
        return None
    [state] = session.ask([("CLUSTER", "INFO")])
    if isinstance(state, ResponseError):
        return refusal(state)
    size = _SIZE.search(state)
    if size is not None and int(size[1]) == 1:
        return None
    nodes = "an unknown number of" if size is None else size[1].decode()
    return Problem(
        "other", f"it is a node of a Redis Cluster of {nodes} nodes: keys on other nodes are not known"
    )
