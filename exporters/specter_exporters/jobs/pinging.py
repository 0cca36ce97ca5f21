"""The ping endpoint, as that of healthchecks.io (https://healthchecks.io/docs/http_api/).

Requests that a person's link preview or a browser's prefetch makes are answered and not counted: a link in
a chat is no run of a job.
"""

import hmac
import logging
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter

from specter_core import metrics
from specter_core.clock import Clock
from specter_exporters import bodies
from specter_exporters.answers import Answer
from specter_exporters.bodies import BodyBrokenError, BodyTooLargeError, BodyTypeError
from specter_exporters.browser.clients import ClientLimits
from specter_exporters.jobs.book import Book, Entry, FullError
from specter_exporters.jobs.config import JobsConfig
from specter_exporters.jobs.described import Said
from specter_exporters.jobs.model import Event, EventKind
from specter_exporters.jobs.store import StoreError
from specter_exporters.jobs.texts import RefusedError, limited, text
from specter_exporters.logs.secrets import mask_secrets
from specter_exporters.run.pings import JOB_NAME
from specter_exporters.token_bucket import TokenBucket

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LOGGER = logging.getLogger(__name__)
MOST_OUTPUT = 10_000
"""Bytes of a run's output that are kept: its end, which says why it failed."""
MARGIN = 2_000
"""Bytes more are masked, so that a secret that the cut would halve is seen whole."""
MAX_BODY_BYTES = 1024 * 1024
MOST_ATTEMPTS = 1_000_000
PREFIX = "/ping/"
METHODS = ("GET", "HEAD", "POST")
ACTIONS: dict[str, EventKind] = {"": "success", "start": "start", "fail": "failed", "log": "log"}
RESULTS = (
    "counted", "repeated", "preview", "not_found", "invalid", "too_large", "rate_limited", "full", "store"
)  # fmt: skip
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_STATUS = re.compile(r"[0-9]{1,3}")
_UNIX_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
# What services and messengers call themselves when they fetch a link that somebody has written.
_PREVIEWERS = re.compile(
    r"slackbot|slack-imgproxy|facebookexternalhit|facebot|twitterbot|discordbot|telegrambot|whatsapp"
    r"|linkedinbot|skypeuripreview|microsoftpreview|teamsbot|mattermost|rocket\.chat|zulip|google-read-aloud"
    r"|googlebot|google-pagerenderer|bingbot|bingpreview|yandexbot|duckduckbot|applebot|pinterestbot"
    r"|redditbot|embedly|iframely|viber|line-poker|snapchat|vkshare|notionbot|trellobot|bitlybot"
    r"|safelinks|barracuda|proofpoint|mimecast",
    re.IGNORECASE,
)
_PREFETCHING = ("HTTP_PURPOSE", "HTTP_SEC_PURPOSE", "HTTP_X_PURPOSE", "HTTP_X_MOZ")


@dataclass(frozen=True, slots=True)
class _Target:
    entry: Entry
    made: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """What the path of a ping says: the UUID of a job, or the ping key and its name; and what happened."""

    secret: str
    slug: str | None
    action: str


class Pinging:
    """Takes pings.

    Args:
        book: whom they are told.
        config: the ping key, and the limits.
        clock: monotonic time for the limits.
        registry: where requests are counted.
    """

    def __init__(self, book: Book, config: JobsConfig, clock: Clock, registry: CollectorRegistry) -> None:
        self._book = book
        self._config = config
        self._monotonic = clock.monotonic
        limits = config.limits
        self._failures = ClientLimits(limits.failures_of_client, limits.requests, clock.monotonic)
        self._all = TokenBucket(limits.requests, clock.monotonic)
        self._of_jobs: dict[int, TokenBucket] = {}
        self._counter = Counter(
            metrics.JOB_PINGS.name, metrics.JOB_PINGS.help, metrics.JOB_PINGS.labels, registry=registry
        )
        self._counts = {result: self._counter.labels(result) for result in RESULTS}

    def answer(self, environ: "WSGIEnvironment") -> Answer:
        """Serve a request whose path begins with `PREFIX`."""
        if environ["REQUEST_METHOD"] not in METHODS:
            return text(405, "method not allowed", ("Allow", ", ".join(METHODS)))
        try:
            result, status, said = self._ping(environ.get("PATH_INFO", "").removeprefix(PREFIX), environ)
        except RefusedError as error:
            self._counts[error.reason].inc()
            return error.answer()
        except StoreError:
            self._counts["store"].inc()
            return text(503, "not kept, try again", ("Retry-After", "5"))
        self._counts[result].inc()
        return text(status, said, ("Ping-Body-Limit", str(MOST_OUTPUT)))

    def _ping(self, path: str, environ: "WSGIEnvironment") -> tuple[str, int, str]:
        """Take a ping; return what became of it, and the status and the text that answer it."""
        query = _query(environ.get("QUERY_STRING", ""))
        previews = _previews(environ)
        at = _happened(environ)
        place = _place(path)
        # First: what is refused makes no job.
        event = _event(place.action, query, at)
        target = self._target(place, environ, at, make=query.get("create") == ["1"] and not previews)
        if previews:
            return "preview", 200, "OK (not counted)"
        limited(self._of_job(target.entry).take(1))
        # Last: what finds no job, or comes too often of one, takes nothing away from the others.
        limited(self._all.take(1))
        output, size = _output(environ)
        if environ["REQUEST_METHOD"] == "POST" and size is not None:
            event = replace(event, output_bytes=size)
        if not self._book.tell(target.entry, event, output):
            return "repeated", 200, "OK (counted before)"
        return ("counted", 201, "Created") if target.made else ("counted", 200, "OK")

    def _target(self, place: _Place, environ: "WSGIEnvironment", at: float, *, make: bool) -> _Target:
        if place.slug is None:
            entry, made = self._book.by_uuid(place.secret.lower()), False
        else:
            entry, made = self._by_slug(place.secret, place.slug, _said(environ), at, make=make)
        if entry is None:
            # Whoever guesses is slowed down; a job that is known is not, whatever its neighbours do.
            limited(self._failures.client_wait(self._config.proxies.client_of(environ)))
            raise RefusedError("not_found", 404, "not found")
        return _Target(entry, made)

    def _by_slug(
        self, key: str, slug: str, said: Said, at: float, *, make: bool
    ) -> tuple[Entry | None, bool]:
        known = self._config.ping_key
        if known is None or not hmac.compare_digest(known.encode(), key.encode("utf-8", "replace")):
            return None, False
        entry = self._book.by_name(slug)
        try:
            if entry is not None:
                self._book.describe(entry, said, at)
            if entry is not None or not make or not JOB_NAME.fullmatch(slug):
                return entry, False
            if slug == known:  # its name would be in metrics
                raise RefusedError(
                    "invalid", 400, "the ping key is there twice, and the job's name is missing"
                )
            return self._book.make(slug, said), True
        except FullError:
            raise RefusedError("full", 404, "not found") from None
        except ValueError as error:
            raise RefusedError("invalid", 400, f"invalid {error}") from error

    def _of_job(self, entry: Entry) -> TokenBucket:
        bucket = self._of_jobs.get(entry.place)
        if bucket is None:
            fresh = TokenBucket(self._config.limits.of_job, self._monotonic)
            bucket = self._of_jobs.setdefault(entry.place, fresh)
        return bucket


