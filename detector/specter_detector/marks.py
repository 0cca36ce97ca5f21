"""Up to which tick each job's outputs have been written: no time is written twice."""

import logging
from collections.abc import Iterable
from math import inf

from specter_detector.outputs import Written
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Destination

LOGGER = logging.getLogger(__name__)
ANOTHER_CLOCK = 7200.0
"""Seconds: what was written further ahead was written under a wrong clock, and the server decides."""


class Marks:
    """The newest tick of each job, in this process and in those before it."""

    def __init__(self, keys: Iterable[str], writer: Destination, telemetry: Telemetry, now: float) -> None:
        self._writer = writer
        self._telemetry = telemetry
        self._before = dict.fromkeys(keys, -inf)
        self._own = dict(self._before)
        for key in self._before:
            at = writer.last_tick(key)
            if at is not None:
                # A tick that is yet to come was written under another clock.
                (self._before if at <= now else self._own)[key] = at
        self._back = False

    def write(self, key: str, at: float, written: Written) -> None:
        """Hand over what job `key` has to say of `at` (Unix s), unless it has said something of it.

        That may have been something else: an earlier process had a state that was never saved, and a clock
        that is set back comes to the same time again. The server would refuse a second value.
        """
        if at <= self._before[key]:
            return
        ahead = self._own[key] - at
        if 0 <= ahead <= ANOTHER_CLOCK:
            self._set_back(ahead, written)
            return
        if self._back:
            self._back = False
            LOGGER.info("the clock is past what has been written: scores are written again")
        if written.samples:
            self._own[key] = at
        self._writer.enqueue(key, at, [written])

    def _set_back(self, ahead: float, written: Written) -> None:
        self._telemetry.dropped("out_of_order", written.samples)
        if not self._back:
            self._back = True
            LOGGER.warning(
                "the clock was set back: scores are written again when it is past what has been, in %.0f s",
                ahead,
            )
