"""What stands before a WSGI application: the check of the Host header, and basic authentication."""

import ipaddress
import threading
from base64 import b64decode
from collections.abc import Iterable
from hashlib import blake2b
from secrets import token_bytes
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class HostCheck:
    """WSGI middleware: answer 421 when the Host header names another machine (DNS rebinding)."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        host = environ.get("HTTP_HOST", "localhost")
        name = (
            host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        )
        name = name.strip("[]").lower()
        if name == "localhost" or _is_loopback(name):
            return self._app(environ, start_response)
        start_response("421 Misdirected Request", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"This server listens on loopback and answers only to a loopback Host header.\n"]


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class BasicAuth:
    """WSGI middleware: HTTP basic authentication against bcrypt hashes.

    Verified passwords are remembered as keyed hashes, so that bcrypt (tens of
    milliseconds) is paid once a password and not once a scrape. `exempt` paths
    are open (health checks of an orchestrator carry no credentials).
    """

    def __init__(
        self, app: "WSGIApplication", users: dict[str, str], exempt: frozenset[str] = frozenset()
    ) -> None:
        self._app = app
        self._users = {user: hashed.encode() for user, hashed in users.items()}
        # An unknown user costs the same as a known one, or names could be guessed by timing.
        self._decoy = next(iter(self._users.values()), b"")
        self._exempt = exempt
        self._key = token_bytes(32)
        self._verified: set[bytes] = set()
        self._lock = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        if environ.get("PATH_INFO") in self._exempt or self._allowed(environ.get("HTTP_AUTHORIZATION", "")):
            return self._app(environ, start_response)
        start_response(
            "401 Unauthorized",
            [("WWW-Authenticate", 'Basic realm="specter"'), ("Content-Type", "text/plain; charset=utf-8")],
        )
        return [b"Unauthorized\n"]

    def _allowed(self, header: str) -> bool:
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            credentials = b64decode(encoded, validate=True)
            user, _, password = credentials.decode().partition(":")
        except ValueError:
            return False
        digest = blake2b(credentials, key=self._key).digest()
        with self._lock:
            if digest in self._verified:
                return True
        if not self._verify(user, password):
            return False
        # Right passwords only, so no more than there are users: guesses cannot push a scraper's out.
        with self._lock:
            self._verified.add(digest)
        return True

    def _verify(self, user: str, password: str) -> bool:
        import bcrypt  # noqa: PLC0415  (10 ms that commands without a server need not pay)

        try:
            # bcrypt never looks further than 72 bytes; the package refuses what others cut.
            matches = bcrypt.checkpw(password.encode()[:72], self._users.get(user, self._decoy))
        except ValueError:
            return False
        return matches and user in self._users
