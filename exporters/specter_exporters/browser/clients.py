"""A limit for each client and one for all, in bounded memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from specter_exporters.addresses import client, packed
from specter_exporters.token_bucket import TokenBucket

MAX_CLIENTS = 10_000


class ClientLimits:
    """Say who has to wait.

    A client is an IPv4 address or an IPv6 /64: who has one address of such a network has them all. Those seen
    last are known; beyond `MAX_CLIENTS` of them, the limit for all holds.

    Args:
        of_client: requests a second of one client, twice as many at once, but one at least.
        in_total: of all, likewise.
        monotonic: seconds that never step back.
    """

    def __init__(self, of_client: float, in_total: float, monotonic: Callable[[], float]) -> None:
        self._of_client = of_client
        self._monotonic = monotonic
        self._total = TokenBucket(in_total, monotonic)
        self._clients: OrderedDict[bytes, TokenBucket] = OrderedDict()
        self._lock = threading.Lock()

    def client_wait(self, address: str) -> float:
        """Take one request of a client and return 0, or return the seconds to wait."""
        return self._bucket(address).take(1)

    def total_wait(self) -> float:
        """Take one request of all and return 0, or return the seconds to wait."""
        return self._total.take(1)

    def _bucket(self, address: str) -> TokenBucket:
        key = client(packed(address))
        with self._lock:
            bucket = self._clients.get(key)
            if bucket is None:
                bucket = TokenBucket(self._of_client, self._monotonic)
                self._clients[key] = bucket
                if len(self._clients) > MAX_CLIENTS:
                    self._clients.popitem(last=False)
            else:
                self._clients.move_to_end(key)
        return bucket

    def __len__(self) -> int:
        """Return how many clients are known."""
        return len(self._clients)
