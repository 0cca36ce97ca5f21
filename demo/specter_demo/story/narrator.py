"""Walk through the story: wait for quiet, inject the fault, note each stage."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from specter_core.clock import Clock
from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault
from specter_demo.history.views import DEVICES, PAGES, WATCHED
from specter_demo.story.background import Background
from specter_demo.story.observe import (
    NOTHING,
    SHOP,
    Observation,
    alert_fires,
    family_alert,
    is_over,
    notified_at,
    observe,
    score_is_up,
)
from specter_demo.story.prometheus import PrometheusClient, PrometheusError
from specter_demo.story.timeline import SENTENCES, Timeline
from specter_demo.traffic.shape import ROUTES

QUIET_SECONDS = 20.0
# Rules look back over five minutes: an alert on what the run before broke may be up for so long.
READY_SECONDS = 360.0
PATIENCE_SECONDS = 420.0  # with scores that are quiet now and then, but never for long enough
STAGE_SECONDS = 300.0  # after the injection, for each stage
OUTAGE_SECONDS = 60.0
# Rate, error ratio and p95 of the shop as a whole and of each route; vitals by page and device.
EXPECTED_SERIES = 3 * (1 + len(ROUTES)) + len(WATCHED) * len(PAGES) * len(DEVICES)


class Phase(StrEnum):
    """Where the story stands."""

    LEARNING = "the detector learns"
    QUIET = "all is well"
    FAULT = "the fault is in"
    NOTIFIED = "noticed and delivered"
    CLEARED = "the fault is cleared"
    RECOVERED = "all is well again"
    FAILED = "a stage is missing"


@dataclass(slots=True)
class Narrator:
    """A state machine that `tick` moves once a second; it waits for nothing but Prometheus' answers.

    Attributes:
        hold_seconds: how long the fault stays after the notification; None leaves it in.
        problem: why the story failed, empty unless it did.
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
    _opened: float | None = field(default=None, init=False)
    _away_since: float | None = field(default=None, init=False)
    _seen: Observation = field(default=NOTHING, init=False)
    _injection: Background | None = field(default=None, init=False)
    _clearing: Background | None = field(default=None, init=False)

    def tick(self) -> Observation:
        """Look at everything once and move on if it is time; return what was seen last.

        A Prometheus that does not answer is borne with for `OUTAGE_SECONDS`.
        """
        now = self.clock.time()
        if self._opened is None:
            self._opened = self._since = now
        self._report_background(now)
        try:
            self._seen = observe(self.client, self._opened)
            self._move(self._seen, now, now - self._opened)
        except PrometheusError as error:
            self._bear_outage(error, now)
        else:
            self._end_outage()
        if self.phase is Phase.NOTIFIED:
            self._hold(now)
        return self._seen

    @property
    def over(self) -> bool:
        """Whether nothing more is going to happen."""
        return self.phase in {Phase.FAILED, Phase.RECOVERED} or (
            self.phase is Phase.NOTIFIED and self.hold_seconds is None
        )

    def _move(self, seen: Observation, now: float, age: float) -> None:
        if self.phase in {Phase.LEARNING, Phase.QUIET}:
            self._wait_for_quiet(seen, now, age)
        elif self.phase is Phase.FAULT:
            self._note_stages(now)
        elif self.phase is Phase.CLEARED:
            self._wait_for_end(now)

    def _wait_for_quiet(self, seen: Observation, now: float, age: float) -> None:
        reason = self._unrest(seen)
        if self.phase is Phase.QUIET:
            if reason:
                self._wait_again(f"{reason}: waiting for quiet again", now)
            elif now - self._since >= QUIET_SECONDS:
                self._inject(now)
        elif not reason:
            self._enter(Phase.QUIET, now)
            self.timeline.ready = now
            self.say(f"{len(seen.scores)} series are scored, all quiet")
        elif now - self._since > READY_SECONDS or age > PATIENCE_SECONDS:
            self._fail(f"the scores were not quiet for {QUIET_SECONDS:.0f} s within {age:.0f} s: {reason}")

    def _unrest(self, seen: Observation) -> str:
        """Return why it is not quiet, empty when it is."""
        highest = seen.highest
        if highest is None:
            return "nothing is scored"
        if highest[1] > 1.0:
            return f"{highest[0]} scores {highest[1]:.2f}"
        told_by = {self.fault.alert, *self.fault.family_alerts}
        for alert in seen.alerts:
            # Another service's anomaly is no part of this story, nor that of what was learnt in earlier runs.
            if alert.name in told_by and alert.service == SHOP and alert.has_past:
                return f"{alert.name} is up"
        if len(seen.scores) < EXPECTED_SERIES:
            return f"only {len(seen.scores)} series are scored"
        return ""

    def _wait_again(self, sentence: str, now: float) -> None:
        self._enter(Phase.LEARNING, now)
        self.timeline.ready = None
        self.say(sentence)

    def _inject(self, now: float) -> None:
        self._enter(Phase.FAULT, now)
        self.timeline.injected = now
        self.say(f"fault: {self.fault.name}, {self.fault.summary}")
        # A release takes a second or two, in which the screen goes on.
        self._injection = Background("injection", lambda: self.fault.inject(self.control))

    def _note_stages(self, now: float) -> None:
        injected = self.timeline.injected or now
        if self.fault.expects and score_is_up(self.client, self.fault, injected):
            self._reach("score", self.clock.time())
        if alert_fires(self.client, self.fault, injected):
            self._reach("alert", self.clock.time())
        delivered = notified_at(self.notifications, self.fault, injected)
        if delivered is not None:
            self._reach("notification", delivered)
        family = family_alert(self.client, self.fault, injected)
        if family is not None:
            self._reach("family_alert", self.clock.time(), f": {family}")
        if self.timeline.complete:
            self._enter(Phase.NOTIFIED, now)
        elif now - injected > STAGE_SECONDS:
            missing = ", ".join(SENTENCES[stage] for stage in self.timeline.missing)
            self._fail(f"within {STAGE_SECONDS:.0f} s of the fault this did not happen: {missing}")

    def _wait_for_end(self, now: float) -> None:
        if is_over(self.client, self.fault, self.timeline.injected or self._since, self._since):
            self.say(f"{self.fault.end} {now - self._since:.1f} s later")
            self._enter(Phase.RECOVERED, now)

    def _reach(self, stage: str, when: float, which: str = "") -> None:
        if self.timeline.reach(stage, when):
            self.say(f"{SENTENCES[stage]} after {self.timeline.seconds_after_fault(stage):.1f} s{which}")

    def _hold(self, now: float) -> None:
        if (
            self._clearing is None
            and self.hold_seconds is not None
            and now - self._since >= self.hold_seconds
        ):
            self._clearing = Background("clearing", lambda: self.fault.clear(self.control))

    def _report_background(self, now: float) -> None:
        """Say what the injection or the clearing came to, once it has ended."""
        if self._injection is not None and self._injection.done():
            self._tell(self._injection, "injected")
            self._injection = None
        if self._clearing is not None and self._clearing.done():
            self._enter(Phase.CLEARED, now)
            self._tell(self._clearing, "cleared")
            self._clearing = None

    def _tell(self, step: Background, what: str) -> None:
        if step.problem is not None:
            self._fail(f"{self.fault.name} could not be {what}: {step.problem}")
        elif step.said is not None:
            self.say(step.said)

    def _bear_outage(self, error: PrometheusError, now: float) -> None:
        if self._away_since is None:
            self._away_since = now
            self.say(str(error))
        if self.phase is Phase.QUIET:
            self._wait_again("quiet must be seen without a break: waiting for it again", now)
        waits = self.phase in {Phase.LEARNING, Phase.FAULT}
        if waits and now - self._away_since > OUTAGE_SECONDS:
            self._fail(f"Prometheus has not answered for {now - self._away_since:.0f} s: {error}")

    def _end_outage(self) -> None:
        if self._away_since is not None:
            self._away_since = None
            self.say("Prometheus answers again")

    def _enter(self, phase: Phase, now: float) -> None:
        self.phase, self._since = phase, now

    def _fail(self, problem: str) -> None:
        self.phase, self.problem = Phase.FAILED, problem
        self.say(problem)
