"""What the terminal shows: a picture of one observation, redrawn once a second."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from specter_demo.story.narrator import Phase
from specter_demo.story.observe import AlertView, Observation, RouteView
from specter_demo.story.timeline import SENTENCES, Timeline

PHASE_STYLES = {
    Phase.LEARNING: "cyan",
    Phase.QUIET: "green",
    Phase.FAULT: "bold red",
    Phase.NOTIFIED: "bold yellow",
    Phase.CLEARED: "green",
    Phase.FAILED: "bold red",
}
SEVERITY_STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
SHOWN_ALERTS = 6
SHOWN_LINES = 8


def draw(
    phase: Phase,
    timeline: Timeline,
    seen: Observation,
    services: Mapping[str, tuple[str, str]],
    lines: list[tuple[float, str]],
    now: float,
) -> RenderableType:
    """Return the whole screen.

    Args:
        phase: where the story stands.
        timeline: what was reached when.
        seen: the newest observation.
        services: state and URL (or "") by service.
        lines: (epoch seconds, sentence) of what has happened, oldest first.
        now: epoch seconds.
    """
    return Group(
        Text.assemble(
            ("Specter ", "bold"), (phase.value, PHASE_STYLES[phase]), f"   {now - timeline.started:4.0f} s"
        ),
        Panel(_services(services), title="what runs where", title_align="left"),
        Panel(_traffic(seen.routes), title="traffic and scores", title_align="left"),
        Panel(_alerts(seen.alerts), title="alerts", title_align="left"),
        Panel(_story(timeline, lines), title="timeline", title_align="left"),
    )


def _services(services: Mapping[str, tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    cells = []
    for name, (state, url) in sorted(services.items(), key=lambda item: (not item[1][1], item[0])):
        style = "green" if state == "RUNNING" else "yellow" if state == "STARTING" else "bold red"
        cells.append(Text.assemble(("● ", style), f"{name:<13}", (url, "dim")))
    for start in range(0, len(cells), 3):
        table.add_row(*cells[start : start + 3])
    return table


def _traffic(routes: tuple[RouteView, ...]) -> RenderableType:
    if not routes:
        return Text("no traffic recorded yet", style="dim")
    table = Table(box=None, padding=(0, 2))
    for title, justify in (
        ("route", "left"),
        ("requests/s", "right"),
        ("p95", "right"),
        ("score", "right"),
        ("", "left"),
    ):
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    for view in routes:
        table.add_row(
            view.route,
            _number(view.rate, "{:.1f}"),
            _number(None if view.p95 is None else view.p95 * 1000, "{:.0f} ms"),
            _score(view.score),
            _bar(view.score),
        )
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _score(value: float | None) -> Text:
    if value is None:
        return Text("-", style="dim")
    return Text(f"{value:.2f}", style="bold red" if value > 1 else "green")


def _bar(value: float | None) -> Text:
    """Draw the score: the edge of the band is at ten marks."""
    if value is None:
        return Text("")
    length = min(30, round(value * 10))
    return Text.assemble(("█" * min(length, 10), "green"), ("█" * max(length - 10, 0), "red"))


def _alerts(alerts: tuple[AlertView, ...]) -> RenderableType:
    if not alerts:
        return Text("none", style="green")
    table = Table.grid(padding=(0, 2))
    for alert in alerts[:SHOWN_ALERTS]:
        style = SEVERITY_STYLES.get(alert.severity, "")
        table.add_row(
            Text(alert.severity, style=style),
            Text(alert.name, style=style if alert.state == "firing" else "dim"),
            Text(alert.state, style="dim"),
            alert.about,
        )
    if len(alerts) > SHOWN_ALERTS:
        table.add_row("", f"and {len(alerts) - SHOWN_ALERTS} more")
    return table


def _story(timeline: Timeline, lines: list[tuple[float, str]]) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for when, sentence in lines[-SHOWN_LINES:]:
        table.add_row(Text(f"{when - timeline.started:5.0f} s", style="dim"), sentence)
    return table


def timeline_text(timeline: Timeline) -> str:
    """Return the finished story in plain lines."""
    rows = [f"{timeline.fault} injected"]
    for stage, sentence in SENTENCES.items():
        seconds = timeline.seconds_after_fault(stage)
        rows.append(f"  {sentence:<30}" + ("never" if seconds is None else f"after {seconds:5.1f} s"))
    return "\n".join(rows)
