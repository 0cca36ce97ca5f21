"""The Pushgateway's protocol: `PUT`, `POST` and `DELETE /metrics/job/<name>[/label/value…]`.

Whoever pushes shows a token, as a bearer or as the password of basic authentication, which the client
libraries know.
"""

import binascii
import logging
import re
import threading
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from specter_core.clock import Clock
from specter_exporters import bodies
from specter_exporters.answers import Answer
from specter_exporters.bodies import BodyBrokenError, BodyTooLargeError, BodyTypeError
from specter_exporters.business.senders import Senders
from specter_exporters.jobs.book import Book, Entry, FullError
from specter_exporters.jobs.model import Event, EventKind
from specter_exporters.jobs.pushed import (
    LONGEST_LABEL,
    Group,
    Labels,
    PushError,
    Told,
    decoded,
    encoded,
    exposed,
    parse,
    pushed,
    told,
)
from specter_exporters.jobs.store import KeptPush
from specter_exporters.jobs.texts import text
from specter_exporters.run.pings import JOB_NAME

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

LOGGER = logging.getLogger(__name__)
PREFIX = "/metrics/job"
METHODS = ("PUT", "POST", "DELETE")
MAX_PUSH_BYTES = 256 * 1024
MOST_GROUPS = 1000
MOST_SERIES = 10_000
"""Of all groups together."""
MOST_LABELS = 10
_LABEL = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_TAKEN = frozenset({"job", "job_name", "le", "quantile"})


class _Text:
    """Content types that are taken: all but protobuf, which curl and the client libraries do not send."""

    def __contains__(self, kind: object) -> bool:
        return "protobuf" not in str(kind)


class Pushing(Collector):
    """Takes pushes, and shows what they left.

    Args:
        book: where groups are kept, and runs are told.
        token: of those who may push; None: nobody may.
        clock: the time.
    """

    def __init__(self, book: Book, token: str | None, clock: Clock) -> None:
        self._book = book
        self._senders = Senders({"push": token} if token is not None else {})
        self._clock = clock
        self._groups: dict[tuple[str, Labels], Group] = {}
        # Pushes take turns: the newest in the store is the newest here.
        self._turn = threading.Lock()

    def open(self) -> None:
        """Show what the store has, but what cannot be read, which stays there until it is pushed anew.

        Raises:
            StoreError: it cannot be read.
        """
        for each in self._book.pushes():
            try:
                group = decoded(each.content or "")
            except ValueError:
                LOGGER.error(  # noqa: TRY400  (the trace tells nothing more)
                    "what the store has of a push to %s cannot be read, and is not shown: push it anew",
                    each.key,
                )
            else:
                self._groups[group.job, group.grouping] = group

    def describe(self) -> Iterable[Family]:
        """Yield nothing: what is pushed is not known before."""
        return []

    def collect(self) -> Iterable[Family]:
        """Yield what was pushed."""
        groups = list(self._groups.values())
        return exposed(groups) if groups else []

    def allows(self, authorization: str) -> bool:
        """Return whether an `Authorization` header shows the token."""
        scheme, _, said = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                said = b64decode(said, validate=True).decode().partition(":")[2]
            except ValueError:
                return False
            authorization = f"Bearer {said}"
        return self._senders.find(authorization) is not None

    def answer(self, path: str, environ: "WSGIEnvironment") -> Answer:
        """Serve a request of somebody who may push.

        Raises:
            StoreError: it cannot be kept.
        """
        method = environ["REQUEST_METHOD"]
        if method not in METHODS:
            return text(405, "method not allowed", ("Allow", ", ".join(METHODS)))
        try:
            key = grouping_key(path)
        except PushError as error:
            return text(400, str(error))
        with self._turn:
            if method == "DELETE":
                return self._forget(key)
            return self._take(key, environ, replace_all=method == "PUT")

    def _forget(self, key: tuple[str, Labels]) -> Answer:
        if key in self._groups:
            self._book.push(KeptPush(_kept_key(key), None), None)
            del self._groups[key]
        return text(202, "")

    def _take(self, key: tuple[str, Labels], environ: "WSGIEnvironment", *, replace_all: bool) -> Answer:
        old = self._groups.get(key, Group(*key, {}))
        now = self._clock.time()
        try:
            new = parse(_body(environ), frozenset(name for name, _ in key[1]))
            group = pushed(old, new, now, replace_all=replace_all)
            self._check(key, group)
        except PushError as error:
            if key in self._groups:
                self._groups[key] = Group(*key, old.families, old.at, now)
            return text(400, str(error))
        run = self._run(key[0], told(old, new))
        # In one write: a push that is kept without its run would be repeated, and then say nothing new.
        self._book.push(KeptPush(_kept_key(key), encoded(group)), run)
        self._groups[key] = group
        return text(200, "")

    def _check(self, key: tuple[str, Labels], group: Group) -> None:
        others = [each for other, each in self._groups.items() if other != key]
        if len(others) >= MOST_GROUPS:
            raise PushError(f"there may be {MOST_GROUPS} groups; DELETE one")
        if sum(each.series for each in others) + group.series > MOST_SERIES:
            raise PushError(f"all groups together may have {MOST_SERIES} series")
        for name, family in group.families.items():
            for each in others:
                known = each.families.get(name)
                if known is not None and known.kind != family.kind:
                    raise PushError(f"{name}: is a {known.kind} of job {each.job}, and here a {family.kind}")

    def _run(self, job: str, said: Told) -> tuple[Entry, Event] | None:
        """Return what a push says of a run, for a job that is known, or may be made."""
        if said.succeeded is None or not JOB_NAME.fullmatch(job):
            return None
        try:
            entry = self._book.by_name(job) or self._book.make(job)
        except FullError:
            return None
        kind: EventKind = "success" if said.succeeded else "failed"
        return entry, Event(kind, 0.0, exit_status=said.exit_status, duration=said.duration)


