"""What happens to the entries of one log: read, counted by level, shown to every rule, mined if an error."""

import logging
from collections.abc import Sequence
from typing import get_args

from specter_core.metrics import LOG_CUT_LINES, LOG_FUTURE_TIMESTAMPS, LOG_LINES, LOG_MALFORMED_LINES
from specter_exporters.logs.fields import Fields, first_of
from specter_exporters.logs.formats.model import Reason
from specter_exporters.logs.levels import ALL, ERRORS, UNKNOWN, LevelNames
from specter_exporters.logs.rules.errors import Mined
from specter_exporters.logs.rules.model import Context, Rule
from specter_exporters.logs.series import Cell
from specter_exporters.logs.tail.lines import OddLine
from specter_exporters.logs.times import FUTURE, parse_time

LOGGER = logging.getLogger(__name__)
DEFECT = "defect"


class Pipeline:
    """Counts the entries of one log.

    Args:
        context: of the log.
        rules: are shown each entry.
        mined: is shown each error entry; None where errors are not mined.
        level: path of the level, if the configuration names one.
        time: path of the time, likewise.
    """

    def __init__(
        self,
        context: Context,
        rules: Sequence[Rule],
        mined: Mined | None,
        *,
        level: str | None = None,
        time: str | None = None,
    ) -> None:
        form, store, log = context.format, context.store, context.log
        self._parse = form.parse
        self._rules = tuple(rules)
        self._mined = mined
        self._get_level = first_of([level] if level is not None else form.level)
        self._get_time = first_of([time] if time is not None else form.time)
        self._default = form.default_level
        self._names = LevelNames()
        lines = store.counters(LOG_LINES, log)
        self._lines: dict[str, Cell] = {name: lines.find(name)[0] for name in ALL}
        self._malformed = store.counters(LOG_MALFORMED_LINES, log)
        for reason in get_args(Reason):
            # There from the start: a counter that appears with its first event shows no increase.
            self._malformed.find(reason)
        self._cut = store.counters(LOG_CUT_LINES, log).find()[0]
        self._future = store.counters(LOG_FUTURE_TIMESTAMPS, log).find()[0]
        self._watch = context.watch
        self._log = log
        self._told = False
        self.newest: float | None = None

    def process(self, entries: Sequence[bytes], now: float) -> None:
        """Count `entries`.

        Args:
            entries: without their ends.
            now: Unix time (s).
        """
        parse, get_level, names, lines = self._parse, self._get_level, self._names, self._lines
        rules, mined, default = self._rules, self._mined, self._default
        watch = self._watch
        last: Fields | None = None
        for raw in entries:
            if type(raw) is not bytes and not self._usable(raw):
                continue
            fields = parse(raw)
            if isinstance(fields, str):
                self._refuse(raw, fields)
                continue
            value = get_level(fields)
            level = default if value is None else names(value)
            lines[level][0] += 1
            last = fields
            given_up = watch.given_up
            try:
                for rule in rules:
                    rule(fields)
                if level in ERRORS and mined is not None:
                    mined(fields, level, now)
            except Exception as error:  # noqa: BLE001  (one line must not end the reading of all)
                self._defect(error)
            if watch.given_up != given_up:
                self._malformed.add(1, "time_limit")
        if last is not None:
            self._look_at_time(last, now)

    def _usable(self, raw: bytes) -> bool:
        """Count what is odd about a line; return whether it can be looked at."""
        if not isinstance(raw, OddLine):
            return True
        if raw.reason == "too_long":
            self._cut[0] += 1
        if not raw.usable:
            self._refuse(raw, raw.reason)
        return raw.usable

    def _refuse(self, raw: bytes, reason: Reason) -> None:
        self._lines[UNKNOWN][0] += 1
        self._malformed.add(1, raw.reason if isinstance(raw, OddLine) else reason)

    def _defect(self, error: Exception) -> None:
        """Count an entry on which our own code failed, and tell of the first one."""
        self._malformed.add(1, DEFECT)
        if not self._told:
            self._told = True
            LOGGER.error(
                "log %s: an entry could not be counted; further ones are counted as defect",
                self._log,
                exc_info=error,
            )

    def _look_at_time(self, fields: Fields, now: float) -> None:
        """Look at the time of the last entry of a batch; that of each would cost more than counting it."""
        moment = parse_time(self._get_time(fields))
        if moment is None:
            return
        if moment > now + FUTURE:
            self._future[0] += 1
        elif self.newest is None or moment > self.newest:
            self.newest = min(moment, now)
