"""Addresses as short keys: packed bytes inside, and what may be shown of them outside.

A key is 4 bytes (IPv4), 16 (IPv6), 3 (an IPv4 /24), 8 (an IPv6 /64) or none at all for what
is no address. An IPv4 address mapped into IPv6 is the IPv4 address.
"""

from collections.abc import Sequence
from functools import partial
from hashlib import blake2b, sha256
from ipaddress import IPv4Address, IPv6Address
from secrets import token_bytes
from socket import AF_INET, AF_INET6, inet_pton

INVALID = b""
INVALID_LABEL = "invalid"
MAX_TEXT = 64  # an IPv6 address with brackets, a zone and a port
_MAPPED = bytes(10) + b"\xff\xff"
_pack_v4 = partial(inet_pton, AF_INET)


def packed(text: str) -> bytes:
    """Return the key of the address `text`; `INVALID` if it is none.

    What proxies write around an address is taken off: blanks, brackets, a port, a zone.
    """
    try:
        return _pack_v4(text)
    except (OSError, ValueError):  # ValueError: a NUL or a character outside ASCII
        return _packed_v6_or_decorated(text[: MAX_TEXT + 1])


def _packed_v6_or_decorated(text: str) -> bytes:
    bare = text.strip().strip('"')
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    bare = bare.partition("%")[0]
    try:
        if ":" not in bare:
            return _pack_v4(bare)
        address = inet_pton(AF_INET6, bare)
    except (OSError, ValueError):
        return INVALID
    return address[12:] if address.startswith(_MAPPED) else address


def prefix(address: bytes) -> bytes:
    """Return the key of the network of `address`: /24 of IPv4, /64 of IPv6."""
    return address[:3] if len(address) == 4 else address[:8]


def client(address: bytes) -> bytes:
    """Return the key of who calls from `address`: who has one address of an IPv6 /64 has them all."""
    return prefix(address) if len(address) == 16 else address


def columns(sources: Sequence[str]) -> tuple[list[bytes], list[bytes]]:
    """Return the keys of `sources` and of their networks, each as long as `sources`."""
    try:
        addresses = list(map(_pack_v4, sources))
    except (OSError, ValueError):
        addresses = list(map(packed, sources))
        return addresses, list(map(prefix, addresses))
    return addresses, [address[:3] for address in addresses]


def address_text(key: bytes) -> str:
    """Return the usual spelling of a key: an address, or a network with its length."""
    match len(key):
        case 3:
            return f"{IPv4Address(key + bytes(1))}/24"
        case 4:
            return str(IPv4Address(key))
        case 8:
            return f"{IPv6Address(key + bytes(8))}/64"
        case 16:
            return str(IPv6Address(key))
        case _:
            return INVALID_LABEL


class AddressLabels:
    """Turn keys into what is shown: a keyed hash, or the address itself where that is wanted.

    The hash is BLAKE2b, 64 bits, keyed (RFC 7693): without the key, trying all four thousand
    million IPv4 addresses finds nothing. The same key gives the same labels in every process.

    Args:
        secret: the key, of any length; a random one by default, so labels change at a restart.
        show: whether addresses are shown in the clear.
    """

    def __init__(self, secret: bytes | None = None, *, show: bool = False) -> None:
        self._key = token_bytes(32) if secret is None else sha256(secret).digest()
        self._show = show

    def label(self, key: bytes) -> str:
        """Return the label of an address or a network."""
        if self._show or key == INVALID:
            return address_text(key)
        return blake2b(key, key=self._key, digest_size=8).hexdigest()
