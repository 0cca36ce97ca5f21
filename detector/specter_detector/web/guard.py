"""Who may change something: requests that a page of somebody else cannot have made.

Passwords are the server's business (`specter_core.web.secured`). This is what stays when a browser that knows
them, or one on this machine where none are needed, visits a hostile page.
"""

import ipaddress
from hmac import compare_digest
from secrets import token_urlsafe
from urllib.parse import urlsplit

from flask import Request

from specter_detector.web.problems import RequestError

TOKEN_HEADER = "X-Specter-Token"  # noqa: S105  (a header's name)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_SITES = frozenset({"same-origin", "none"})


class Guard:
    """Checks requests before they reach anything.

    Args:
        protected: whether the server asks for credentials. If not, changes are made from this machine only.
    """

    def __init__(self, *, protected: bool) -> None:
        self._protected = protected
        self.token = token_urlsafe(32)
        """What our pages send with a change; a page of another origin cannot read it."""

    def check(self, request: Request) -> None:
        """Let `request` through.

        Raises:
            RequestError: 403, it comes from another site, or from another machine without credentials.
        """
        site = request.headers.get("Sec-Fetch-Site")
        if request.method in SAFE_METHODS:
            # No page of ours needs it, and a replay costs processor time.
            if site == "cross-site" and request.path.startswith("/api/"):
                raise RequestError(403, "another site may not use the API", "Open the detector's own pages.")
            return
        if not self._protected and not _is_loopback(request):
            raise RequestError(
                403,
                "changes are only taken from this machine while no credentials are set",
                "Set basic_auth_users in --web.config.file, or send the request from this machine.",
            )
        origin = request.headers.get("Origin")
        if (origin is not None and not _is_own(origin, request)) or (site or "none") not in OWN_SITES:
            raise RequestError(403, "the request comes from another site", "Open the detector's own pages.")
        browser = origin is not None or site is not None
        token = request.headers.get(TOKEN_HEADER, "")
        if (browser or token) and not compare_digest(token.encode(), self.token.encode()):
            raise RequestError(
                403, "the token of the page is missing or old", "Reload the page: the detector was restarted."
            )


def _is_own(origin: str, request: Request) -> bool:
    """Whether `origin` is the host that was asked; the scheme may be a proxy's."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and parts.netloc.lower() == request.host.lower()


def _is_loopback(request: Request) -> bool:
    """Whether the request comes from this machine and was meant for it."""
    host = urlsplit(f"//{request.host}").hostname or ""
    return _loopback_name(request.remote_addr or "") and _loopback_name(host)


def _loopback_name(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
