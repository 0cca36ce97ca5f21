"""Counting HTTP requests by source and by class of client."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from specter_exporters.addresses import columns
from specter_exporters.signin.attacks import SURGE_KINDS, Suspicions, machine_requests, surges
from specter_exporters.signin.panes import RequestPane
from specter_exporters.signin.pictures import RequestPicture, picture_of_requests
from specter_exporters.signin.settings import Settings
from specter_exporters.signin.user_agents import UserAgents
from specter_exporters.signin.window import SlidingWindow, Usual, in_panes

Request = tuple[float, str, str | None]  # monotonic time, source, agent


@dataclass(frozen=True, slots=True)
class RequestView:
    """What is exposed of the requests."""

    classes: dict[str, int]
    picture: RequestPicture
    suspected: dict[str, bool]


class RequestCounter:
    """Count requests; not thread-safe.

    Args:
        settings: sizes, window and rules.
        agents: classifies user agents.
    """

    def __init__(self, settings: Settings, agents: UserAgents) -> None:
        self._rules = settings.rules
        self._agents = agents
        self._window = SlidingWindow(
            lambda: RequestPane(settings.keep), settings.panes, settings.window_seconds / settings.panes
        )
        self._usual = Usual(settings.panes, half_life=6 * settings.panes)
        self._suspicions = Suspicions(SURGE_KINDS, settings.rules.quiet_seconds)
        self._classes: Counter[str] = Counter()

    def count(self, requests: Sequence[Request], now: float) -> None:
        """Count `requests`, in any order, at `now` (monotonic seconds)."""
        classify = self._agents.classify
        for number, entries in in_panes(self._window, requests):
            classes: Counter[str] = Counter([classify(each[2]) for each in entries])
            self._classes.update(classes)
            self._window.advance(number, self._pane_finished)
            pane = self._window.pane(number)
            if pane is not None:
                pane.add(columns([each[1] for each in entries]), classes)
        self._window.advance(self._window.number(now), self._pane_finished)

    def view(self, now: float) -> RequestView:
        """Judge the window at `now` (monotonic seconds), and return what is exposed."""
        picture = self._judge(now)
        return RequestView(dict(self._classes), picture, self._suspicions.active)

    def _pane_finished(self, end: float) -> None:
        picture = self._judge(end)
        values = {"requests": float(picture.requests), "machines": float(machine_requests(picture))}
        if self._window.full:
            self._usual.learn(values, suspected=any(self._suspicions.active.values()))

    def _judge(self, now: float) -> RequestPicture:
        picture = picture_of_requests(self._window.live)
        self._suspicions.update(lambda scale: surges(picture, self._usual, self._rules, scale), now)
        return picture
