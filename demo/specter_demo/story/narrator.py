"""Walk through the story: wait for quiet, inject the fault, note each stage."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault
from specter_demo.story.observe import Observation, alert_fires, notified_at, observe, score_is_up
from specter_demo.story.prometheus import PrometheusClient
from specter_demo.story.timeline import SENTENCES, Timeline

QUIET_SECONDS = 20.0
READY_SECONDS = 120.0
STAGE_SECONDS = 240.0
EXPECTED_SERIES = 5  # no fewer than the shop's routes


class Phase(StrEnum):
    """Where the story stands."""

    LEARNING = "the detector learns"
    QUIET = "all is well"
    FAULT = "the fault is in"
    NOTIFIED = "noticed and delivered"
    CLEARED = "the fault is cleared"
    FAILED = "a stage is missing"


@dataclass(slots=True)
class Narrator:
    """A state machine that `tick` moves once a second; it never blocks for long.

    Attributes:
        hold_seconds: how long the fault stays after the notification; None leaves it in.
    """

    client: PrometheusClient
    control: Control
    fault: Fault
    timeline: Timeline
    notifications: Path
    clock: Clock
    say: Callable[[str], None]
    hold_seconds: float | None = None
    phase: Phase = Phase.LEARNING
    problem: str = ""
    _since: float = field(default=0.0, init=False)
    _opened: float = field(default=0.0, init=False)
    _injection: threading.Thread | None = field(default=None, init=False)

    def tick(self) -> Observation:
        """Look at everything once and move on if it is time; return what was seen."""
        now = self.clock.time()
        if not self._opened:
            self._opened = self._since = now
        seen = observe(self.client, self._opened)
        match self.phase:
            case Phase.LEARNING | Phase.QUIET:
                self._wait_for_quiet(seen, now)
            case Phase.FAULT:
                self._note_stages(now)
            case Phase.NOTIFIED:
                self._hold(now)
            case _:
                pass
        return seen

    @property
    def over(self) -> bool:
        """Whether nothing more is going to happen."""
        return self.phase in {Phase.FAILED, Phase.CLEARED} or (
            self.phase is Phase.NOTIFIED and self.hold_seconds is None
        )

    def _wait_for_quiet(self, seen: Observation, now: float) -> None:
        highest = seen.highest
        alerting = any(alert.name == self.fault.alert for alert in seen.alerts)
        enough = highest is not None and len(seen.scores) >= EXPECTED_SERIES
        calm = enough and highest is not None and highest[1] <= 1.0 and not alerting
        if calm and self.phase is Phase.LEARNING:
            self._enter(Phase.QUIET, now)
            self.timeline.ready = now
            self.say(f"{len(seen.scores)} series are scored, all quiet")
        elif not calm and self.phase is Phase.QUIET:
            self._enter(Phase.LEARNING, now)
        elif self.phase is Phase.QUIET and now - self._since >= QUIET_SECONDS:
            self._inject(now)
        elif self.phase is Phase.LEARNING and now - self._since > READY_SECONDS:
            shown = "nothing is scored" if highest is None else f"{highest[0]} scores {highest[1]:.2f}"
            shown += f", {self.fault.alert} is up" if alerting else ""
            self._fail(f"the scores were not quiet within {READY_SECONDS:.0f} s: {shown}")

    def _inject(self, now: float) -> None:
        self._enter(Phase.FAULT, now)
        self.timeline.injected = now
        self.say(f"fault: {self.fault.name}, {self.fault.summary}")
        # A release takes a second or two, in which the screen goes on.
        self._injection = threading.Thread(target=self._run_injection, name="injection", daemon=True)
        self._injection.start()

    def _run_injection(self) -> None:
        try:
            self.say(self.fault.inject(self.control))
        except SpecterError as error:
            self._fail(f"{self.fault.name} could not be injected: {error}")

    def _note_stages(self, now: float) -> None:
        injected = self.timeline.injected or now
        if score_is_up(self.client, self.fault, injected):
            self._reach("score", now)
        if alert_fires(self.client, self.fault, injected):
            self._reach("alert", now)
        delivered = notified_at(self.notifications, self.fault, injected)
        if delivered is not None:
            self._reach("notification", delivered)
        if self.timeline.complete:
            self._enter(Phase.NOTIFIED, now)
        elif now - injected > STAGE_SECONDS:
            missing = ", ".join(SENTENCES[s] for s in SENTENCES if s not in self.timeline.reached)
            self._fail(f"within {STAGE_SECONDS:.0f} s of the fault this did not happen: {missing}")

    def _reach(self, stage: str, when: float) -> None:
        if self.timeline.reach(stage, when):
            self.say(f"{SENTENCES[stage]} after {self.timeline.seconds_after_fault(stage):.1f} s")

    def _hold(self, now: float) -> None:
        if self.hold_seconds is not None and now - self._since >= self.hold_seconds:
            self._enter(Phase.CLEARED, now)
            self.say(self.fault.clear(self.control))

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self._since = phase, now

    def _fail(self, problem: str) -> None:
        self.phase, self.problem = Phase.FAILED, problem
        self.say(problem)
