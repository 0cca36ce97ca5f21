"""`specter demo check` and `run`: refuse before anything starts, end with one line of JSON."""

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from click.testing import CliRunner
from rich.console import Console

from specter_core.clock import SystemClock
from specter_core.errors import SpecterError, UsageError
from specter_demo.cli import demo
from specter_demo.faults import FAULTS, find_fault
from specter_demo.faults.control import Control
from specter_demo.history.calibration import Calibration
from specter_demo.platform import PORTS, build_platform
from specter_demo.story import bring_up as bring_up_module
from specter_demo.story import telling
from specter_demo.story.narrator import Narrator, Phase
from specter_demo.story.observe import NOTHING, Observation
from specter_demo.story.timeline import STAGES, Timeline
from specter_stack.errors import StackError
from specter_stack.launcher import Stopped
from specter_stack.layout import Layout

if TYPE_CHECKING:
    from specter_demo.story.prometheus import PrometheusClient
    from specter_stack.launcher import Stack

START = 1_700_000_000.0


class SomethingStartedError(AssertionError):
    """Something was started."""


@pytest.fixture
def untouchable(monkeypatch: pytest.MonkeyPatch) -> None:
    def touch(*_arguments: object) -> None:
        raise SomethingStartedError

    for name in ("ensure_programs", "running_stack", "bring_up", "build_platform"):
        monkeypatch.setattr(telling, name, touch)


@pytest.mark.usefixtures("untouchable")
@pytest.mark.parametrize("command", ["check", "run"])
def test_a_fault_that_does_not_exist_is_refused_before_anything_starts(command: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    result = CliRunner().invoke(demo, [command, "--fault", "nope", "--state-dir", str(state)])
    assert isinstance(result.exception, UsageError)
    assert result.exception.exit_code == 2
    named = ", ".join(fault.name for fault in FAULTS)
    assert str(result.exception) == f"no fault is called 'nope'; there are: {named}"
    assert not state.exists()


@pytest.mark.usefixtures("untouchable")
@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("given", ["25:00", "3pm", ""])
def test_a_time_of_day_that_does_not_exist_is_refused(command: str, given: str, tmp_path: Path) -> None:
    arguments = [command, "--local-time", given, "--state-dir", str(tmp_path / "state")]
    result = CliRunner().invoke(demo, arguments)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == (
        f"--local-time: expected a time of day such as 03:00 (HH:MM), found {given!r}"
    )


@pytest.mark.usefixtures("untouchable")
def test_a_right_call_goes_on_to_start(tmp_path: Path) -> None:
    result = CliRunner().invoke(demo, ["check", "--state-dir", str(tmp_path / "state")])
    assert isinstance(result.exception, SomethingStartedError)


SCORED = ("score", "alert", "notification")


def told(stages: tuple[str, ...] = SCORED, **reached: float) -> Timeline:
    return Timeline("api-latency", START, START + 61.24, START + 90.0, dict(reached), stages)


@pytest.mark.parametrize(
    ("timeline", "line", "code"),
    [
        (
            told(score=START + 105.0, alert=START + 140.0, notification=START + 150.04),
            '"api-latency", "setup_s": 61.2, "score_s": 15.0, "alert_s": 50.0, "notification_s": 60.0',
            0,
        ),
        (
            told(score=START + 105.0),
            '"api-latency", "setup_s": 61.2, "score_s": 15.0, "alert_s": null, "notification_s": null',
            1,
        ),
        (
            Timeline("traffic-drop", START),
            '"traffic-drop", "setup_s": null, "score_s": null, "alert_s": null, "notification_s": null',
            1,
        ),
        (
            told(("alert", "notification"), alert=START + 140.0, notification=START + 150.0),
            '"api-latency", "setup_s": 61.2, "score_s": null, "alert_s": 50.0, "notification_s": 60.0',
            0,
        ),
        (
            told((*SCORED, "family_alert"), score=START + 91, alert=START + 92, notification=START + 93),
            '"api-latency", "setup_s": 61.2, "score_s": 1.0, "alert_s": 2.0, "notification_s": 3.0',
            1,
        ),
    ],
)
def test_check_ends_with_one_line_of_json_and_says_by_its_exit_code_whether_a_stage_is_missing(
    timeline: Timeline, line: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "check", lambda *_: timeline)
    result = CliRunner().invoke(demo, ["check"])
    assert result.exit_code == code
    assert result.stdout == f'{{"fault": {line}, "family_alert_s": null}}\n'
    assert list(json.loads(result.stdout)) == ["fault", "setup_s", *(f"{stage}_s" for stage in STAGES)]


def test_check_ends_with_the_line_also_when_nothing_comes_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> Timeline:
        raise StackError("postgres does not start")

    monkeypatch.setattr(telling, "check", fail)
    result = CliRunner().invoke(demo, ["check"])
    assert result.exit_code == 1
    assert result.stderr == "specter: postgres does not start\n"
    assert set(json.loads(result.stdout).values()) == {"api-latency", None}


def test_check_that_is_stopped_prints_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_arguments: object) -> Timeline:
        raise Stopped

    monkeypatch.setattr(telling, "check", stop)
    result = CliRunner().invoke(demo, ["check"])
    assert (result.exit_code, result.stdout) == (130, "")
    assert result.stderr == "stopped before the end\n"


