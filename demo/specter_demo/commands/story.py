"""`specter demo run` and `specter demo check`: the whole product on this machine."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_demo.settings import STATE

if TYPE_CHECKING:
    from specter_demo.story.telling import Request

F = Callable[..., None]


def story_options(function: F) -> F:
    """Add the options that both ways to tell the story share."""
    for option in (
        click.option(
            "--fault", default="api-latency", show_default=True, help="See `specter demo fault --list`."
        ),
        click.option(
            "--local-time",
            metavar="HH:MM",
            help="Time of day that it is at the shop now; default: the time in UTC.",
        ),
        click.option(
            "--state-dir",
            type=click.Path(path_type=Path, file_okay=False),
            default=STATE,
            show_default="<checkout>/.specter",
            help="Folder with everything of a run.",
        ),
        click.option(
            "--started-at", type=float, hidden=True, help="When the user's command began, epoch seconds."
        ),
    ):
        function = option(function)
    return function


@click.command()
@story_options
def run(fault: str, local_time: str | None, state_dir: Path, started_at: float | None) -> None:
    """Start everything, show it live, inject a fault and time what notices it. Ctrl-C ends it.

    \b
    Examples:
      specter demo run
      specter demo run --fault traffic-drop --local-time 03:00
    """
    from rich.console import Console  # noqa: PLC0415  (not for --help)

    from specter_demo.story.telling import show  # noqa: PLC0415
    from specter_stack.launcher import Stopped  # noqa: PLC0415

    try:
        show(_request(fault, local_time, state_dir, started_at), Console(), _asker())
    except Stopped:
        click.echo("everything is stopped", err=True)


@click.command()
@story_options
def check(fault: str, local_time: str | None, state_dir: Path, started_at: float | None) -> None:
    """Do what `run` does, unattended: ends with one JSON line, exit 1 when a stage is missing.

    \b
    Examples:
      specter demo check
      specter demo check --fault traffic-drop --local-time 03:00
    """
    from rich.console import Console  # noqa: PLC0415  (not for --help)

    from specter_core.errors import SpecterError, UsageError  # noqa: PLC0415
    from specter_demo.story.telling import check as tell  # noqa: PLC0415
    from specter_demo.story.timeline import Timeline  # noqa: PLC0415
    from specter_stack.launcher import Stopped  # noqa: PLC0415

    request = _request(fault, local_time, state_dir, started_at)
    try:
        timeline = tell(request, Console(stderr=True), _asker())
    except Stopped:
        click.echo("stopped before the end", err=True)
        sys.exit(130)
    except UsageError:
        raise
    except SpecterError as error:
        # A script that reads the last line finds one also when nothing came up.
        click.echo(f"specter: {error}", err=True)
        timeline = Timeline(request.fault, request.started)
    click.echo(json.dumps(timeline.summary()))
    sys.exit(0 if timeline.complete else 1)


def _request(fault: str, local_time: str | None, state_dir: Path, started_at: float | None) -> "Request":
    from specter_core.errors import UsageError  # noqa: PLC0415
    from specter_demo.story.telling import Request  # noqa: PLC0415
    from specter_demo.traffic.shape import utc_offset_for  # noqa: PLC0415

    now = time.time()
    if local_time is not None:
        try:
            utc_offset_for(local_time, now)
        except ValueError as error:
            raise UsageError(f"--local-time: {error}") from error
    return Request(fault, state_dir, started_at or now, local_time)


def _asker() -> Callable[[str], bool] | None:
    if not sys.stdin.isatty():
        return None
    return lambda question: click.confirm(question, err=True)
