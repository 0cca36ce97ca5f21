"""When requests arrive: a Poisson process whose rate is constant within one slice of time."""

import random
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that is to be sent at `time` (epoch seconds)."""

    time: float
    route: str


def arrivals(start: float, length: float, rates: Mapping[str, float], source: random.Random) -> list[Arrival]:
    """Return the arrivals in [start, start + length), in order of time.

    Gaps are exponential, and an exponential gap has no memory: starting anew at each slice with the
    slice's own rates gives exactly the process whose rate follows them.

    Args:
        start: epoch seconds.
        length: seconds, short against the shape's changes.
        rates: requests/s by route, not negative.
        source: where chance comes from.
    """
    total = sum(rates.values())
    if total <= 0.0:
        return []
    routes, weights = list(rates), list(rates.values())
    found: list[Arrival] = []
    time = start + source.expovariate(total)
    while time < start + length:
        found.append(Arrival(time, source.choices(routes, weights)[0]))
        time += source.expovariate(total)
    return found
