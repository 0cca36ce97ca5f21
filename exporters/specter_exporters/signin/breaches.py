"""Successes after a run of failures from the same source: accounts that may be in wrong hands."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from specter_exporters.signin.panes import SignInPane
from specter_exporters.signin.pictures import partners

BreachKind = Literal["many_accounts", "one_account"]


@dataclass(frozen=True, slots=True)
class Breach:
    """A success that was suspected; `account` is as the service sent it, `source` a packed address."""

    number: int
    time: float
    account: str
    source: bytes
    kind: BreachKind
    failures: int
    accounts_tried: int | None  # None: not known, too many sources failed more often


class BreachList:
    """The newest suspected breaches, and how many there have been.

    Args:
        limit: how many are remembered.
        repeat_seconds: the same account from the same source is counted once in that time.
    """

    def __init__(self, limit: int, repeat_seconds: float) -> None:
        self._found: deque[Breach] = deque(maxlen=limit)
        self._last: dict[tuple[bytes, str], float] = {}
        self._limit = limit
        self._repeat = repeat_seconds
        self.total = 0

    def add(
        self, time: float, source: bytes, account: str, kind: BreachKind, failures: int, tried: int | None
    ) -> None:
        """Remember a breach at `time` (Unix seconds), unless it is a repetition."""
        key = (source, account)
        last = self._last.pop(key, None)
        self._last[key] = time
        if last is not None and time - last < self._repeat:
            return
        if len(self._last) > self._limit:
            del self._last[next(iter(self._last))]
        self.total += 1
        self._found.append(Breach(self.total, time, account, source, kind, failures, tried))

    def page(self, limit: int, before: int | None = None) -> list[Breach]:
        """Return up to `limit` breaches with numbers below `before`, the newest first."""
        older = (each for each in reversed(self._found) if before is None or each.number < before)
        return [breach for breach, _ in zip(older, range(limit), strict=False)]


def suspect(
    panes: Sequence[SignInPane], source: bytes, account: str, least: int, later: int, later_same: int
) -> tuple[BreachKind, int, int | None] | None:
    """Judge a success of `account` from `source`.

    Suspected is one after `least` failures of the same account from there (`one_account`), and one after
    `least` failures from there with twice as many accounts as succeeded from there (`many_accounts`).
    Counting accounts, not attempts, sees through an attacker who signs in to one of their own in between.
    Of a source whose accounts are not counted, because so many others failed more often, the run is enough.

    Args:
        panes: the window; counts may hold failures that came after the success.
        source: a packed address.
        account: who succeeded.
        least: the length of a run.
        later: failures from the source after the success, that are counted in `panes`.
        later_same: those of them that are of this account.

    Returns:
        Kind, failures from the source and accounts tried; None if nothing is suspected.
    """
    failures = sum(pane.by_address.counts.count(source) for pane in panes) - later
    if failures < least:
        return None
    parts = [pane.by_address for pane in panes]
    if not any(source in part.tracked for part in parts):
        return "many_accounts", failures, None
    tried, succeeded = partners(parts, source)
    same = sum(pane.pairs.count((source, account)) for pane in panes) - later_same
    if same >= least:
        return "one_account", failures, tried
    return ("many_accounts", failures, tried) if tried >= 2 * max(succeeded, 1) else None
