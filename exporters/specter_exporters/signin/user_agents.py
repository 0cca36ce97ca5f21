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


def _any(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


# Search engines, previews of links, monitors: wanted by most who run a public site.
_GOOD = _any(
    r"googlebot", r"google-inspectiontool", r"adsbot-google", r"mediapartners-google", r"storebot-google",
    r"bingbot", r"bingpreview", r"duckduckbot", r"yandex(bot|images)", r"baiduspider", r"applebot", r"slurp",
    r"qwantbot", r"seznambot", r"facebookexternalhit", r"facebot", r"twitterbot", r"linkedinbot", r"slackbot",
    r"slack-imgproxy", r"discordbot", r"telegrambot", r"whatsapp/", r"pinterestbot", r"redditbot",
    r"mastodon/", r"uptimerobot", r"pingdom", r"statuscake", r"site24x7", r"betteruptime",
    r"prometheus/", r"blackbox[-_ ]exporter", r"kube-probe/", r"elb-healthchecker", r"googlehc/",
    r"ia_archiver", r"archive\.org_bot", r"feedfetcher", r"feedly",
)  # fmt: skip
# Scanners, remote-controlled browsers, and every other crawler that says so.
_BAD = _any(
    r"sqlmap", r"nikto", r"nmap", r"masscan", r"zgrab", r"nuclei", r"dirbuster", r"gobuster", r"feroxbuster",
    r"wpscan", r"acunetix", r"nessus", r"openvas", r"netsparker", r"hydra", r"burp", r"\bffuf\b", r"wfuzz",
    r"headlesschrome", r"phantomjs", r"slimerjs", r"puppeteer", r"playwright", r"selenium", r"webdriver",
    r"electron-fetch", r"(?<!\bcu)bot(\b|_)", r"crawl", r"spider", r"scrap(er|y)", r"httrack", r"heritrix",
    r"harvest", r"openbullet", r"sentry ?mba",
)  # fmt: skip
_SCRIPT = _any(
    r"^curl/", r"^wget", r"python", r"aiohttp", r"httpx/", r"^go-http-client", r"^java/", r"apache-http",
    r"libwww", r"lwp", r"^ruby", r"faraday", r"^php", r"guzzle", r"^axios/", r"node-fetch", r"^node",
    r"undici", r"^got ", r"postmanruntime", r"insomnia", r"httpie", r"^rest-client", r"powershell",
    r"winhttp", r"^k6/", r"jmeter", r"locust", r"^ab/", r"apachebench", r"^hey/", r"^wrk", r"^vegeta",
    r"^deno/", r"^bun/", r"^reqwest", r"^hyper/", r"^perl", r"^dart/",
)  # fmt: skip
# What an app's own networking sends where the app does not name itself.
_APP = _any(
    r"okhttp/", r"\bcfnetwork/", r"^dalvik/", r"alamofire/", r"\bdarwin/", r"^volley/", r"ktor-client"
)
_BROWSER = re.compile(
    r"^(Mozilla/5\.0|Opera/9)\b.*(Chrome/|CriOS/|Firefox/|FxiOS/|Safari/|Edg|OPR/|Trident/|Presto/|Gecko/)"
)


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
        for pattern, name in _IN_ORDER:
            if pattern.search(text):
                return name
        # A browser says Mozilla, for reasons of history; what does not is a program of some kind.
        return "script"


_IN_ORDER: tuple[tuple[re.Pattern[str], UserAgentClass], ...] = (
    (_GOOD, "bot_good"),
    (_BAD, "bot_bad"),
    (_SCRIPT, "script"),
    (_APP, "mobile_app"),
    (_BROWSER, "browser"),
)
