"""The narrator: from learning to the notification, and every way in which that fails."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from specter_alerts.families import all_groups
from specter_core.errors import SpecterError
from specter_core.metrics import QUERY_SERIES
from specter_demo.faults import FAULTS, Fault, find_fault
from specter_demo.faults.control import Control
from specter_demo.story import narrator as narrator_module
from specter_demo.story.background import Background
from specter_demo.story.narrator import Narrator, Phase
from specter_demo.story.prometheus import PrometheusClient, PrometheusError, Sample
from specter_demo.story.timeline import Timeline, stages_of
from specter_demo.traffic.shape import ROUTES as SHOP_ROUTES

START = 1_700_000_000.0
ALIASES = ("route_latency_p95", "route_request_rate")
ROUTES = ("/", "/search", "/checkout")
OF_VIEWS = 2 * 2 * 2  # LCP and INP of two pages on two classes of devices
SCORED = (*ROUTES, *(f"/{number}" for number in range(9)))


@dataclass
class FakeClock:
    now: float = START

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class FakePrometheus:
    """Answers by what a query asks for; scores and alerts are what a test says."""

    scores: dict[tuple[str, str], float] = field(default_factory=dict)
    alerts: list[dict[str, str]] = field(default_factory=list)
    score_is_up: bool = False
    alert_fires: bool = False
    family: tuple[str, ...] = ()
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def query(self, expression: str) -> list[Sample]:
        if self.down:
            raise PrometheusError("Prometheus at http://x does not answer: ConnectionError")
        self.asked.append(expression)
        if expression.startswith('anomaly_score{service="shop",for=~'):
            return [Sample({}, 2.0 if self.score_is_up else 0.5)]
        if expression.startswith('ALERTS{alertname=~"AnomalyDetected"'):
            return [Sample({"alertname": "AnomalyDetected"}, 1.0)] if self.alert_fires else []
        if expression.startswith("ALERTS{alertname"):
            return [Sample({"alertname": name}, 1.0) for name in self.family if name in expression]
        if expression.startswith("ALERTS"):
            return [Sample(labels, 1.0) for labels in self.alerts]
        if expression.startswith("anomaly_score"):
            return [
                Sample({"for": alias, "http_route": route}, value)
                for (alias, route), value in self.scores.items()
            ]
        return [Sample({"http_route": route}, 5.0) for route in ROUTES]


@dataclass
class Story:
    narrator: Narrator
    prometheus: FakePrometheus
    clock: FakeClock
    said: list[str]
    done: list[str]

    def phase(self) -> Phase:
        return self.narrator.phase

    def over(self) -> bool:
        return self.narrator.over

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.narrator.tick()
            self.clock.now += 1.0

    def until_over(self, limit: int = 1000) -> int:
        for count in range(limit):
            if self.narrator.over:
                return count
            self.tick()
        raise AssertionError("the story does not end")

    def wait_for_background(self) -> None:
        deadline = time.monotonic() + 10
        while any(t.name in {"injection", "clearing"} for t in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def inject(self) -> None:
        """Go on to the moment when the fault is in."""
        self.tick(22)
        self.wait_for_background()
        self.tick()
        assert self.phase() is Phase.FAULT


def quiet_scores() -> dict[tuple[str, str], float]:
    of_requests = {(alias, route): 0.4 for alias in ALIASES for route in SCORED}
    return of_requests | {("frontend_lcp", f"{number}"): 0.4 for number in range(OF_VIEWS)}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return story_of(find_fault("api-latency"), tmp_path)


def story_of(fault: Fault, tmp_path: Path) -> Story:
    said: list[str] = []
    done: list[str] = []

    def act(what: str) -> Callable[[Control], str]:
        def step(_control: Control) -> str:
            done.append(what)
            return f"{what} it"

        return step

    clock, prometheus = FakeClock(), FakePrometheus(scores=quiet_scores())
    fault = replace(fault, inject=act("injected"), clear=act("cleared"))
    narrator = Narrator(
        client=cast("PrometheusClient", prometheus),
        control=cast("Control", None),
        fault=fault,
        timeline=Timeline(fault.name, START - 60.0, stages=stages_of(fault)),
        notifications=tmp_path / "notifications.jsonl",
        clock=clock,
        say=said.append,
    )
    return Story(narrator, prometheus, clock, said, done)


def deliver(story: Story, received_at: float, alert: str = "AnomalyDetected") -> None:
    line = {
        "received_at": received_at,
        "status": "firing",
        "alertname": alert,
        "labels": {"service": "shop"} | ({"for": "route_latency_p95"} if alert == "AnomalyDetected" else {}),
    }
    with story.narrator.notifications.open("a") as file:
        file.write(json.dumps(line) + "\n")


# --- the whole story ---


def test_quiet_then_fault_then_score_alert_and_notification(story: Story) -> None:
    narrator = story.narrator
    story.tick()
    assert story.phase() is Phase.QUIET
    story.tick(19)
    assert story.done == []
    story.tick()
    assert story.phase() is Phase.FAULT
    assert narrator.timeline.injected == START + 20.0
    story.wait_for_background()
    assert story.done == ["injected"]
    story.tick(9)
    story.prometheus.score_is_up = True
    story.tick(5)
    story.prometheus.alert_fires = True
    story.tick(5)
    deliver(story, START + 39.25)
    story.tick()
    assert story.phase() is Phase.NOTIFIED
    assert narrator.over
    assert narrator.timeline.summary() == {
        "fault": "api-latency",
        "setup_s": 60.0,
        "score_s": 10.0,
        "alert_s": 15.0,
        "notification_s": 19.2,
        "family_alert_s": None,
    }
    assert story.said == [
        "32 series are scored, all quiet",
        "fault: api-latency, a release drops the search index, so /search reads every product",
        "injected it",
        "anomaly score above 1 after 10.0 s",
        "Prometheus fires after 15.0 s",
        "Alertmanager has delivered after 19.2 s",
    ]


def test_the_fault_is_held_then_cleared(story: Story) -> None:
    story.narrator.hold_seconds = 60.0
    story.inject()
    story.prometheus.score_is_up = story.prometheus.alert_fires = True
    deliver(story, story.clock.now)
    story.tick()
    assert story.phase() is Phase.NOTIFIED
    assert not story.over()
    story.tick(59)
    assert story.done == ["injected"]
    story.tick()
    story.wait_for_background()
    assert story.done == ["injected", "cleared"]
    story.tick()
    assert story.phase() is Phase.CLEARED
    assert not story.over()
    assert story.said[-1] == "cleared it"
    story.tick(5)
    assert story.phase() is Phase.CLEARED
    story.prometheus.score_is_up = False
    story.tick()
    assert story.phase() is Phase.RECOVERED
    assert story.over()
    assert story.said[-1] == "the scores are quiet again 6.0 s later"
    story.tick(5)
    assert story.done == ["injected", "cleared"]


# --- waiting for quiet ---


def test_a_score_that_rises_starts_the_wait_anew(story: Story) -> None:
    story.tick(15)
    story.prometheus.scores["route_latency_p95", "/"] = 1.2
    story.tick()
    assert story.phase() is Phase.LEARNING
    assert story.narrator.timeline.summary()["setup_s"] is None
    assert story.said[-1] == "route_latency_p95 / scores 1.20: waiting for quiet again"
    story.prometheus.scores = quiet_scores()
    story.tick(20)
    assert story.phase() is Phase.QUIET
    assert story.narrator.timeline.ready == START + 16.0
    story.tick()
    assert story.phase() is Phase.FAULT


def test_another_service_s_anomaly_is_no_part_of_the_story(story: Story) -> None:
    story.prometheus.alerts = [
        {"alertname": "AnomalyDetected", "alertstate": "firing", "service": "coaching"}
    ]
    story.tick()
    assert story.phase() is Phase.QUIET


@pytest.mark.parametrize("query", ["pg_connections", "sql_business_value"])
def test_an_anomaly_of_what_has_no_imported_past_is_no_part_of_the_story(story: Story, query: str) -> None:
    story.prometheus.alerts = [
        {"alertname": "AnomalyDetected", "alertstate": "firing", "service": "shop", "for": query}
    ]
    story.tick()
    assert story.phase() is Phase.QUIET


@pytest.mark.parametrize(
    ("scores", "alerts", "reason"),
    [
        ({}, [], "nothing is scored"),
        ({("route_latency_p95", "/"): 0.1}, [], "only 1 series are scored"),
        ({**quiet_scores(), ("latency_p95", "/"): 3.456}, [], "latency_p95 / scores 3.46"),
        ({**quiet_scores(), ("latency_p95", "/"): float("inf")}, [], "latency_p95 / scores inf"),
        (dict.fromkeys(quiet_scores(), float("nan")), [], "nothing is scored"),
        (
            quiet_scores(),
            [{"alertname": "AnomalyDetected", "alertstate": "pending", "service": "shop"}],
            "AnomalyDetected is up",
        ),
    ],
)
def test_scores_that_are_never_quiet_fail_with_their_reason(
    story: Story, scores: dict[tuple[str, str], float], alerts: list[dict[str, str]], reason: str
) -> None:
    story.prometheus.scores, story.prometheus.alerts = scores, alerts
    assert story.until_over() == 362
    assert story.phase() is Phase.FAILED
    assert story.narrator.problem == f"the scores were not quiet for 20 s within 361 s: {reason}"
    assert story.said == [story.narrator.problem]
    assert story.done == []
    assert story.narrator.timeline.summary() == {
        "fault": "api-latency",
        "setup_s": None,
        "score_s": None,
        "alert_s": None,
        "notification_s": None,
        "family_alert_s": None,
    }


def test_scores_that_are_quiet_now_and_then_do_not_keep_the_story_waiting_for_ever(story: Story) -> None:
    for _ in range(100):
        story.prometheus.scores["route_latency_p95", "/"] = 2.0
        story.tick(4)
        story.prometheus.scores = quiet_scores()
        story.tick(4)
        if story.narrator.over:
            break
    assert story.phase() is Phase.FAILED
    assert "within 425 s: route_latency_p95 / scores 2.00" in story.narrator.problem


def test_an_alert_of_another_kind_does_not_disturb(story: Story) -> None:
    story.prometheus.alerts = [{"alertname": "DeploymentStarted", "alertstate": "firing"}]
    story.inject()


# --- the fault ---


def test_a_missing_stage_is_named(story: Story) -> None:
    story.inject()
    story.prometheus.score_is_up = True
    story.until_over()
    assert story.phase() is Phase.FAILED
    assert story.narrator.problem == (
        "within 300 s of the fault this did not happen: Prometheus fires, Alertmanager has delivered"
    )
    assert story.narrator.timeline.complete is False


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (SpecterError("the shop is not running"), "the shop is not running"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_an_injection_that_fails_ends_the_story(
    story: Story, error: Exception, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    def inject(_control: Control) -> str:
        raise error

    story.narrator.fault = replace(story.narrator.fault, inject=inject)
    story.tick(21)
    story.wait_for_background()
    story.tick()
    assert story.phase() is Phase.FAILED
    assert story.narrator.problem == f"api-latency could not be injected: {shown}"
    # A bug's traceback is in the log; what the shop says on purpose needs none.
    assert ("Traceback" in caplog.text) is not isinstance(error, SpecterError)


def test_a_clearing_that_fails_is_said(story: Story) -> None:
    def clear(_control: Control) -> str:
        raise SpecterError("the database is away")

    story.narrator.hold_seconds = 0.0
    story.narrator.fault = replace(story.narrator.fault, clear=clear)
    story.inject()
    story.prometheus.score_is_up = story.prometheus.alert_fires = True
    deliver(story, story.clock.now)
    story.tick(2)
    story.wait_for_background()
    story.tick()
    assert story.over()
    assert story.said[-1] == "api-latency could not be cleared: the database is away"


def test_a_slow_step_does_not_hold_the_screen() -> None:
    go_on = threading.Event()
    step = Background("slow", lambda: "done" if go_on.wait(10) else "too late")
    assert not step.done()
    go_on.set()
    deadline = time.monotonic() + 10
    while not step.done():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    assert step.problem is None
    assert step.said == "done"


# --- Prometheus is away ---


def test_an_outage_is_borne_and_said_once(story: Story) -> None:
    story.inject()
    story.prometheus.down = True
    before = len(story.said)
    seen = story.narrator.tick()
    assert len(seen.scores) == 32  # the last known picture
    story.tick(50)
    story.prometheus.down = False
    story.prometheus.score_is_up = story.prometheus.alert_fires = True
    deliver(story, story.clock.now)
    story.tick()
    assert story.phase() is Phase.NOTIFIED
    assert story.said[before : before + 2] == [
        "Prometheus at http://x does not answer: ConnectionError",
        "anomaly score above 1 after 53.0 s",
    ]
    assert "Prometheus answers again" in story.said


@pytest.mark.parametrize("phase", [Phase.LEARNING, Phase.FAULT])
def test_an_outage_of_a_minute_ends_the_story(story: Story, phase: Phase) -> None:
    if phase is Phase.FAULT:
        story.inject()
    story.prometheus.down = True
    assert story.until_over() == 62
    assert story.phase() is Phase.FAILED
    assert story.narrator.problem == (
        "Prometheus has not answered for 61 s: Prometheus at http://x does not answer: ConnectionError"
    )
    assert sum("does not answer" in sentence for sentence in story.said) == 2


def test_quiet_that_was_not_seen_does_not_count(story: Story) -> None:
    story.tick(15)
    story.prometheus.down = True
    story.tick()
    assert story.phase() is Phase.LEARNING
    story.prometheus.down = False
    story.tick(20)
    assert story.phase() is Phase.QUIET
    story.tick()
    assert story.phase() is Phase.FAULT


def test_a_delivered_story_stays_delivered_when_prometheus_dies(story: Story) -> None:
    story.narrator.hold_seconds = 100.0
    story.inject()
    story.prometheus.score_is_up = story.prometheus.alert_fires = True
    deliver(story, story.clock.now)
    story.tick()
    story.prometheus.down = True
    story.tick(99)
    assert story.phase() is Phase.NOTIFIED
    story.tick()
    story.wait_for_background()
    story.tick()
    assert story.phase() is Phase.CLEARED


def test_no_query_asks_for_samples_older_than_the_story(story: Story) -> None:
    story.inject()
    story.tick()
    asked = [query for query in story.prometheus.asked if query.startswith(("anomaly_score", "ALERTS"))]
    stages = [query for query in asked if "for=~" in query]
    assert stages
    assert all(f"< {START + 20:.3f})" in query for query in stages)
    looks = [query for query in asked if "for=~" not in query]
    assert looks
    assert all(f"< {START:.3f})" in query for query in looks)


def test_the_narrator_waits_for_every_query_of_every_route_and_of_the_shop() -> None:
    of_requests = len(QUERY_SERIES) // 2 * (len(SHOP_ROUTES) + 1)
    assert of_requests + OF_VIEWS == narrator_module.EXPECTED_SERIES


def test_what_a_score_tells_of_is_told_by_the_alert_on_anomalies() -> None:
    for fault in FAULTS:
        assert (fault.alert == "AnomalyDetected") is bool(fault.expects), fault.name


# --- alerts of rule families ---


def test_a_fault_without_a_score_is_told_by_its_own_alert_and_is_over_when_that_is(tmp_path: Path) -> None:
    story = story_of(find_fault("memory-leak"), tmp_path)
    story.narrator.hold_seconds = 0.0
    story.inject()
    story.prometheus.score_is_up = True
    story.tick(9)
    story.prometheus.family = ("MemoryLeakFast",)
    story.tick(5)
    deliver(story, START + 40.0, "MemoryLeakFast")
    story.tick()
    assert story.phase() is Phase.NOTIFIED
    assert story.narrator.timeline.summary() == {
        "fault": "memory-leak",
        "setup_s": 60.0,
        "score_s": None,
        "alert_s": 12.0,
        "notification_s": 20.0,
        "family_alert_s": None,
    }
    story.wait_for_background()
    story.tick(5)
    assert story.phase() is Phase.CLEARED
    story.prometheus.family = ()
    story.tick()
    assert story.phase() is Phase.RECOVERED
    assert story.said[-1] == "MemoryLeakFast fires no more 5.0 s later"
    assert not any("anomaly score" in sentence for sentence in story.said)


def test_a_fault_with_both_is_told_when_its_family_s_alert_fires_too(tmp_path: Path) -> None:
    story = story_of(find_fault("new-error"), tmp_path)
    story.inject()
    story.prometheus.score_is_up = story.prometheus.alert_fires = True
    deliver(story, story.clock.now, "AnomalyDetected")
    lines = story.narrator.notifications.read_text().replace("route_latency_p95", "route_error_ratio")
    story.narrator.notifications.write_text(lines)
    story.tick(5)
    assert story.phase() is Phase.FAULT
    story.prometheus.family = ("LogErrorTemplateNew", "ExceptionsRising", "MemoryLeak")
    story.tick()
    assert story.phase() is Phase.NOTIFIED
    assert story.said[-1] == "a rule family's alert fires after 8.0 s: ExceptionsRising"


def test_a_family_s_alert_that_does_not_fire_is_named(tmp_path: Path) -> None:
    story = story_of(find_fault("login-attack"), tmp_path)
    story.inject()
    story.until_over()
    assert story.narrator.problem.endswith(
        "anomaly score above 1, Prometheus fires, Alertmanager has delivered, a rule family's alert fires"
    )


def test_a_family_s_alert_that_an_earlier_run_left_up_is_waited_for(tmp_path: Path) -> None:
    story = story_of(find_fault("login-attack"), tmp_path)
    story.prometheus.alerts = [
        {"alertname": "SignInAttackSuspected", "alertstate": "firing", "service": "shop"}
    ]
    story.tick(30)
    assert story.phase() is Phase.LEARNING
    story.prometheus.alerts = []
    story.inject()


def test_every_alert_that_a_fault_is_told_by_is_one_of_the_rules() -> None:
    rules = {rule.alert for group in all_groups() for rule in group.alerts}
    for fault in FAULTS:
        assert {fault.alert, *fault.family_alerts} <= rules, fault.name
