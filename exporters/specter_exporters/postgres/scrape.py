"""Ask a server everything, in parts: what fails costs its own part, and never the time of the others."""

import logging
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import psycopg

from specter_core import metrics
from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_exporters.postgres.failures import UnsupportedError, asking_reason, line, query_reason
from specter_exporters.postgres.model import Collector, Fact, Server, facts
from specter_exporters.postgres.session import Session

logger = logging.getLogger(__name__)
GREETING = 1.0
"""Seconds in which a server that lives answers to a trifle."""
LEAST, LEAST_TO_CONNECT = 0.05, 2.0
"""Seconds that are worth asking for; libpq connects in no less than two."""


@dataclass(slots=True)
class _Outcome:
    """What a collector did in one scrape, over databases."""

    seconds: float = 0.0
    reason: str | None = None
    facts: list[Fact] = field(default_factory=list)


class _Place(NamedTuple):
    """Where a session is used: aside or not, and in which database, if not in the connection string's."""

    aside: bool
    database: str | None


_MAIN = _Place(aside=False, database=None)


class Scraper:
    """One server, and the sessions that are kept open to it: one a database, and one for what takes long.

    Args:
        server: the server.
        collectors: what to ask, in this order: what tells most comes first.
        clock: the time.
    """

    def __init__(self, server: Server, collectors: Sequence[Collector], clock: Clock) -> None:
        self._server = server
        self._collectors = collectors
        self._clock = clock
        self._sessions: dict[_Place, Session] = {}
        self._greeted: set[_Place] = set()
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="aside")
        self._one = threading.Lock()
        self._said: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The server's name."""
        return self._server.name

    def scrape(self, deadline: float) -> list[Fact]:
        """Return what is known by `deadline` (monotonic, seconds). Safe for threads, which take turns."""
        if not self._one.acquire(timeout=max(0.0, deadline - self._clock.monotonic())):
            return self._failed("timeout", "another scrape has taken all the time")
        try:
            return self._scrape(deadline)
        finally:
            self._one.release()

    def close(self) -> None:
        """End the sessions."""
        with self._one:
            self._aside.shutdown(wait=False, cancel_futures=True)
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def _scrape(self, deadline: float) -> list[Fact]:
        self._greeted.clear()
        try:
            self._session(_MAIN, deadline)
        except (psycopg.Error, TimeoutError, SpecterError) as error:
            return self._failed(asking_reason(error), line(error))
        aside = self._aside.submit(self._run_all, True, deadline)
        outcomes = self._run_all(False, deadline) | aside.result()
        self._say(None)
        self._say_privileges(fact for outcome in outcomes.values() for fact in outcome.facts)
        return [
            *_state(None),
            *(fact for name, outcome in outcomes.items() for fact in self._told(name, outcome)),
        ]

    def _session(self, place: "_Place", deadline: float) -> Session:
        """Return a session that has answered in this scrape; a restart of the server has ended older ones."""
        session = self._sessions.get(place)
        if session is not None and session.usable() and (place in self._greeted or _answers(session)):
            self._greeted.add(place)
            return session
        within = deadline - self._clock.monotonic()
        if within < LEAST_TO_CONNECT:
            raise TimeoutError("no time was left to connect")
        session = Session.open(self._server.dsn, self._server.password_file, place.database, within)
        self._sessions[place] = session
        self._greeted.add(place)
        return session

    def _run_all(self, aside: bool, deadline: float) -> dict[str, _Outcome]:
        return {each.name: self._run(each, deadline) for each in self._collectors if each.aside is aside}

    def _run(self, collector: Collector, deadline: float) -> _Outcome:
        outcome = _Outcome()
        began = self._clock.monotonic()
        databases = (None, *self._server.databases) if collector.per_database else (None,)
        for database in databases:
            what = collector.name if database is None else f"{collector.name} in {database}"
            try:
                outcome.facts += self._ask(collector, database, deadline)
            except (psycopg.Error, UnsupportedError, TimeoutError, SpecterError) as error:
                outcome.reason = query_reason(error)
                self._say(f"{outcome.reason}: {line(error)}", what)
            else:
                self._say(None, what)
        outcome.seconds = self._clock.monotonic() - began
        return outcome

    def _ask(self, collector: Collector, database: str | None, deadline: float) -> Iterable[Fact]:
        session = self._session(_Place(collector.aside, database), deadline)
        within = min(collector.limit, deadline - self._clock.monotonic())
        if within < LEAST:
            raise TimeoutError("no time was left for it")
        with session.within(within):
            return list(collector.collect(session))

    def _told(self, name: str, outcome: _Outcome) -> list[Fact]:
        """Return a collector's facts up to its limit, and what became of it."""
        limit = next(each.series for each in self._collectors if each.name == name)
        unique = {(fact.metric.name, tuple(fact.labels)): fact for fact in outcome.facts}
        kept = list(unique.values())[:limit]
        return [
            *kept,
            *facts(
                (metrics.PG_COLLECTOR_SUCCESS, [name], outcome.reason is None),
                (metrics.PG_COLLECTOR_DURATION, [name], outcome.seconds),
                (metrics.PG_COLLECTOR_FAILURE, [name, outcome.reason or ""], 1 if outcome.reason else None),
                (metrics.PG_DROPPED, [name], len(outcome.facts) - len(kept)),
            ),
        ]

    def _failed(self, reason: str, why: str) -> list[Fact]:
        self._say(f"{reason}: {why}")
        return _state(reason)

    def _say_privileges(self, told: Iterable[Fact]) -> None:
        rights = {str(fact.labels[0]): fact.value for fact in told if fact.metric is metrics.PG_PRIVILEGE}
        if not rights:  # not known in this scrape
            return
        lacking = ", ".join(name for name, has in rights.items() if not has)
        problem = f"lacks {lacking}, so that other sessions are hidden: GRANT pg_monitor TO it"
        self._say(problem if lacking else None, "role", over="has what it lacked")

    def _say(self, problem: str | None, what: str = "", over: str = "answers again") -> None:
        """Log a change, not each scrape."""
        before = self._said.pop(what, None)
        if problem is not None:
            self._said[what] = problem
        if problem == before:
            return
        where = f"{self.name}: {what}".removesuffix(": ")
        if problem is None:
            logger.info("%s: %s", where, over)
        else:
            logger.warning("%s: %s", where, problem)


def _answers(session: Session) -> bool:
    try:
        session.greet(GREETING)
    except (psycopg.Error, TimeoutError):
        session.close()
        return False
    return True


def _state(reason: str | None) -> list[Fact]:
    return [
        Fact(metrics.PG_UP, [], float(reason is None)),
        *(Fact(metrics.PG_FAILURE, [each], float(each == reason)) for each in metrics.PG_FAILURE_REASONS),
    ]
