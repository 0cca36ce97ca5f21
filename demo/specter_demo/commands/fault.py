"""`specter demo fault`: make something go wrong in the shop, and make it right again."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.errors import SpecterError, UsageError
from specter_demo.settings import LAUNCHER_FILE, STATE, load_settings

if TYPE_CHECKING:
    from specter_demo.faults.control import Control


@click.command()
@click.argument("name", required=False)
@click.option("--clear", is_flag=True, help="End the fault instead of injecting it.")
@click.option("--list", "list_faults", is_flag=True, help="Show every fault and which are active.")
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=STATE,
    show_default="<checkout>/.specter",
    help="Folder of the run, as given to `specter demo run`.",
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def fault(name: str | None, clear: bool, list_faults: bool, output: str, state_dir: Path) -> None:
    """Inject a fault into the running shop, or clear it. Both may be repeated.

    \b
    Examples:
      specter demo fault --list
      specter demo fault api-latency
      specter demo fault api-latency --clear
    """
    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_demo.faults import find_fault  # noqa: PLC0415
    from specter_demo.faults.control import Control  # noqa: PLC0415  (psycopg, requests: not for --help)

    if list_faults == (name is not None) or (list_faults and clear):
        raise UsageError("expected the name of a fault, or --list alone")
    if name is None:
        _list(Control(load_settings(os.environ, state_dir / LAUNCHER_FILE), SystemClock()), output)
        return
    found = find_fault(name)
    control = Control(load_settings(os.environ, state_dir / LAUNCHER_FILE), SystemClock())
    said = found.clear(control) if clear else found.inject(control)
    result = {"fault": found.name, "active": not clear, "done": said}
    click.echo(json.dumps(result) if output == "json" else f"{found.name}: {said}")


def _list(control: "Control", output: str) -> None:
    from specter_demo.faults import FAULTS  # noqa: PLC0415

    rows = []
    for each in FAULTS:
        try:
            state = "active" if each.active(control) else "-"
        except SpecterError as error:
            # The database is away: what cannot be seen is not called healthy.
            click.echo(f"{each.name}: {error}", err=True)
            state = "unknown"
        rows.append({"name": each.name, "state": state, "summary": each.summary})
    if any(row["state"] == "unknown" for row in rows):
        click.echo("is the demo running? `make demo` starts it", err=True)
    if output == "json":
        click.echo(json.dumps(rows))
        return
    widest = max(len(row["name"]) for row in rows)
    for row in rows:
        click.echo(f"{row['name']:<{widest}} {row['state']:<8} {row['summary']}")
