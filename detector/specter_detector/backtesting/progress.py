"""A progress bar on standard error for what takes longer than two seconds; none where nobody watches."""

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TextIO

import click

QUIET_SECONDS = 2.0
PARTS = 1000


class Progress:
    """Takes shares of the work that are done; without a terminal it says nothing.

    Args:
        label: what is being done.
        stream: where it is drawn.
        monotonic: tells seconds.
    """

    def __init__(
        self, label: str, stream: TextIO | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._label = label
        self._stream = stream or sys.stderr
        self._monotonic = monotonic
        self._begun = monotonic()
        self._done = 0.0
        self._drawn = 0
        self._bar: Any = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the line, if one was begun."""
        if self._bar is not None:
            self._bar.render_finish()

    def advance(self, share: float) -> None:
        """Note that `share` (0…1) more of the work is done."""
        self._done = min(1.0, self._done + share)
        if self._bar is None:
            if not self._stream.isatty() or self._monotonic() - self._begun < QUIET_SECONDS:
                return
            self._bar = click.progressbar(length=PARTS, label=self._label, file=self._stream)
            self._bar.__enter__()
        steps = round(self._done * PARTS) - self._drawn
        if steps > 0:
            self._bar.update(steps)
            self._drawn += steps
