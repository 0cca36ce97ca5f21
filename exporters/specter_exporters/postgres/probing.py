"""Servers that the scraper names: `/probe?target=HOST:PORT&module=NAME`, as far as the module lets it."""

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry
from psycopg.conninfo import make_conninfo

from specter_core.clock import Clock
from specter_exporters.app.exposition import metrics_app
from specter_exporters.deadlines import answer_by
from specter_exporters.postgres.collectors import standard
from specter_exporters.postgres.exposing import Servers
from specter_exporters.postgres.model import Module
from specter_exporters.postgres.scrape import Scraper
from specter_exporters.site import TEXT

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/probe"
MOST_TARGETS = 100
FORGET_AFTER = 900.0
"""Seconds without a probe after which a target's sessions are ended."""
AT_ONCE = 16
# No user, password or option can be in it.
_TARGET = re.compile(
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])"
    r"(?::(?P<port>\d{1,5}))?"
)


class ProbeError(Exception):
    """The request is not answered; `status` is that of HTTP."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(slots=True)
class _Kept:
    scraper: Scraper
    asked: float


class Probes:
    """The targets that were asked for, each with sessions that are kept open between probes.

    Args:
        modules: who may be asked, and how, by name.
        clock: the time.
        storage: folder in which plans are remembered over restarts; None remembers none.
    """

    def __init__(self, modules: Mapping[str, Module], clock: Clock, storage: Path | None = None) -> None:
        self._modules = modules
        self._clock = clock
        self._storage = storage
        self._lock = threading.Lock()
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="probe")

    def registry(self, environ: "WSGIEnvironment") -> CollectorRegistry:
        """Return the registry that answers a request.

        Raises:
            ProbeError: the module is not there, or does not let the target be asked.
        """
        asked = parse_qs(environ.get("QUERY_STRING", ""))
        scraper = self._scraper(_one(asked, "module", "default"), _one(asked, "target", ""))
        registry = CollectorRegistry()
        registry.register(Servers([scraper], self._pool, answer_by(environ, self._clock)))
        return registry

    def close(self) -> None:
        """End the threads and the sessions."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for each in self._kept.values():
            each.scraper.close()

    def _scraper(self, name: str, target: str) -> Scraper:
        module = self._modules.get(name)
        if module is None:
            raise ProbeError("400 Bad Request", "There is no such module.")
        match = _TARGET.fullmatch(target)
        if match is None:
            raise ProbeError("400 Bad Request", "target: expected HOST or HOST:PORT, and nothing else.")
        if not any(allows(pattern, target) for pattern in module.targets):
            raise ProbeError("403 Forbidden", "The module does not let this target be asked.")
        with self._lock:
            self._forget()
            kept = self._kept.get((name, target))
            if kept is None:
                if len(self._kept) >= MOST_TARGETS:
                    raise ProbeError("503 Service Unavailable", f"{MOST_TARGETS} targets are asked already.")
                kept = self._kept[name, target] = _Kept(self._made(module, target, match), 0.0)
            kept.asked = self._clock.monotonic()
            return kept.scraper

    def _made(self, module: Module, target: str, match: "re.Match[str]") -> Scraper:
        host, port = match["host"].strip("[]"), match["port"] or "5432"
        dsn = make_conninfo(module.server.dsn, host=host, port=port)
        server = replace(module.server, name=target, dsn=dsn)
        return Scraper(server, standard(server, self._clock, self._storage), self._clock)

    def _forget(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, kept in self._kept.items() if now - kept.asked > FORGET_AFTER]:
            self._kept.pop(key).scraper.close()


def allows(pattern: str, target: str) -> bool:
    """Return whether `pattern` is `target`; its `*` stands for letters, digits and hyphens, never for a dot.

    Or `db-*` would send the password's proof to `db-1.somebody-else.example`.
    """
    return re.fullmatch(re.escape(pattern).replace(r"\*", "[A-Za-z0-9-]*"), target) is not None


def _one(asked: Mapping[str, Sequence[str]], name: str, default: str) -> str:
    values = asked.get(name, [default])
    if len(values) != 1:
        raise ProbeError("400 Bad Request", f"{name}: expected once.")
    return values[0]


def with_probes(site: "WSGIApplication", probes: Probes) -> "WSGIApplication":
    """Return `site` with `/probe` before it."""

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ.get("PATH_INFO") != PATH:
            return site(environ, start_response)
        try:
            registry = probes.registry(environ)
        except ProbeError as error:
            body = f"{error}\n".encode()
            headers = [("Content-Type", TEXT), ("Content-Length", str(len(body)))]
            start_response(error.status, [*headers, ("X-Content-Type-Options", "nosniff")])
            return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]
        return metrics_app(registry)(environ, start_response)

    return app
