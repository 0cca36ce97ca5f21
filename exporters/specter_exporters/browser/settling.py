"""Values that may still change: the last one of an id counts, once, in bounded memory.

The web-vitals package may report an id again with a higher value: layout shifts and interactions go on
while a page is used, and are reported each time it is hidden.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

V = TypeVar("V")


@dataclass(slots=True)
class _Held(Generic[V]):
    since: float
    value: V


class Counts(NamedTuple):
    """How many values are held, were replaced, late or settled early, and ids forgotten early."""

    held: int
    replaced: int
    late: int
    early: int
    forgotten: int


class Settling(Generic[V]):
    """Hold each value for some seconds, in which another one of the same id takes its place.

    Args:
        settle: gets each value once, when its seconds are over.
        hold_seconds: counted from an id's first value; at 0 the first one counts.
        remember_seconds: for so long after that, further values of the id are dropped.
        capacity: values that are held; beyond it the oldest one is settled early.
        remembered: ids that are remembered; beyond it the oldest one is forgotten.
        monotonic: seconds that never step back.
    """

    def __init__(
        self,
        settle: Callable[[V], None],
        *,
        hold_seconds: float,
        remember_seconds: float,
        capacity: int,
        remembered: int,
        monotonic: Callable[[], float],
    ) -> None:
        self._settle = settle
        self._hold, self._remember = hold_seconds, remember_seconds
        self._capacity, self._remembered = capacity, remembered
        self._monotonic = monotonic
        self._held: OrderedDict[Hashable, _Held[V]] = OrderedDict()
        self._settled: OrderedDict[Hashable, float] = OrderedDict()
        self._lock = threading.Lock()
        self._replaced = self._late = self._early = self._forgotten = 0

    def add(self, key: Hashable, value: V) -> None:
        """Hold a value in place of the one before; one that comes after its id was settled is dropped."""
        with self._lock:
            now = self._monotonic()
            self._settle_due(now)
            held = self._held.get(key)
            if held is not None:
                held.value = value
                self._replaced += 1
            elif key in self._settled:
                self._late += 1
            else:
                self._held[key] = _Held(now, value)
                if self._hold <= 0:
                    self._settle_oldest(now)
                elif len(self._held) > self._capacity:
                    self._early += 1
                    self._settle_oldest(now)

    def settle_due(self) -> None:
        """Settle every value whose seconds are over."""
        with self._lock:
            self._settle_due(self._monotonic())

    def counts(self) -> Counts:
        """Return what happened so far."""
        with self._lock:
            return Counts(len(self._held), self._replaced, self._late, self._early, self._forgotten)

    def _settle_due(self, now: float) -> None:
        while self._held and next(iter(self._held.values())).since + self._hold <= now:
            self._settle_oldest(now)
        while self._settled and next(iter(self._settled.values())) + self._remember <= now:
            self._settled.popitem(last=False)

    def _settle_oldest(self, now: float) -> None:
        key, held = self._held.popitem(last=False)
        self._settle(held.value)
        self._settled[key] = now
        if len(self._settled) > self._remembered:
            self._settled.popitem(last=False)
            self._forgotten += 1
