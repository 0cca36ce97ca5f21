"""HTTP sessions for the data source and the remote-write server."""

import base64
import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_detector.config import Connection

USER_AGENT = "specter-detector"
CONNECT_TIMEOUT = 3.0


class OneServerSession(requests.Session):
    """A session that never follows a redirect: what it sends is meant for one server alone."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002
        """Return None: a redirect is an answer like any other, which is no success."""
        return None


class FileAuth(AuthBase):
    """Secrets from files, read at each request, so that a rotated one is picked up."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the headers."""
        connection = self._connection
        for name, file in connection.headers_files.items():
            request.headers[name] = _ascii(file, what=f"headers_files.{name}")
        if connection.bearer_token_file is not None:
            token = _ascii(connection.bearer_token_file, what="bearer_token_file")
            request.headers["Authorization"] = f"Bearer {token}"
        elif connection.password_file is not None:
            password = read_secret_file(connection.password_file, what="password_file")
            pair = base64.b64encode(f"{connection.username}:{password}".encode()).decode()
            request.headers["Authorization"] = f"Basic {pair}"
        return request


def _ascii(file: Path, *, what: str) -> str:
    secret = read_secret_file(file, what=what)
    if not secret.isascii():
        raise SpecterError(f"{what}: {file} is not ASCII")
    return secret.strip()


def open_session(connection: Connection) -> requests.Session:
    """Return a session that logs in, checks certificates, and asks for uncompressed answers.

    Decompressing a large answer takes longer than receiving it from a near server.
    """
    session = OneServerSession()
    session.headers["User-Agent"] = USER_AGENT
    session.headers["Accept-Encoding"] = "identity"
    if connection.tenant_id is not None:
        session.headers["X-Scope-OrgID"] = connection.tenant_id
    session.headers.update(connection.headers)
    if connection.cert_file is not None and connection.key_file is not None:
        session.cert = (str(connection.cert_file), str(connection.key_file))
    if connection.ca_file is not None:
        session.verify = str(connection.ca_file)
    if _is_loopback(connection.url):
        # HTTP_PROXY without NO_PROXY would send what is meant for this machine away from it.
        session.trust_env = False
    # Always set: requests would otherwise look for credentials in ~/.netrc.
    session.auth = FileAuth(connection)
    return session


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def timeouts(seconds: float) -> tuple[float, float]:
    """Return (connect, read) time-outs; a server that is there accepts quickly."""
    return min(CONNECT_TIMEOUT, seconds), seconds