def test_the_request_holds_what_was_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[telling.Request] = []

    def check(request: telling.Request, *_rest: object) -> Timeline:
        seen.append(request)
        return Timeline(request.fault, request.started)

    monkeypatch.setattr(telling, "check", check)
    arguments = ["check", "--fault", "traffic-drop", "--local-time", "03:00", "--started-at", "123.5"]
    CliRunner().invoke(demo, [*arguments, "--state-dir", str(tmp_path)])
    assert seen == [telling.Request("traffic-drop", tmp_path, 123.5, "03:00")]


# --- telling, with a narrator that has little to say ---


class FakeStack:
    """Notes what is started and stopped, and when."""

    def __init__(self, events: list[str]) -> None:
        self.events = events
        self.services: dict[str, Any] = {}

    def start(self, *names: str) -> None:
        self.events.append(f"start {' '.join(names)}")

    def stop_service(self, name: str) -> None:
        self.events.append(f"stop {name}")

    def states(self) -> dict[str, str]:
        return {}


class FakeNarrator(Narrator):
    """Ends at once, or is stopped from outside at its third tick."""

    ends: bool = True
    ticks: int = 0

    def tick(self) -> Observation:
        self.ticks += 1
        if not self.ends and self.ticks == 3:
            raise Stopped
        self.timeline.injected = START
        self.timeline.reached = dict.fromkeys(STAGES, START + 42.0)
        self.phase = Phase.NOTIFIED
        return NOTHING


@pytest.fixture
def cleared() -> list[str]:
    return []


@pytest.fixture
def narrator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cleared: list[str]) -> FakeNarrator:
    def clear(_control: Control) -> str:
        cleared.append("cleared")
        return "recreated [the] index"

    fake = FakeNarrator(
        client=cast("PrometheusClient", None),
        control=cast("Control", None),
        fault=replace(find_fault("api-latency"), clear=clear),
        timeline=Timeline("api-latency", START),
        notifications=tmp_path / "notifications.jsonl",
        clock=SystemClock(),
        say=lambda _: None,
    )

    @contextmanager
    def brought_up(*_arguments: object) -> Iterator[tuple[FakeStack, None]]:
        yield FakeStack([]), None

    monkeypatch.setattr(telling, "brought_up", brought_up)
    monkeypatch.setattr(telling, "narrator_of", lambda *_: fake)
    monkeypatch.setattr(telling, "POLL_SECONDS", 0.0)
    answers = iter([False, True])
    monkeypatch.setattr(telling, "is_over", lambda *_: next(answers))
    return fake


REQUEST = telling.Request("api-latency", Path("state"), START)


def test_check_clears_the_fault_before_everything_stops(narrator: FakeNarrator, cleared: list[str]) -> None:
    out = io.StringIO()
    timeline = telling.check(REQUEST, Console(file=out), None)
    assert timeline is narrator.timeline
    assert cleared == ["cleared"]
    assert "recreated [the] index" in out.getvalue()
    assert "the scores are quiet again 0.0 s later" in out.getvalue()


