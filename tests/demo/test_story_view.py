"""The screen: the essential lines, at every width, whatever the names are."""

import io
from collections.abc import Mapping

import pytest
from rich.console import Console

from specter_demo.story.log import Log
from specter_demo.story.narrator import Phase
from specter_demo.story.observe import NOTHING, AlertView, Observation, RouteView
from specter_demo.story.timeline import Timeline
from specter_demo.story.view import draw, timeline_text

SERVICES = {
    "prometheus": ("RUNNING", "http://127.0.0.1:9090"),
    "alertmanager": ("RUNNING", "http://127.0.0.1:9093"),
    "shop": ("RUNNING", "http://127.0.0.1:8080"),
    "detector": ("STARTING", "http://127.0.0.1:9845"),
    "grafana": ("FATAL", "http://127.0.0.1:13000"),
    **dict.fromkeys(("node", "blackbox", "postgres", "redis", "payments"), ("RUNNING", "")),
    **dict.fromkeys(("traffic", "notifications"), ("RUNNING", "")),
}
SEEN = Observation(
    routes=(
        RouteView("/", 9.6, 0.0046, 0.31),
        RouteView("/products/<int:product_id>", 4.3, 0.0049, 0.2),
        RouteView("/search", 6.0, 0.0963, 2.52),
        RouteView("/[id]/[/bold]", None, None, None),
    ),
    scores={},
    alerts=(AlertView("AnomalyDetected", "warning", "firing", "shop route_latency_p95 /search"),),
)
LINES = [
    (1000.0, "starting PostgreSQL"),
    (1040.0, "18 series are scored, all quiet"),
    (1060.0, "fault: api-latency, a release drops the search index, so /search reads every product"),
    (1062.0, "released 1.5.0 [bold]with brackets[/nothing]"),
]


def told() -> Timeline:
    stages = ("score", "alert", "notification")
    return Timeline("api-latency", 1000.0, 1040.0, 1060.0, {"score": 1075.0}, stages)


def render(
    seen: Observation = SEEN,
    size: tuple[int, int] = (100, 50),
    services: Mapping[str, tuple[str, str]] = SERVICES,
    lines: list[tuple[float, str]] | None = None,
    **console: object,
) -> list[str]:
    out = io.StringIO()
    picture = draw(Phase.FAULT, told(), seen, services, LINES if lines is None else lines, 1080.0, size)
    Console(file=out, width=size[0], **console).print(picture)  # type: ignore[arg-type]
    return out.getvalue().splitlines()


def cells(rows: list[str], start: str) -> list[str]:
    row = next(row for row in rows if row.removeprefix("│ ").startswith(start))
    return row.strip("│ ").split()


def test_the_screen_says_what_runs_what_is_scored_and_what_has_happened() -> None:
    rows = render()
    text = "\n".join(rows)
    assert rows[0].split() == ["Specter", "the", "fault", "is", "in", "80", "s"]
    assert "● prometheus   http://127.0.0.1:9090" in text
    assert "● notifications" in text
    assert cells(rows, "/search") == ["/search", "6.0", "96", "ms", "2.52", "█" * 25]
    assert cells(rows, "/products/") == ["/products/<int:product_id>", "4.3", "5", "ms", "0.20", "██"]
    assert cells(rows, "/[id]") == ["/[id]/[/bold]", "-", "-", "-"]
    assert cells(rows, "warning") == [
        "warning",
        "AnomalyDetected",
        "firing",
        "shop",
        "route_latency_p95",
        "/search",
    ]
    assert cells(rows, "   40 s")[2:] == ["18", "series", "are", "scored,", "all", "quiet"]
    assert "released 1.5.0 [bold]with brackets[/nothing]" in text


def test_nothing_known_yet_is_said() -> None:
    text = "\n".join(render(NOTHING, services={}, lines=[]))
    assert "no traffic recorded yet" in text
    assert "none" in text


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = Observation(
        routes=(RouteView("/a/very/long/route" * 12, 123456.7, 123.4, 99.0), *SEEN.routes),
        scores={},
        alerts=(AlertView("A" * 60, "critical", "firing", "b" * 200),),
    )
    rows = render(long, size=(width, 50))
    assert {len(row) for row in rows[1:]} == {width}
    if width >= 80:
        assert any("123456.7" in row and "99.00" in row and "…" in row for row in rows)
        assert cells(rows, "/search")[:5] == ["/search", "6.0", "96", "ms", "2.52"]


def test_a_small_terminal_shows_the_newest_lines_and_no_more_than_it_has_rows_for() -> None:
    many = [(1000.0 + n, f"sentence {n}") for n in range(50)]
    rows = render(Observation(SEEN.routes, {}, ()), size=(80, 24), lines=many)
    assert len(rows) <= 24
    text = "\n".join(rows)
    assert "sentence 49" in text
    assert "sentence 47" in text
    assert "sentence 40" not in text


def test_a_long_sentence_is_wrapped_and_a_failure_can_be_read_to_its_end() -> None:
    problem = "the scores were not quiet: " + "word " * 30 + "the end"
    rows = render(size=(80, 40), lines=[*LINES, (1079.0, problem)])
    assert any("the end" in row for row in rows)
    assert len(rows) <= 40


def test_many_alerts_are_counted() -> None:
    alerts = tuple(AlertView(f"Alert{n}", "info", "pending", "[/shop]") for n in range(9))
    rows = render(Observation((), {}, alerts))
    text = "\n".join(rows)
    assert "Alert5" in text
    assert "Alert6" not in text
    assert "and 3 more" in text
    assert "[/shop]" in text


@pytest.mark.parametrize("score", [0.0, 0.96, 1.0, 3.0, 1e9, float("inf")])
def test_the_bar_shows_the_edge_at_ten_marks_and_ends(score: float) -> None:
    rows = render(Observation((RouteView("/", 1.0, 0.001, score),), {}, ()))
    marks = cells(rows, "/")[-1].count("█")
    assert marks == min(30, round(min(score, 9) * 10))


def test_colours_are_there_on_a_terminal_and_gone_with_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[31" in "".join(render(force_terminal=True)) or "\x1b[1;31" in "".join(
        render(force_terminal=True)
    )
    monkeypatch.setenv("NO_COLOR", "1")
    assert "31m" not in "".join(render(force_terminal=True))


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_log_prints_sentences_as_they_are_unless_it_is_quiet() -> None:
    out = io.StringIO()
    log = Log(Console(file=out, width=40), Clock(1012.0), 1000.0)
    log("promtool said [id] and [/red], in a sentence that is longer than the terminal is wide")
    log.quiet = True
    log("only for the screen")
    assert out.getvalue() == (
        "   12 s  promtool said [id] and [/red], in a sentence that is longer than the terminal is wide\n"
    )
    assert [sentence for _, sentence in log.lines][1] == "only for the screen"


def test_the_finished_story_in_plain_lines() -> None:
    assert timeline_text(told()).splitlines() == [
        "api-latency injected",
        "  anomaly score above 1         after  15.0 s",
        "  Prometheus fires              never",
        "  Alertmanager has delivered    never",
        "  a rule family's alert fires   not expected",
    ]