def _place(path: str) -> _Place:
    first, *rest = path.split("/")
    slug = None if _UUID.fullmatch(first) else "".join(rest[:1])
    action = rest if slug is None else rest[1:]
    if len(action) > 1:
        raise RefusedError("invalid", 400, "invalid url format")
    return _Place(first, slug, "".join(action))


def _query(text: str) -> dict[str, list[str]]:
    if not text:
        return {}
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise RefusedError("invalid", 400, "invalid url format") from None


def _event(action: str, query: dict[str, list[str]], at: float) -> Event:
    """Return what the end of a ping's path, and its query, say happened `at`."""
    run = query.get("rid", [""])[0]
    if run:
        if not _UUID.fullmatch(run):
            raise RefusedError("invalid", 400, "invalid uuid format")
        run = str(UUID(run))
    attempts = _attempts(query.get("attempts", [""])[0])
    if _STATUS.fullmatch(action) and int(action) <= 255:
        return Event("failed" if int(action) else "success", at, run, int(action), attempts=attempts)
    if action not in ACTIONS:
        raise RefusedError("invalid", 400, "invalid url format")
    return Event(ACTIONS[action], at, run, attempts=attempts)


def _said(environ: "WSGIEnvironment") -> Said:
    return Said(
        *(environ.get(f"HTTP_X_SPECTER_{name}", "") for name in ("SCHEDULE", "TIMEZONE", "GRACE", "KIND"))
    )


def _happened(environ: "WSGIEnvironment") -> float:
    """Return when a ping that had to wait says that it happened, in Unix seconds; 0: when it came."""
    text = environ.get("HTTP_X_SPECTER_AT", "")
    if not text:
        return 0.0
    if not _UNIX_SECONDS.fullmatch(text):
        raise RefusedError("invalid", 400, "invalid X-Specter-At")
    return float(text)


def _attempts(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 7 or not 1 <= int(text) <= MOST_ATTEMPTS:
        raise RefusedError("invalid", 400, "invalid attempts")
    return int(text)


def _previews(environ: "WSGIEnvironment") -> bool:
    """Return whether a link is looked at, and no job run."""
    if any(
        "prefetch" in environ.get(name, "").lower() or "preview" in environ.get(name, "").lower()
        for name in _PREFETCHING
    ):
        return True
    return _PREVIEWERS.search(environ.get("HTTP_USER_AGENT", "")) is not None


def _output(environ: "WSGIEnvironment") -> tuple[str, int | None]:
    """Return the end of the output in a request's body, masked, and the size of all; None where none came."""
    if environ["REQUEST_METHOD"] != "POST" or environ.get("CONTENT_LENGTH") == "0":
        return "", None
    try:
        body = bodies.read_body(environ, MAX_BODY_BYTES, types=None)
    except BodyTypeError:
        raise RefusedError("invalid", 415, "compressed output is not taken") from None
    except BodyTooLargeError:
        raise RefusedError("too_large", 413, f"output may have {MAX_BODY_BYTES} bytes") from None
    except BodyBrokenError:
        raise RefusedError("invalid", 400, "the body cannot be read to its end") from None
    return tail(body), len(body) or None


def tail(body: bytes) -> str:
    """Return the last `MOST_OUTPUT` characters of `body` without what looks like a secret."""
    text = body[-MOST_OUTPUT - MARGIN :].decode("utf-8", "replace").replace("\0", "�")
    return mask_secrets(text)[-MOST_OUTPUT:]
