"""Classes of clients by what they say they are: a bounded label out of an unbounded header.

The header is a claim: anybody can send a browser's. So a class says who does not hide, and a wave
of the last four classes says that machines came. It is no proof that the rest are people.
"""

import re
from functools import lru_cache
from typing import Literal, get_args

UserAgentClass = Literal["browser", "mobile_app", "bot_good", "bot_bad", "script", "empty"]
CLASSES: tuple[UserAgentClass, ...] = get_args(UserAgentClass)
MACHINES: tuple[UserAgentClass, ...] = ("bot_good", "bot_bad", "script", "empty")
MAX_LENGTH = 512
CACHED = 2048


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Letters and digits; so `python-requests/2.32` is `python` and `requests` (and a number), in lower case.
# Sets of words, not a regular expression of alternatives: that takes 0.5 ms for a long header, and
# whoever sends another one with each request would be paid that much attention.
_WORD = re.compile(r"[a-z][a-z0-9]*")

# Search engines, previews of links, monitors: wanted by most who run a public site.
_GOOD = _words(
    """
    googlebot inspectiontool adsbot mediapartners storebot bingbot bingpreview duckduckbot yandexbot
    yandeximages baiduspider applebot slurp qwantbot seznambot facebookexternalhit facebot twitterbot
    linkedinbot slackbot imgproxy discordbot telegrambot whatsapp pinterestbot redditbot mastodon
    uptimerobot pingdom statuscake site24x7 betteruptime prometheus blackbox kube healthchecker googlehc
    archiver feedfetcher feedly
    """
)
# Scanners and remote-controlled browsers; and every other crawler that says so, by the ends below.
_BAD = _words(
    """
    sqlmap nikto nmap masscan zgrab nuclei dirbuster gobuster feroxbuster wpscan acunetix nessus openvas
    netsparker hydra burp ffuf wfuzz headlesschrome phantomjs slimerjs puppeteer playwright selenium
    webdriver httrack heritrix openbullet
    """
)
_BAD_ENDS = ("bot", "crawler", "spider", "scraper")
_BAD_STARTS = ("crawl", "spider", "scrap", "harvest")
_INNOCENT = frozenset({"cubot"})  # a maker of telephones
_SCRIPT = _words(
    """
    python aiohttp httpx libwww lwp faraday guzzle guzzlehttp httpclient postmanruntime insomnia httpie
    powershell winhttp jmeter locust apachebench undici
    """
)
# Words that may stand anywhere, but say something as the first one.
_SCRIPT_FIRST = _words(
    """
    curl wget go java ruby rest php axios node got k6 ab hey wrk vegeta deno bun reqwest hyper perl
    """
)
# What an app's own networking sends where the app does not name itself.
_APP = _words("okhttp cfnetwork dalvik alamofire darwin volley ktor dart")
_BROWSER = _words("chrome crios firefox fxios safari edg edge opr trident presto gecko")


class UserAgents:
    """Classify `User-Agent` headers; the answers to the last `CACHED` different ones are remembered.

    Args:
        app: a regular expression, searched for, that says which clients are one's own app.

    Raises:
        re.error: `app` is no regular expression.
    """

    def __init__(self, app: str = "") -> None:
        self._app = re.compile(app) if app else None
        self.classify = lru_cache(CACHED)(self._classify)
        """Return the class of a header (its first `MAX_LENGTH` characters should be given); None is empty."""

    def _classify(self, header: str | None) -> UserAgentClass:
        text = (header or "").strip()[:MAX_LENGTH]
        if not text or text == "-":
            return "empty"
        if self._app is not None and self._app.search(text):
            return "mobile_app"
        text = text.lower()
        words = _WORD.findall(text)
        return _class_of(text, words, frozenset(words))


def _class_of(text: str, words: list[str], known: frozenset[str]) -> UserAgentClass:
    if known & _GOOD:
        return "bot_good"
    if known & _BAD or any(
        word.endswith(_BAD_ENDS) or word.startswith(_BAD_STARTS) for word in known - _INNOCENT
    ):
        return "bot_bad"
    if known & _SCRIPT or (words and words[0] in _SCRIPT_FIRST):
        return "script"
    if known & _APP:
        return "mobile_app"
    if known & _BROWSER and text.startswith(("mozilla/5.0", "opera/9")):
        return "browser"
    # A browser says Mozilla, for reasons of history; what does not is a program of some kind.
    return "script"