def test_check_waits_for_the_end_of_the_alert_where_no_score_tells_of_the_fault_but_not_for_ever(
    narrator: FakeNarrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrator.fault = replace(narrator.fault, expects=(), alert="MemoryLeak")
    out = io.StringIO()
    telling.check(REQUEST, Console(file=out), None)
    assert "waiting until MemoryLeak fires no more, " in out.getvalue()
    assert "MemoryLeak fires no more 0.0 s later" in out.getvalue()

    monkeypatch.setattr(telling, "RECOVERY_SECONDS", 0.0)
    telling.check(REQUEST, Console(file=out), None)
    assert "not yet, 0 s later: MemoryLeak fires no more" in out.getvalue()


def test_check_gives_its_figures_also_when_the_fault_cannot_be_cleared(narrator: FakeNarrator) -> None:
    def clear(_control: Control) -> str:
        raise SpecterError("the database is away")

    narrator.fault = replace(narrator.fault, clear=clear)
    out = io.StringIO()
    assert telling.check(REQUEST, Console(file=out), None).complete
    assert (
        "api-latency could not be cleared, the next start clears it: the database is away" in out.getvalue()
    )


def test_without_a_terminal_the_finished_story_is_printed_once(narrator: FakeNarrator) -> None:
    narrator.ends = False
    out = io.StringIO()
    with pytest.raises(Stopped):
        telling.show(REQUEST, Console(file=out), None)
    assert out.getvalue().count("Alertmanager has delivered    after  42.0 s") == 1
    assert narrator.hold_seconds == telling.HOLD_SECONDS


def test_the_live_view_leaves_the_story_and_its_problem_on_the_terminal(narrator: FakeNarrator) -> None:
    narrator.ends, narrator.problem = False, "the scores were not [quiet]"
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=30, color_system=None)
    with pytest.raises(Stopped):
        telling.show(REQUEST, console, None)
    afterwards = out.getvalue().rpartition("\x1b[?1049l")[2]
    assert "Alertmanager has delivered    after  42.0 s" in afterwards
    assert "the scores were not [quiet]" in afterwards


# --- the order of a start ---


@pytest.mark.parametrize("imported", [True, False])
def test_a_start_imports_before_prometheus_runs_and_fills_up_to_the_first_visitor(
    imported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    class Ticking(SystemClock):
        now = START

        def time(self) -> float:
            return self.now

    clock = Ticking()

    class Keeper:
        def __init__(self, **_arguments: object) -> None:
            pass

        def import_if_new(self, until: float, _random: object) -> bool:
            events.append(f"import {until - START:.0f}")
            clock.now += 12.0
            return imported

        def lead_in(self, _url: str, until: float, version: str, _random: object) -> None:
            events.append(f"lead in {version} {until - START:.0f}")

        def fill_gap(self, _url: str, until: float, _random: object) -> int:
            events.append(f"fill {until - START:.0f}")
            return 7

    layout = Layout(tmp_path)
    layout.create()
    (tmp_path / "alertmanager").mkdir()
    (tmp_path / "alertmanager" / "nflog").write_text("an earlier run's")
    (tmp_path / "jobs-exporter").mkdir()
    (tmp_path / "jobs-exporter" / "jobs.db").write_text("an earlier run's")
    monkeypatch.setattr(bring_up_module, "HistoryKeeper", Keeper)
    monkeypatch.setattr(bring_up_module, "measure", lambda *_: Calibration({}, {}))
    monkeypatch.setattr(bring_up_module, "find_program", Path)
    monkeypatch.setattr(bring_up_module, "_seed", lambda _: events.append("seed"))
    monkeypatch.setattr(bring_up_module, "copy_primary", lambda *_: events.append("copy"))
    said: list[str] = []
    platform = build_platform(layout, 0.0, PORTS)
    bring_up_module.bring_up(cast("Stack", FakeStack(events)), platform, clock, said.append)
    assert events == [
        "start postgres",
        "copy",
        "start postgres-standby redis alertmanager node blackbox payments notifications",
        "start app signin logs queues",
        "seed",
        "start shop postgres-exporter sql-exporter",
        "import 0",
        "stop shop",
        "start shop prometheus",
        "start browser traffic",
        "lead in 1.4.0 12",
        "fill 12",
        "start dependencies detector jobs worker scheduler",
    ]
    assert not (tmp_path / "alertmanager" / "nflog").exists()
    assert not (tmp_path / "jobs-exporter").exists()
    assert ("filled the time since the last run: 7 samples" in said) is not imported


def test_a_database_that_cannot_be_filled_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout(tmp_path)
    layout.create()
    platform = build_platform(layout, 0.0, PORTS)
    script = "import sys; print('specter: no room', file=sys.stderr); sys.exit(1)"
    monkeypatch.setattr(bring_up_module, "copy_primary", lambda *_: None)
    monkeypatch.setattr(bring_up_module, "SPECTER", (sys.executable, "-c", script))
    with pytest.raises(SpecterError, match=r"^the shop's database cannot be filled: specter: no room$"):
        bring_up_module.bring_up(cast("Stack", FakeStack([])), platform, SystemClock(), lambda _: None)
    monkeypatch.setattr(bring_up_module, "SPECTER", (sys.executable, "-c", "import time; time.sleep(60)"))
    monkeypatch.setattr(bring_up_module, "SEED_SECONDS", 0.2)
    with pytest.raises(SpecterError, match=r"^the shop's database was not filled within 0.2 s$"):
        bring_up_module.bring_up(cast("Stack", FakeStack([])), platform, SystemClock(), lambda _: None)
