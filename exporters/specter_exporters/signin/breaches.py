"""Successes after a run of failures from the same source: accounts that may be in wrong hands."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from specter_exporters.addresses import INVALID
from specter_exporters.signin.panes import SignInPane
from specter_exporters.signin.partners import PartneredItems
from specter_exporters.signin.pictures import partners

BreachKind = Literal["many_accounts", "one_account"]


@dataclass(frozen=True, slots=True)
class Breach:
    """A success that was suspected; `account` is as the service sent it, `source` a client's key."""

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


class RunJudge:
    """Judge the successes of one batch by the runs of failures before them.

    Suspected is a success after `least` failures of the same account from the same source (`one_account`),
    and one after `least` failures from there with twice as many accounts as succeeded from there
    (`many_accounts`). Counting accounts, not attempts, sees through an attacker who signs in to one of
    their own in between. Of a source whose accounts are not counted, because so many others failed more
    often, the run is enough.

    A source is a client: an IPv4 address or an IPv6 /64, see `addresses.client`.

    Args:
        panes: the window, with the failures of the batch counted.
        least: the length of a run.
    """

    def __init__(self, panes: Sequence[SignInPane], least: int) -> None:
        self._panes = panes
        self._least = least
        self._accounts: dict[bytes, tuple[int, int] | None] = {}

    def suspects(self, sources: Iterable[bytes]) -> dict[bytes, int]:
        """Return those of `sources` whose failures are a run, and the failures."""
        distinct = {source for source in sources if source != INVALID}
        seen: set[bytes] = set()
        for pane in self._panes:
            seen |= pane.by_address.counts.known(distinct) | pane.by_network.counts.known(distinct)
        runs = {source: sum(part.counts.count(source) for part in self._parts(source)) for source in seen}
        return {source: failures for source, failures in runs.items() if failures >= self._least}

    def judge(
        self, source: bytes, account: str, failures: int, same_later: int
    ) -> tuple[BreachKind, int | None] | None:
        """Return the kind and the accounts tried if a success is suspected.

        Args:
            source: a client.
            account: who succeeded.
            failures: those from there before the success.
            same_later: failures of the account from there that came after it, and are counted already.
        """
        if failures < self._least:
            return None
        if source not in self._accounts:
            parts = self._parts(source)
            tracked = any(source in part.tracked for part in parts)
            self._accounts[source] = partners(parts, source) if tracked else None
        accounts = self._accounts[source]
        if accounts is None:
            return "many_accounts", None
        tried, succeeded = accounts
        # Those that failed after the success are counted already, and it is an estimate.
        tried = min(tried, failures)
        if sum(pane.pairs.count((source, account)) for pane in self._panes) - same_later >= self._least:
            return "one_account", tried
        return ("many_accounts", tried) if tried >= 2 * max(succeeded, 1) else None

    def _parts(self, source: bytes) -> list[PartneredItems[bytes]]:
        """Return where the failures of `source` are counted: no address has as many bytes as a /64."""
        return [pane.by_network if len(source) == 8 else pane.by_address for pane in self._panes]
