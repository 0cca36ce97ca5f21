"""A log exporter without threads, whose clock the test turns."""

from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry

from specter_core.config import parse_config
from specter_exporters.logs.exporter import Exporter
from specter_exporters.logs.rules.signin import Attempts
from specter_exporters.logs.schema import LogsSchema
from specter_exporters.logs.state import StateFolder

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z


class TurnedClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        """Return seconds since the Unix epoch."""
        return self.now

    def monotonic(self) -> float:
        """Return the same: nothing here sets the clock back."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Turn the clock."""
        self.now += max(0.0, seconds)


class Reading:
    """An exporter, its clock and what it exposes."""

    def __init__(
        self,
        config: str,
        folder: Path | None = None,
        *,
        clock: TurnedClock | None = None,
        attempts: Attempts | None = None,
    ) -> None:
        self.clock = clock or TurnedClock()
        state = StateFolder.open(folder) if folder is not None else None
        schema = parse_config(config, LogsSchema, file="logs.yml")
        self.exporter = Exporter(schema, state, self.clock, attempts=attempts)
        self._state = state
        self.registry = CollectorRegistry()
        self.registry.register(self.exporter)

    def read(self, seconds: float = 3.0) -> "Reading":
        """Let `seconds` pass, look at the folders again and read all there is."""
        self.clock.sleep(seconds)
        self.exporter.drain()
        self.exporter.drain()  # a truncation is noticed by the first look, and followed by the second
        return self

    def kill(self) -> None:
        """Leave without saving, as after kill -9."""
        for log in self.exporter.logs:
            log.source.close()
        if self._state is not None:
            self._state.close()

    def value(self, name: str, **labels: str) -> float:
        """Return the value of one series; 0 where there is none, as for a counter that nothing has hit."""
        return self.series(name).get(tuple(sorted(labels.items())), 0.0)

    def series(self, name: str) -> Mapping[tuple[tuple[str, str], ...], float]:
        """Return every series of a name, by its labels without `log`, which must be one only."""
        found: dict[tuple[tuple[str, str], ...], float] = {}
        for family in self.registry.collect():
            for sample in family.samples:
                if sample.name == name:
                    labels = {key: value for key, value in sample.labels.items() if key != "log"}
                    key = tuple(sorted(labels.items()))
                    assert key not in found
                    found[key] = sample.value
        return found

    @property
    def lines(self) -> int:
        """How many entries have been counted."""
        return int(sum(self.series("specter_log_lines_total").values()))


def numbered(first: int, count: int, *, word: str = "line") -> str:
    """Return `count` JSON lines, each different."""
    lines = (f'{{"level":"info","msg":"{word} {n}","n":{n}}}\n' for n in range(first, first + count))
    return "".join(lines)
