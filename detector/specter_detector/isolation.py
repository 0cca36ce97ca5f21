"""Find what a server refuses in a request: it drops all of it for one bad sample."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from specter_detector.batch import Batch
from specter_detector.packing import compress, decompress
from specter_detector.protobuf import spans
from specter_detector.remote_write import Outcome

MAX_REQUESTS = 256
"""Requests spent on one refused batch, at most."""
FRUITLESS = 30
"""Refusals, and nothing taken, after which the rest is given up: two to sixteen parts of it, all bad."""


@dataclass(frozen=True, slots=True)
class Part:
    """Records `first` to before `end` of a batch."""

    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first

    def halves(self) -> list["Part"]:
        """Return both halves; nothing when it cannot be divided."""
        middle = (self.first + self.end) // 2
        return [Part(self.first, middle), Part(middle, self.end)] if len(self) > 1 else []


@dataclass(slots=True)
class Isolation:
    """The search in one refused batch; it may be continued at another time.

    Attributes:
        batch: that was refused.
        refused: number of records given up, by reason.
        message: what the server said of the last of them.
        taken: the parts that it took.
        fruitless: refusals, and nothing taken, after which the rest is given up.
    """

    batch: Batch
    fruitless: int = FRUITLESS
    refused: dict[str, int] = field(default_factory=dict)
    message: str = ""
    taken: list[Part] = field(default_factory=list)
    _data: memoryview = field(default_factory=lambda: memoryview(b""))
    _spans: list[tuple[int, int]] = field(default_factory=list)
    _untried: deque[Part] = field(default_factory=deque)
    _budget: int = MAX_REQUESTS

    def begin(self, refusal: Outcome) -> None:
        """Begin with what the server said of the whole batch.

        Raises:
            MalformedError: the batch is no request; a defect.
        """
        data = decompress(self.batch.body)
        self._data, self._spans = memoryview(data), spans(data)
        self._judge(Part(0, len(self._spans)), refusal)

    @property
    def done(self) -> bool:
        """Whether nothing is left to try."""
        return not self._untried

    def step(self, send: Callable[[bytes], Outcome]) -> Outcome:
        """Send the next part; one that could not be delivered is the next again."""
        # The largest part first: where all is bad that is seen soonest.
        part = self._untried.popleft()
        start, stop = self._spans[part.first][0], self._spans[part.end - 1][1]
        outcome = send(compress([self._data[start:stop]]))
        if outcome.kind == "unreachable":
            self._untried.appendleft(part)
            return outcome
        self._budget -= 1
        if outcome.kind == "ok":
            self.taken.append(part)
        else:
            self._judge(part, outcome)
            if not self.taken and self._budget <= MAX_REQUESTS - self.fruitless:
                while self._untried:
                    self._give_up(self._untried.popleft(), outcome)
        return outcome

    def queries_told(self) -> list[str]:
        """Return the queries of which a score was taken."""
        return [
            scores.query
            for scores in self.batch.scores
            if any(part.first < scores.end and scores.first < part.end for part in self.taken)
        ]

    def _judge(self, part: Part, refusal: Outcome) -> None:
        """Divide a refused part, or give it up when it cannot be divided or has cost enough."""
        halves = part.halves()
        # Every part that waits must still have its request.
        if halves and self._budget >= len(self._untried) + len(halves):
            self._untried += halves
        else:
            self._give_up(part, refusal)

    def _give_up(self, part: Part, refusal: Outcome) -> None:
        self.refused[refusal.reason] = self.refused.get(refusal.reason, 0) + len(part)
        self.message = refusal.message
