"""Keep a signal from cutting a step in two that must not be left half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held_signals() -> Iterator[None]:
    """Deliver SIGINT, SIGTERM and SIGHUP that arrive inside the block at its end.

    A program started inside gets the default actions, not this delay. Outside
    the main thread, where Python delivers no signal, nothing is to be held.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)

    # None: a handler that was not installed from Python, which could not be put back.
    before = {number: handler for number in STOP_SIGNALS if (handler := signal.getsignal(number)) is not None}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, remember)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in arrived:
            signal.raise_signal(late)
