"""A Redis server, asked by one collector a system: what fails costs its own part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_exporters.queues.model import Answer, Outcome, Problem, Told
from specter_exporters.queues.on_redis.clustering import cluster_problem
from specter_exporters.queues.on_redis.session import Session, connection_problem, refusal


class Collector(Protocol):
    """Asks a server for one system."""

    @property
    def name(self) -> str:
        """Value of the label `collector`."""

    def collect(self, session: Session) -> Answer:
        """Return what there is.

        Raises:
            redis.RedisError, OSError: the server does not answer, or refuses everything.
        """


class Background(Protocol):
    """Goes on between scrapes."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, soon."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a server is made of.

    Attributes:
        collectors: in the order in which they are asked.
        background: what goes on between scrapes.
        complete: tells whether the keys were all looked at for queues; None where none are looked for.
    """

    collectors: Sequence[Collector]
    background: Sequence[Background] = ()
    complete: Callable[[], bool] | None = None


class RedisSource:
    """A source over one connection.

    Args:
        name: of the server.
        session: its connection.
        parts: what to ask.
        clock: the time.
    """

    def __init__(self, name: str, session: Session, parts: Parts, clock: Clock) -> None:
        self._name = name
        self._session = session
        self._parts = parts
        self._clock = clock

    @property
    def name(self) -> str:
        """Value of the label `server`."""
        return self._name

    def start(self) -> None:
        """Begin what goes on between scrapes."""
        for each in self._parts.background:
            each.start()

    def ask(self) -> Told:
        """Return what the server tells now."""
        try:
            self._greet()
            parted = cluster_problem(self._session)
            outcomes = [self._run(each, parted) for each in self._parts.collectors]
        except (RedisError, OSError, SpecterError) as error:
            self._session.close()
            return Told(connection_problem(error))
        complete = self._parts.complete
        whole = None if complete is None else complete() and parted is None
        return Told(outcomes=outcomes, complete=whole)

    def cut(self) -> None:
        """End the connection."""
        self._session.close()

    def close(self) -> None:
        """End the connection and what goes on between scrapes."""
        for each in self._parts.background:
            each.stop()
        self._session.close()

    def _greet(self) -> None:
        """Make sure that the server answers: one that was restarted has ended the connection."""
        try:
            self._session.one("PING")
        except ResponseError as error:
            # It answered; whether it may be asked more is told by each collector.
            if not isinstance(error, NoPermissionError):
                raise
        except (ConnectionError, RedisConnectionError):
            self._session.close()
            self._session.one("PING")

    def _run(self, collector: Collector, parted: Problem | None) -> Outcome:
        """Ask a collector; what the server refuses is its own problem, silence is everybody's.

        Where the keys are on many nodes, each collector has missed some.
        """
        began = self._clock.monotonic()
        problem: Problem | None
        try:
            answer = collector.collect(self._session)
            problem = answer.problem
        except ResponseError as error:
            answer, problem = Answer(), refusal(error)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            # A key of the same name that someone else made, or a server that only looks like Redis.
            answer, problem = Answer(), Problem("other", f"cannot be understood: {error!r}")
        if answer.memory is None:
            problem = parted or problem
        return Outcome(collector.name, self._clock.monotonic() - began, answer, problem)
