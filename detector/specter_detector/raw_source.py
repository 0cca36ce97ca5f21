"""Whether a query's raw samples can be had, and reading them: much quicker than evaluating the query."""

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

from specter_detector import remote_read
from specter_detector.datasource import BrokenError, RefusedError, TooLargeError
from specter_detector.models.arrays import Floats, Ints
from specter_detector.promql import Matcher, matchers_of, selector
from specter_detector.series import Labels
from specter_detector.transport import Transport

LOGGER = logging.getLogger(__name__)
BODY_LIMIT = 64 * 2**20
"""Bytes of an answer, compressed and not: it cannot be read in pieces."""
SMALL = 8 * 2**20
_GLOBAL = re.compile(r"^global:[^\n]*\n(?:[ \t][^\n]*(?:\n|$))*", re.MULTILINE)
_LACKS_IT = re.compile(r"HTTP (404|405|501)|unsupported path")


@dataclass(frozen=True, slots=True)
class Server:
    """What has to be known of a server before its raw samples mean what its query API says.

    Attributes:
        closed: whether a sample of just the look-back's age counts, see `resample`.
        external: labels that remote read adds to every series, and the query API does not.
    """

    closed: bool
    external: Mapping[str, str]


class RawSource:
    """Remote read of one server, as far as it has it; what it has not is remembered."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._absent = False
        self._unfit: set[str] = set()

    def server_for(self, expr: str, start: float, end: float) -> Server | None:
        """Return the server if the samples of `expr` can be read raw and belong to the series it names.

        Args:
            expr: of a query.
            start: Unix s.
            end: Unix s.

        Raises:
            UnreachableError: there is no server.
            SlowError: it does not answer in time.
            BrokenError: it failed, which does not mean that it will the next time.
        """
        matchers = matchers_of(expr)
        if matchers is None or self._absent or expr in self._unfit:
            return None
        try:
            server = self._server or self._ask()
            if self._ambiguous(server, matchers, start, end):
                return None
        except BrokenError:
            raise
        except RefusedError as error:
            self._lacking(expr, error)
            return None
        self._server = server
        return server

    def read(
        self, expr: str, server: Server, start_ms: int, end_ms: int, *, deadline: float
    ) -> Iterator[tuple[Labels, Ints, Floats]]:
        """Yield (labels, times in ms, values) of the samples of `expr`, a bare selector.

        Raises:
            TooLargeError: in one answer; ask for less.
            RefusedError: they cannot be had this way, which is remembered.
        """
        matchers = matchers_of(expr) or ()
        request = remote_read.encode_query(matchers, start_ms, end_ms)
        external = frozenset(server.external.items())
        try:
            with self._transport.post(
                remote_read.PATH, request, remote_read.HEADERS, deadline=deadline, limit=BODY_LIMIT
            ) as pieces:
                body = remote_read.decompress(b"".join(pieces), BODY_LIMIT)
            for labels, stamps, values in remote_read.decode_series(body):
                own = tuple(pair for pair in labels if pair not in external) if external else labels
                yield own, stamps, values
        except (TooLargeError, BrokenError):
            raise
        except RefusedError as error:
            self._lacking(expr, error)
            raise

    def _lacking(self, expr: str, error: RefusedError) -> None:
        with self._lock:
            if _LACKS_IT.search(str(error)):
                self._absent = True
            else:
                self._unfit.add(expr)
        LOGGER.debug("raw samples of %s cannot be read, so range queries are used: %s", expr, error)

    def _ask(self) -> Server:
        build = self._get("/api/v1/status/buildinfo", {})
        version = build.get("version") if isinstance(build, dict) else None
        config = self._get("/api/v1/status/config", {})
        text = config.get("yaml") if isinstance(config, dict) else None
        if not isinstance(text, str):
            raise RefusedError("HTTP 404: its configuration, which names its external labels, cannot be had")
        return Server(str(version).startswith(("1.", "2.")), external_labels(text))

    def _ambiguous(self, server: Server, matchers: tuple[Matcher, ...], start: float, end: float) -> bool:
        """Whether a series' own label could be taken for one that the server adds, or the reverse."""
        if any(matcher.name in server.external for matcher in matchers):
            return True
        return any(
            self._get(
                "/api/v1/series",
                {
                    "match[]": selector([*matchers, Matcher(name, "!=", "")]),
                    "start": f"{start:.3f}",
                    "end": f"{end:.3f}",
                },
            )
            for name in server.external
        )

    def _get(self, path: str, params: Mapping[str, str]) -> object:
        return self._transport.document(path, params, deadline=self._transport.deadline(None), limit=SMALL)


def external_labels(config: str) -> dict[str, str]:
    """Return the external labels in the text of a Prometheus configuration.

    Raises:
        RefusedError: they cannot be told.
    """
    section = _GLOBAL.search(config)
    if section is None:
        return {}
    try:
        document = yaml.safe_load(section[0])
    except yaml.YAMLError as error:
        raise RefusedError("the server's configuration is not YAML") from error
    found = (document.get("global") or {}).get("external_labels") or {}
    return {str(name): str(value) for name, value in found.items()}
