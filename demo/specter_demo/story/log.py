"""What has happened so far, in sentences."""

import threading

from rich.console import Console
from rich.text import Text

from specter_core.clock import Clock


class Log:
    """Sentences with their times; printed as they come unless the live view shows them.

    Attributes:
        lines: (epoch seconds, sentence), oldest first.
        quiet: whether nothing is printed.
    """

    def __init__(self, console: Console, clock: Clock, started: float) -> None:
        self._console = console
        self._clock = clock
        self._started = started
        self._lock = threading.Lock()
        self.lines: list[tuple[float, str]] = []
        self.quiet = False

    def __call__(self, sentence: str) -> None:
        """Add a sentence."""
        now = self._clock.time()
        with self._lock:
            self.lines.append((now, sentence))
        if not self.quiet:
            # As Text: a sentence may quote [brackets], which are no markup.
            line = Text.assemble((f"{now - self._started:5.0f} s", "dim"), "  ", sentence)
            self._console.print(line, highlight=False, soft_wrap=True)
