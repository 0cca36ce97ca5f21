"""Users as keyed hashes: who has not the key learns no identity from memory, files or metrics."""

from hashlib import blake2b

HASH_BITS = 64


class Pseudonyms:
    """Turns identifiers into 64-bit numbers, uniform and always the same under one key."""

    def __init__(self, key: bytes) -> None:
        if not 16 <= len(key) <= blake2b.MAX_KEY_SIZE:
            raise ValueError(f"a key of 16 to {blake2b.MAX_KEY_SIZE} bytes is needed, not {len(key)}")
        self._keyed = blake2b(key=key, digest_size=HASH_BITS // 8)

    def of(self, identifier: str) -> int:
        """Return the number of `identifier`."""
        one = self._keyed.copy()
        # Lone surrogates are no UTF-8, and come out of JSON all the same.
        one.update(identifier.encode("utf-8", "surrogatepass"))
        return int.from_bytes(one.digest(), "little")

    @property
    def fingerprint(self) -> str:
        """What tells two keys apart without saying anything of them."""
        one = self._keyed.copy()
        one.update(b"\0fingerprint of the key\0")
        return one.hexdigest()
