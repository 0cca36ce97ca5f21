"""What was refused: counted by reason, and told once to whoever reads the log."""

import logging
import threading
from collections.abc import Mapping

from specter_exporters.business.validation import REASONS, EventRefusedError

DEFECT = "defect"
MAX_TOLD = 100


class Refusals:
    """Counts refused events; shared by all threads."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._lock = threading.Lock()
        self._counts = dict.fromkeys((*REASONS, DEFECT), 0)
        self._told: set[str] = set()

    def count(self, error: EventRefusedError) -> None:
        """Count a refused event; a reason of failure that only `strict` refuses is an invalid value."""
        reason = error.reason if error.reason in self._counts else "invalid_value"
        with self._lock:
            self._counts[reason] += 1

    def defect(self) -> None:
        """Count an event that was lost by a defect of ours."""
        with self._lock:
            self._counts[DEFECT] += 1

    def log(self, error: EventRefusedError) -> None:
        """Log a refused event, unless the same was logged before; at most `MAX_TOLD` ever."""
        text = str(error)
        with self._lock:
            if text in self._told or len(self._told) >= MAX_TOLD:
                return
            self._told.add(text)
        self._logger.warning("a business event is refused (this is said once): %s", text)

    def counts(self) -> Mapping[tuple[str, ...], float]:
        """Return the numbers by reason, as labels."""
        with self._lock:
            return {(reason,): float(count) for reason, count in self._counts.items()}
