"""Who may send events: named tokens."""

import hmac
import re
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes

from specter_core.errors import UsageError
from specter_core.secret_files import read_secret_file

MIN_TOKEN = 16
MAX_TOKEN = 512
MAX_SENDERS = 50
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")


class Senders:
    """Finds the sender of a token in a time that does not tell how close a wrong one was.

    Args:
        tokens: by sender's name; the name becomes a label.
    """

    def __init__(self, tokens: Mapping[str, str]) -> None:
        # Of equal length, and of no use to who reads our memory.
        self._key = token_bytes(32)
        self._digests = {name: self._digest(token) for name, token in tokens.items()}
        self.names = tuple(tokens)

    def _digest(self, token: str) -> bytes:
        return blake2b(token.encode("utf-8", "surrogatepass"), key=self._key).digest()

    def find(self, authorization: str) -> str | None:
        """Return the name of the sender of an `Authorization` header; None when it has no token of ours."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or len(token) > 2 * MAX_TOKEN:
            return None
        digest = self._digest(token.strip())
        found = None
        for name, known in self._digests.items():
            if hmac.compare_digest(known, digest):
                found = name
        return found


def read_tokens(arguments: tuple[str, ...]) -> dict[str, str]:
    """Return the tokens of `NAME=FILE` arguments by name.

    Raises:
        UsageError: an argument is not of that form, or a name or a token appears twice.
        SpecterError: a file cannot be read.
    """
    tokens: dict[str, str] = {}
    for argument in arguments:
        name, equals, file = argument.partition("=")
        if not (equals and file and NAME.fullmatch(name)):
            raise UsageError(
                f"--business.token-file {argument!r}: expected NAME=FILE, a lower-case name and the file "
                "that holds the token, for example shop=/etc/specter/shop.token"
            )
        if name in tokens:
            raise UsageError(f"--business.token-file: there are two tokens of {name}")
        token = read_secret_file(Path(file), what=f"token of {name}")
        if not MIN_TOKEN <= len(token) <= MAX_TOKEN or " " in token or not token.isascii():
            raise UsageError(
                f"token of {name}: {file} must hold {MIN_TOKEN} to {MAX_TOKEN} ASCII characters without a "
                f"space; make one: openssl rand -hex 32 > {file}"
            )
        if token in tokens.values():
            raise UsageError(f"token of {name}: another sender has the same")
        tokens[name] = token
    if len(tokens) > MAX_SENDERS:
        raise UsageError(f"--business.token-file: {len(tokens)} tokens, at most {MAX_SENDERS} are possible")
    return tokens