def grouping_key(path: str) -> tuple[str, Labels]:
    """Return the job and the labels of a path behind `PREFIX`.

    Raises:
        PushError: it is none.
    """
    parts = path.removeprefix(PREFIX)
    encoded_job = parts.startswith("@base64")
    names = parts.removeprefix("@base64").removeprefix("/").split("/")
    job = _value(names[0], encoded=encoded_job)
    if not job or len(job) > LONGEST_LABEL:
        raise PushError("the job has no name, or too long a one")
    pairs = names[1:]
    if len(pairs) % 2 or len(pairs) > 2 * MOST_LABELS:
        raise PushError(f"expected label/value pairs behind the job, {MOST_LABELS} at most")
    labels: dict[str, str] = {}
    for name, part in zip(pairs[::2], pairs[1::2], strict=True):
        bare = name.removesuffix("@base64")
        if not _LABEL.fullmatch(bare) or bare in _TAKEN or bare.startswith("__") or bare in labels:
            raise PushError(f"{bare[:40]!r} is no label that a group may have")
        labels[bare] = _value(part, encoded=name.endswith("@base64"))
    return job, tuple(sorted(labels.items()))


def _value(part: str, *, encoded: bool) -> str:
    if not encoded:
        value = part
    else:
        try:
            value = urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()
        except (binascii.Error, ValueError):
            raise PushError("a label is no base64 of a text") from None
    if len(value) > LONGEST_LABEL:
        raise PushError(f"a label is longer than {LONGEST_LABEL} characters")
    return value


def _kept_key(key: tuple[str, Labels]) -> str:
    return repr(key)


def _body(environ: "WSGIEnvironment") -> str:
    try:
        return bodies.read_body(environ, MAX_PUSH_BYTES, _Text()).decode()
    except BodyTypeError:
        raise PushError("send the text format, not compressed") from None
    except BodyTooLargeError:
        raise PushError(f"a push may have {MAX_PUSH_BYTES} bytes") from None
    except (BodyBrokenError, UnicodeDecodeError):
        raise PushError("the body cannot be read to its end, or is not UTF-8") from None
