"""A sliding window made of panes: the oldest falls out as a whole when a new one begins."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar


class Closable(Protocol):
    """What a pane must be able to do."""

    def close(self) -> None:
        """Shrink: nothing will be counted any more, or hardly anything."""


P = TypeVar("P", bound=Closable)
E = TypeVar("E", bound=tuple[Any, ...])


class SlidingWindow(Generic[P]):
    """Hold the panes of the last `panes * seconds` seconds, the current one included.

    So the window covers between `panes - 1` and `panes` times `seconds`. Time is monotonic and passed in.

    Args:
        make: returns an empty pane.
        panes: how many.
        seconds: length of one.
    """

    def __init__(self, make: Callable[[], P], panes: int, seconds: float) -> None:
        self._make = make
        self._seconds = seconds
        self._panes: deque[P] = deque(maxlen=panes)
        self._newest: int | None = None
        self._first = 0

    def number(self, time: float) -> int:
        """Return the number of the pane that `time` belongs to."""
        return int(time // self._seconds)

    def advance(self, number: int, finished: Callable[[float], None]) -> None:
        """Go on to the pane `number`, if it is later than the current one.

        Args:
            number: the pane that becomes the current one.
            finished: called at the end of each pane, with its time, before the next one begins.
        """
        size = self._panes.maxlen or 1
        if self._newest is None or number - self._newest > size:
            # Nothing of what is there, if anything, is in the window any more.
            self._panes.extend(self._make() for _ in range(size))
            self._newest = self._first = number
        while self._newest < number:
            self._panes[-1].close()
            finished((self._newest + 1) * self._seconds)
            self._panes.append(self._make())
            self._newest += 1

    def pane(self, number: int) -> P | None:
        """Return the pane of that number; None if it is over, or not begun."""
        age = -1 if self._newest is None else self._newest - number
        return self._panes[-1 - age] if 0 <= age < len(self._panes) else None

    @property
    def full(self) -> bool:
        """Whether all panes of the window, to its end, have been counted in."""
        # The first pane began before counting did.
        return self._newest is not None and self._newest - self._first >= len(self._panes)

    @property
    def live(self) -> list[P]:
        """The panes of the window, the oldest first."""
        return list(self._panes)


class Usual:
    """What is usual in one window: an exponentially weighted mean over the ends of panes.

    Values are learnt one window late, and a tenth as fast if something is suspected in the meantime: the
    beginning of an attack, before it is noticed, must not raise what it is compared with, and an attack must
    not become usual within the hour; a growth that is real must in the end.

    Args:
        panes: panes a window.
        half_life: panes after which a value weighs half.
    """

    def __init__(self, panes: int, half_life: float) -> None:
        self._panes = panes
        self._keep = 0.5 ** (1 / half_life)
        self._waiting: deque[tuple[dict[str, float], bool]] = deque()
        self._weight = 0.0
        self._sums: dict[str, float] = {}

    def learn(self, values: dict[str, float], *, suspected: bool) -> None:
        """Take in the values of a full window at the end of a pane."""
        if suspected:
            self._waiting = deque((each, True) for each, _ in self._waiting)
        self._waiting.append((values, suspected))
        if len(self._waiting) > self._panes:
            self._take(*self._waiting.popleft())

    def _take(self, values: dict[str, float], suspected: bool) -> None:
        share = (1 - self._keep) * (0.1 if suspected else 1.0)
        self._weight += (1 - self._weight) * share
        for name, value in values.items():
            self._sums[name] = (1 - share) * self._sums.get(name, 0.0) + share * value

    def get(self, name: str) -> float | None:
        """Return the usual value; None while none is learnt."""
        if not self._weight:
            return None
        return self._sums[name] / self._weight


def sums(counters: Iterable[dict[str, int]]) -> dict[str, int]:
    """Return the counters added up by name."""
    result: dict[str, int] = {}
    for counter in counters:
        for name, count in counter.items():
            result[name] = result.get(name, 0) + count
    return result


def in_panes(window: SlidingWindow[P], entries: Sequence[E]) -> Iterable[tuple[int, Sequence[E]]]:
    """Yield `entries`, whose first field is their time, by the pane that they belong to, in order of time."""
    if not entries:
        return
    number = window.number
    times = [entry[0] for entry in entries]
    first, last = number(min(times)), number(max(times))
    if first == last:
        yield first, entries
        return
    by_pane: dict[int, list[E]] = {}
    for entry in entries:
        by_pane.setdefault(number(entry[0]), []).append(entry)
    yield from sorted(by_pane.items())
