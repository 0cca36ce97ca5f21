"""Which sites' pages may send: an allow-list of origins, for the CORS protocol (https://fetch.spec.whatwg.org)."""

import re
from collections.abc import Collection

from specter_exporters.answers import Headers

ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
MAX_AGE_SECONDS = 7200  # what Chromium keeps a preflight's answer at most


def origin_error(origin: str) -> str | None:
    """Return what is wrong with an origin, None if it is as a browser sends it."""
    if ORIGIN.fullmatch(origin) is None:
        return "is no origin: scheme, host and port in lower case without a path, as https://shop.example.org"
    if (origin.startswith("https:") and origin.endswith(":443")) or (
        origin.startswith("http:") and origin.endswith(":80")
    ):
        return "names the port that its scheme has anyway, which browsers leave out"
    return None


class Origins:
    """The origins whose pages may send; no credentials are ever asked for.

    Args:
        allowed: origins as browsers write them, see `origin_error`.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(allowed)

    def allows(self, origin: str) -> bool:
        """Return whether pages of `origin` may send; of none (an empty text) and of `null` they may not."""
        return origin in self._allowed

    def headers(self, origin: str) -> Headers:
        """Return what lets a page of an allowed origin read the answer."""
        return (("Access-Control-Allow-Origin", origin), ("Vary", "Origin")) if self.allows(origin) else VARY

    @staticmethod
    def preflight() -> Headers:
        """Return what else a preflight is answered with."""
        return (
            ("Access-Control-Allow-Methods", "POST"),
            ("Access-Control-Allow-Headers", "Content-Type"),
            ("Access-Control-Max-Age", str(MAX_AGE_SECONDS)),
        )


VARY: Headers = (("Vary", "Origin"),)
