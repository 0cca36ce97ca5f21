"""Counters that outlive workers, brokers and this process, and since when heads of queues have been seen."""

import json
from collections.abc import Mapping
from typing import Any

from specter_core.files import replace_file
from specter_exporters.held_folder import HeldFolder, StateError

FORMAT = 1
FILE = "queues.json"
FORGET_AFTER = 7 * 86400.0
"""Seconds after which what was not touched is forgotten: names of queues may be made up anew each day."""
_BETWEEN = "\x1f"


def key(*parts: str) -> str:
    """Return the key of an entry."""
    return _BETWEEN.join(parts)


class Ledger:
    """Named numbers with the time that they were last touched.

    Args:
        entries: what was saved.
    """

    def __init__(self, entries: Mapping[str, tuple[float, float]] | None = None) -> None:
        self._entries = dict(entries or {})
        self._changed = False

    def get(self, name: str, now: float) -> float | None:
        """Return an entry, None if there is none."""
        entry = self._entries.get(name)
        if entry is None:
            return None
        # Once an hour is enough to be remembered.
        if now - entry[1] > 3600:
            self.put(name, entry[0], now)
        return entry[0]

    def put(self, name: str, value: float, now: float) -> None:
        """Set an entry."""
        self._entries[name] = (value, now)
        self._changed = True

    def drop(self, name: str) -> None:
        """Forget an entry, if it is there."""
        self._changed |= self._entries.pop(name, None) is not None

    def add(self, name: str, more: float, now: float) -> float:
        """Add to a counter, which begins at 0; return it."""
        before = self.get(name, now)
        if before is not None and not more:
            return before
        total = (before or 0.0) + more
        self.put(name, total, now)
        return total

    def follow(self, name: str, raw: float, now: float, epoch: str = "") -> float:
        """Count on by what `raw`, the broker's own counter, grew since; return the counter.

        The first value of an epoch counts as it is: it is what was counted so far. A smaller one
        than before began anew, as Prometheus' `rate` takes it.
        """
        place = key("raw", epoch, name)
        before = self.get(place, now)
        if before != raw:
            self.put(place, raw, now)
        grown = raw if before is None or raw < before else raw - before
        return self.add(name, grown, now)

    def forget(self, now: float) -> None:
        """Forget what was not touched for long."""
        self._entries = {k: e for k, e in self._entries.items() if now - e[1] < FORGET_AFTER}

    def dump(self, now: float) -> bytes | None:
        """Return what to save, None if nothing has changed since."""
        if not self._changed:
            return None
        self._changed = False
        self.forget(now)
        return json.dumps({"format": FORMAT, "entries": self._entries}).encode()


class StateFolder(HeldFolder):
    """A folder that this process holds; made by `open`."""

    holder = "queue exporter"

    def load(self) -> Ledger:
        """Return what was saved last; an empty ledger if nothing was.

        Raises:
            StateError: it is damaged, or a later Specter wrote it.
        """
        file = self.path / FILE
        hint = f"move {file} away to begin anew"
        try:
            saved: Any = json.loads(file.read_bytes())
            if saved["format"] != FORMAT:
                raise StateError(f"{file}: this Specter knows format {FORMAT} only; {hint}")
            return Ledger({str(k): (float(value), float(at)) for k, (value, at) in saved["entries"].items()})
        except FileNotFoundError:
            return Ledger()
        except OSError as error:
            raise StateError(f"{file}: cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateError(f"{file}: is damaged; {hint}") from error

    def save(self, data: bytes) -> None:
        """Put `data` in the place of what was saved, in one step.

        Raises:
            OSError: it cannot be written; what was saved before is still there.
        """
        # A scrape cannot wait for the disk; a power cut may cost some seconds' counts.
        replace_file(self.path / FILE, [data], durable=False)
