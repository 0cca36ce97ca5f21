"""Who asks the coach, and how often: a few for every hundred requests to the shop, at the same hours."""

import random
from dataclasses import dataclass

from specter_demo.traffic.shape import Array, TrafficShape
from specter_demo.traffic.visitors import Request, from_anywhere

# Requests for each of the shop's.
ROUTES = {"/advice/:topic": 0.04, "/sessions/:id/end": 0.02}
TOPICS = ("sleep", "food", "work", "movement", "friends", "worries")
SESSIONS = 100_000


@dataclass(frozen=True, slots=True)
class CoachingShape:
    """Requests a second to the coaching service, as a function of time.

    Attributes:
        shop: the shape that they follow.
    """

    shop: TrafficShape

    def rate(self, route: str, times: Array) -> Array:
        """Return the rate of `route` (a key of `ROUTES`) at `times` (epoch seconds), requests/s."""
        return self.shop.beside(ROUTES[route], list(ROUTES).index(route), times)


class CoachingVisitors:
    """Turns routes into requests."""

    def __init__(self, source: random.Random) -> None:
        self._source = source

    def request(self, route: str) -> Request:
        """Return a request for `route`, a key of `ROUTES`."""
        if route == "/advice/:topic":
            request = Request("GET", f"/advice/{self._source.choice(TOPICS)}")
        else:
            request = Request("POST", f"/sessions/{self._source.randint(1, SESSIONS)}/end")
        return from_anywhere(request, self._source)
