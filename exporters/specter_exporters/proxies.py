"""Who the client is behind proxies: `X-Forwarded-For`, believed only as far as it was written by our own."""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import TYPE_CHECKING

from specter_core.errors import SpecterError
from specter_exporters.addresses import INVALID, packed

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MAX_HOPS = 20
UNIX = "unix:"  # as nginx writes it


class ProxyError(SpecterError):
    """A trusted proxy is neither an address, a network, nor `unix:`."""

    exit_code = 2


def valid_network(text: str) -> str:
    """Return `text`, for a schema's field.

    Raises:
        ValueError: it is neither an address nor a network.
    """
    try:
        TrustedProxies([text])
    except ProxyError:
        raise ValueError("is neither an address, a network such as 10.0.0.0/8, nor unix:") from None
    return text


class TrustedProxies:
    """Find the client of a request among the addresses that proxies wrote down.

    Each proxy appends the address that it was called from, so the list is read from its right end:
    entries are skipped while they are trusted proxies, and the first other one is the client. What
    stands left of it is the client's own invention. Without trusted proxies the header is not read.

    Args:
        networks: addresses and networks (`10.0.0.0/8`) of the proxies; `unix:` for one that calls through a
            Unix socket, and so has no address.

    Raises:
        ProxyError: one of them is neither.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: list[tuple[int, int, int]] = []  # bytes of an address, mask, network
        given = set(networks)
        self._unix = UNIX in given
        for text in given - {UNIX}:
            try:
                network = ip_network(text, strict=False)
            except ValueError as error:
                raise ProxyError(f"trusted_proxies: {text!r} is no address and no network: {error}") from None
            size = network.max_prefixlen // 8
            self._networks.append((size, int(network.netmask), int(network.network_address)))

    def client(self, peer: str, forwarded_for: str = "") -> str:
        """Return the client's address.

        Args:
            peer: the address that the connection came from; empty for a Unix socket.
            forwarded_for: the values of every `X-Forwarded-For` header, joined with commas.
        """
        if not forwarded_for or not self._trusted(peer):
            return peer
        client = peer
        for hop in reversed(forwarded_for.rsplit(",", MAX_HOPS)[-MAX_HOPS:]):
            # Garbage that a trusted proxy passed on: the proxy is the last that is known.
            if packed(hop) == INVALID:
                return client
            client = hop.strip()
            if not self._trusted(client):
                return client
        return client

    def client_of(self, environ: "WSGIEnvironment") -> str:
        """Return the client's address of a WSGI request."""
        return self.client(environ.get("REMOTE_ADDR") or "", environ.get("HTTP_X_FORWARDED_FOR", ""))

    def _trusted(self, text: str) -> bool:
        if not text:
            return self._unix
        address = packed(text)
        value = int.from_bytes(address, "big")
        return any(size == len(address) and value & mask == network for size, mask, network in self._networks)
