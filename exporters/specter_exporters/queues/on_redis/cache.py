"""The server's memory: what is found, forgotten, and whether it may forget messages."""

from redis.exceptions import ResponseError

from specter_exporters.queues.messages import identity
from specter_exporters.queues.model import Answer, Memory
from specter_exporters.queues.on_redis.session import Session

NO_EVICTION = "noeviction"


class CacheCollector:
    """Reads INFO, of all that it holds the little that concerns queues and caches."""

    name = "cache"

    def collect(self, session: Session) -> Answer:
        """Return the memory of the server.

        Raises:
            redis.RedisError, OSError: the server does not answer, or does not tell.
        """
        parts = session.ask([("INFO", part) for part in ("server", "stats", "memory")])
        for part in parts:
            if isinstance(part, ResponseError):
                raise part
        said = {name: value for part in parts for name, value in _info(part).items()}
        limit = float(said["maxmemory"])
        return Answer(
            memory=Memory(
                hits=float(said["keyspace_hits"]),
                misses=float(said["keyspace_misses"]),
                evictions=float(said["evicted_keys"]),
                used=float(said["used_memory"]),
                limit=limit or None,
                evicts=said["maxmemory_policy"] != NO_EVICTION,
                run=identity(f"{said['run_id']} {said['evicted_keys']}".encode()),
            )
        )


def _info(reply: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in reply.decode("utf-8", "replace").splitlines())
    return {name: value for name, separator, value in pairs if separator}
