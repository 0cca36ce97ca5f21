"""What the terminal shows: a picture of one observation, redrawn once a second.

Whatever comes from outside, names and sentences, is put into `Text`: brackets in a plain string would be
read as rich's markup.
"""

import textwrap
from collections.abc import Mapping, Sequence

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
    Phase.RECOVERED: "green",
    Phase.FAILED: "bold red",
}
SEVERITY_STYLES = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
SHOWN_ALERTS = 6
SHOWN_LINES = 12
FEWEST_LINES = 3
FRAME = 4  # columns of a panel's borders and padding
SERVICE_WIDTH = 38  # mark, name, and a URL with five digits of port
SHORT_SERVICE_WIDTH = 17  # without a URL
STAMP_WIDTH = 9
NUMBERS_WIDTH = 38  # of the traffic table, all but route and bar
LONGEST_BAR = 30
SHORTEST_BAR = 15


def draw(
    phase: Phase,
    timeline: Timeline,
    seen: Observation,
    services: Mapping[str, tuple[str, str]],
    lines: Sequence[tuple[float, str]],
    now: float,
    size: tuple[int, int] = (100, 50),
) -> RenderableType:
    """Return the whole screen.

    Args:
        phase: where the story stands.
        timeline: what was reached when.
        seen: the newest observation.
        services: state and URL (or "") by service.
        lines: (epoch seconds, sentence) of what has happened, oldest first.
        now: epoch seconds.
        size: columns and rows of the terminal; the newest lines are shown as far as it has room.
    """
    inner = size[0] - FRAME
    places, traffic, alerts = _services(services, inner), _traffic(seen.routes, inner), _alerts(seen.alerts)
    # The heading, the borders of four panels, and one row of an empty panel.
    used = 1 + 4 * 2 + sum(max(1, rows) for _, rows in (places, traffic, alerts))
    room = min(SHOWN_LINES, max(FEWEST_LINES, size[1] - used))
    return Group(
        Text.assemble(
            ("Specter ", "bold"), (phase.value, PHASE_STYLES[phase]), f"   {now - timeline.started:4.0f} s"
        ),
        Panel(places[0], title="what runs where", title_align="left"),
        Panel(traffic[0], title="traffic and scores", title_align="left"),
        Panel(alerts[0], title="alerts", title_align="left"),
        Panel(_story(timeline, lines, inner, room), title="timeline", title_align="left"),
    )


def _services(services: Mapping[str, tuple[str, str]], width: int) -> tuple[RenderableType, int]:
    """Return the picture and its rows: first the services with a page to open, then the others, closer."""
    rows: list[Text] = []
    for cell_width, with_url in ((SERVICE_WIDTH, True), (SHORT_SERVICE_WIDTH, False)):
        cells = [
            _service(name, state, url, cell_width)
            for name, (state, url) in sorted(services.items())
            if bool(url) is with_url
        ]
        across = max(1, width // cell_width)
        rows += [Text.assemble(*cells[at : at + across]) for at in range(0, len(cells), across)]
    picture = Text("\n", no_wrap=True, overflow="ellipsis").join(rows)
    return picture, len(rows)


def _service(name: str, state: str, url: str, width: int) -> Text:
    style = "green" if state == "RUNNING" else "yellow" if state == "STARTING" else "bold red"
    cell = Text.assemble(("● ", style), f"{name:<12} " if url else name, (url, "dim"))
    cell.pad_right(max(1, width - cell.cell_len))
    return cell


def _traffic(routes: tuple[RouteView, ...], width: int) -> tuple[RenderableType, int]:
    if not routes:
        return Text("no traffic recorded yet", style="dim"), 1
    longest = max(len(view.route) for view in routes)
    route_width = max(5, min(longest, width - NUMBERS_WIDTH - SHORTEST_BAR))
    bar_width = min(LONGEST_BAR, max(1, width - NUMBERS_WIDTH - route_width))
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("route", no_wrap=True, overflow="ellipsis", max_width=route_width)
    for title, column in (("requests/s", 10), ("p95", 9), ("score", 7)):
        table.add_column(title, justify="right", no_wrap=True, min_width=column)
    table.add_column("", no_wrap=True, overflow="crop", max_width=bar_width)
    for view in routes:
        table.add_row(
            Text(view.route),
            _number(view.rate, "{:.1f}"),
            _number(None if view.p95 is None else view.p95 * 1000, "{:.0f} ms"),
            _score(view.score),
            _bar(view.score, bar_width),
        )
    return table, 1 + len(routes)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _score(value: float | None) -> Text:
    if value is None:
        return Text("-", style="dim")
    return Text(f"{value:.2f}", style="bold red" if value > 1 else "green")


def _bar(value: float | None, width: int) -> Text:
    """Draw the score: the edge of the band is at ten marks."""
    if value is None:
        return Text("")
    length = round(min(value * 10, width))
    return Text.assemble(("█" * min(length, 10), "green"), ("█" * max(length - 10, 0), "red"))


def _alerts(alerts: tuple[AlertView, ...]) -> tuple[RenderableType, int]:
    if not alerts:
        return Text("none", style="green"), 1
    lines = []
    for alert in alerts[:SHOWN_ALERTS]:
        style = SEVERITY_STYLES.get(alert.severity, "")
        lines.append(
            Text.assemble(
                (f"{alert.severity:<8}  ", style),
                (f"{alert.name:<22}  ", style if alert.state == "firing" else "dim"),
                (f"{alert.state:<7}  ", "dim"),
                alert.about,
            )
        )
    if len(alerts) > SHOWN_ALERTS:
        lines.append(Text(f"and {len(alerts) - SHOWN_ALERTS} more"))
    return Text("\n", no_wrap=True, overflow="ellipsis").join(lines), len(lines)


def _story(timeline: Timeline, lines: Sequence[tuple[float, str]], width: int, room: int) -> Text:
    """Return the newest of `lines`, wrapped, in at most `room` rows."""
    rows: list[Text] = []
    for when, sentence in reversed(lines[-room:]):
        wrapped = textwrap.wrap(sentence, max(10, width - STAMP_WIDTH)) or [""]
        stamps = [f"{when - timeline.started:5.0f} s  ", *[" " * STAMP_WIDTH] * (len(wrapped) - 1)]
        if rows and len(rows) + len(wrapped) > room:
            break
        rows[:0] = [Text.assemble((stamp, "dim"), part) for stamp, part in zip(stamps, wrapped, strict=True)]
    return Text("\n").join(rows[:room])


def timeline_text(timeline: Timeline) -> str:
    """Return the finished story in plain lines."""
    rows = [f"{timeline.fault} injected"]
    for stage, sentence in SENTENCES.items():
        seconds = timeline.seconds_after_fault(stage)
        unmet = "never" if stage in timeline.stages else "not expected"
        rows.append(f"  {sentence:<30}" + (unmet if seconds is None else f"after {seconds:5.1f} s"))
    return "\n".join(rows)
