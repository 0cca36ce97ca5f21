"""Counting attempts to sign in: batches into panes, breaches out of them, attacks judged."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from specter_exporters.addresses import client, columns, packed
from specter_exporters.signin.attacks import ATTACK_KINDS, Suspicions, attacks
from specter_exporters.signin.breaches import BreachList, RunJudge
from specter_exporters.signin.outcomes import SUCCESS
from specter_exporters.signin.panes import SignInPane
from specter_exporters.signin.pictures import SignInPicture, picture_of_signins
from specter_exporters.signin.settings import Settings
from specter_exporters.signin.user_agents import UserAgents
from specter_exporters.signin.window import SlidingWindow, Usual, in_panes

Attempt = tuple[float, str, str | None, str, str | None]  # monotonic time, source, account, outcome, agent


@dataclass(frozen=True, slots=True)
class SignInView:
    """What is exposed of the attempts."""

    outcomes: dict[str, int]
    agent_failures: dict[str, int]
    picture: SignInPicture
    suspected: dict[str, bool]
    breaches: int


class SignInCounter:
    """Count attempts; not thread-safe.

    Args:
        settings: sizes, window and rules.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._window = SlidingWindow(
            lambda: SignInPane(settings.keep, settings.track),
            settings.panes,
            settings.window_seconds / settings.panes,
        )
        self._usual = Usual(settings.panes, half_life=6 * settings.panes)
        self._suspicions = Suspicions(ATTACK_KINDS, settings.rules.quiet_seconds)
        self._outcomes: Counter[str] = Counter()
        self._agent_failures: Counter[str] = Counter()
        self.breaches = BreachList(settings.breaches, settings.window_seconds)

    def count(self, attempts: Sequence[Attempt], agents: UserAgents, now: float, offset: float) -> None:
        """Count `attempts`.

        Args:
            attempts: in any order; those that are older than the window change the totals only.
            agents: classifies user agents.
            now: monotonic seconds.
            offset: what has to be added to monotonic seconds to make Unix seconds of them.
        """
        self._outcomes.update([attempt[3] for attempt in attempts])
        # A scrape may be the first to look after a pane ended, so a batch can belong to several.
        for number, entries in in_panes(self._window, attempts):
            self._window.advance(number, self._pane_finished)
            pane = self._window.pane(number)
            if pane is not None:
                self._count_in(pane, entries, offset)
        self._agent_failures.update(
            [agents.classify(each[4]) for each in attempts if each[4] is not None and each[3] != SUCCESS]
        )
        self._window.advance(self._window.number(now), self._pane_finished)

    def view(self, now: float) -> SignInView:
        """Judge the window at `now` (monotonic seconds), and return what is exposed."""
        live = self._window.live
        picture = self._judge(live[-2], now)
        return SignInView(
            dict(self._outcomes),
            dict(self._agent_failures),
            picture,
            self._suspicions.active,
            self.breaches.total,
        )

    def _count_in(self, pane: SignInPane, attempts: Sequence[Attempt], offset: float) -> None:
        pane.outcomes.update([attempt[3] for attempt in attempts])
        failed = [attempt for attempt in attempts if attempt[3] != SUCCESS]
        if failed:
            pane.fail(columns([each[1] for each in failed]), [each[2] for each in failed])
        if len(failed) == len(attempts):
            return
        succeeded = [attempt for attempt in attempts if attempt[3] == SUCCESS]
        keys = columns([each[1] for each in succeeded])
        pane.succeed(keys, [each[2] for each in succeeded])
        self._find_breaches(attempts, keys[0], offset)

    def _find_breaches(self, attempts: Sequence[Attempt], addresses: Sequence[bytes], offset: float) -> None:
        """Judge the successes among `attempts`; `addresses` are theirs."""
        judge = RunJudge(self._window.live, self._settings.rules.breach_failures)
        runs = judge.suspects(map(client, addresses))
        if not runs:
            return
        failures: dict[bytes | tuple[bytes, str | None], list[tuple[float, int]]] = defaultdict(list)
        # The last success of each account is after the most failures; there may be any number of them.
        last: dict[tuple[bytes, str], tuple[float, int]] = {}
        for place, (time, source, account, outcome, _) in enumerate(attempts):
            address = client(packed(source))
            if address not in runs:
                continue
            if outcome != SUCCESS:
                failures[address].append((time, place))
                failures[address, account].append((time, place))
            elif account is not None:
                last[address, account] = max(last.get((address, account), (time, place)), (time, place))
        for times in failures.values():
            times.sort()
        for (address, account), when in last.items():
            later = _later(failures[address], when)
            before = runs[address] - later
            found = judge.judge(address, account, before, _later(failures[address, account], when))
            if found is not None:
                kind, tried = found
                self.breaches.add(when[0] + offset, address, account, kind, before, tried)

    def _pane_finished(self, end: float) -> None:
        picture = self._judge(self._window.live[-1], end)
        values = {"accounts": float(picture.accounts), "recent_successes": float(picture.recent_successes)}
        if self._window.full:
            self._usual.learn(values, suspected=any(self._suspicions.active.values()))

    def _judge(self, full: SignInPane, now: float) -> SignInPicture:
        picture = picture_of_signins(self._window.live, full)
        rules = self._settings.rules
        self._suspicions.update(lambda scale: attacks(picture, self._usual, rules, scale), now)
        return picture


def _later(times: list[tuple[float, int]], than: tuple[float, int]) -> int:
    return len(times) - bisect_right(times, than)
