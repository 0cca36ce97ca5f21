"""The traffic generator: sends requests when the shape says so, whether or not the shop keeps up."""

import logging
import random
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

import numpy as np

from specter_core.clock import Clock
from specter_demo.traffic.arrivals import arrivals
from specter_demo.traffic.attackers import Attackers
from specter_demo.traffic.shape import ROUTES, Array
from specter_demo.traffic.visitors import Request, Visitors

logger = logging.getLogger(__name__)

SLICE = 1.0
REPORT_EVERY = 60.0
# A request this much after its time is not sent any more: the burst would be no traffic of the shape's.
TOO_LATE = 1.0
ATTACK = "attack"  # no route of the shop's


class Shape(Protocol):
    """How many requests a second there are, by route and time."""

    def rate(self, route: str, times: Array) -> Array:
        """Return the rate of `route` at `times` (epoch seconds), requests/s."""


class Askers(Protocol):
    """Those who turn a route into a request."""

    def request(self, route: str) -> Request:
        """Return the next request for `route`."""


class Generator:
    """Open loop: arrivals follow the shape and the load factor, never the answers.

    Args:
        shape: requests/s by route and time.
        load_factor: asked at the start of each second; multiplies the shape.
        attack_rate: asked at the start of each second; attempts/s of attackers, beside the shape.
        submit: takes a request to be sent, without blocking.
        count: takes the outcome `late` of a request that was not sent.
        clock: what time it is.
        source: where chance comes from.
        routes: those that `shape` and `visitors` know.
        visitors: who asks; None for the shop's customers.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        load_factor: Callable[[], float],
        attack_rate: Callable[[], float] = lambda: 0.0,
        submit: Callable[[Request], None],
        count: Callable[[str], None],
        clock: Clock,
        source: random.Random,
        routes: Iterable[str] = ROUTES,
        visitors: Askers | None = None,
    ) -> None:
        self._shape = shape
        self._load_factor = load_factor
        self._attack_rate = attack_rate
        self._submit = submit
        self._count = count
        self._clock = clock
        self._source = source
        self._routes = tuple(routes)
        self._visitors = visitors or Visitors(source)
        self._attackers = Attackers(source)

    def run(self, stop: threading.Event) -> None:
        """Send traffic until `stop` is set; it ends within a second of that."""
        start = self._clock.time()
        while not stop.is_set():
            self.slice(start)
            start += SLICE
            now = self._clock.time()
            if now - start > TOO_LATE:
                logger.warning("the machine stood still for %.1f s; that traffic is left out", now - start)
                start = now
            elif start - now > TOO_LATE:
                logger.warning("the clock was set back by %.1f s", start - now)
                start = now

    def slice(self, start: float) -> None:
        """Send the arrivals of the second that begins at `start` (epoch seconds), each at its time."""
        factor = self._load_factor()
        middle = np.array([start + SLICE / 2.0])
        rates = {route: factor * float(self._shape.rate(route, middle)[0]) for route in self._routes}
        rates[ATTACK] = self._attack_rate()
        for arrival in arrivals(start, SLICE, rates, self._source):
            attack = arrival.route == ATTACK
            request = self._attackers.request() if attack else self._visitors.request(arrival.route)
            wait = arrival.time - self._clock.time()
            if wait < -TOO_LATE:
                self._count("late")
                continue
            self._clock.sleep(min(wait, SLICE))
            self._submit(request)
        self._clock.sleep(min(start + SLICE - self._clock.time(), SLICE))


def report(outcomes: Callable[[], dict[str, int]], stop: threading.Event, name: str) -> None:
    """Log how many requests to `name` ended how since the last report, each minute until `stop` is set."""
    before: dict[str, int] = {}
    while not stop.wait(REPORT_EVERY):
        now = outcomes()
        since = {outcome: number - before.get(outcome, 0) for outcome, number in sorted(now.items())}
        sent = ", ".join(f"{number} {outcome}" for outcome, number in since.items() if number)
        logger.info("sent to %s in the last minute: %s", name, sent)
        before = now
