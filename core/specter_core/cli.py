"""The `specter` command: finds each package's commands through entry points.

Nothing of a subcommand is imported until it is called, so that `specter --help`
stays fast with every extra installed. A subcommand whose package is not there
is not listed; one whose extra is missing says which to install.
"""

import importlib
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.errors import SpecterError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "specter.commands"
DISTRIBUTION = "specter-observability"
EXTRAS = {"dashboards": "dashboards", "detector": "detector", "exporter": "app,logs"}

# Found without looking through the metadata of all that is installed: it is begun with each run of each job.
QUICK = {"run": "specter_exporters.run.command"}


class LazyGroup(click.Group):
    """A click group whose subcommands are entry points, loaded when called."""

    def __init__(self, *args: object, points: "Iterable[EntryPoint] | None" = None, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._points = points

    def _found(self) -> "dict[str, EntryPoint]":
        from importlib.metadata import entry_points  # noqa: PLC0415  (takes as long as all else)

        points = entry_points(group=GROUP) if self._points is None else self._points
        return {point.name: point for point in points if _installed(point)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands, sorted."""
        return sorted({*super().list_commands(ctx), *self._found()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the subcommand `cmd_name`, or None."""
        quick = _quick(cmd_name) if self._points is None else None
        if quick is not None:
            return quick
        point = self._found().get(cmd_name)
        if point is None:
            return super().get_command(ctx, cmd_name)
        try:
            command = point.load()
        except ModuleNotFoundError as error:
            raise click.ClickException(_missing(cmd_name, error)) from error
        if not isinstance(command, click.Command):
            raise click.ClickException(f"{point.value} is not a click command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand; a package that it imports only now, and that is missing, is named."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise click.ClickException(_missing(ctx.invoked_subcommand or "", error)) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's signature)
        """List every subcommand with the first line of its module's docstring."""
        found = self._found()
        rows = [(name, _summary(found[name])) for name in sorted(found)]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def _quick(name: str) -> click.Command | None:
    if name not in QUICK:
        return None
    try:
        command = getattr(importlib.import_module(QUICK[name]), name)
    except ModuleNotFoundError:  # the slow way says which
        return None
    return command if isinstance(command, click.Command) else None


def _installed(point: "EntryPoint") -> bool:
    from importlib.util import find_spec  # noqa: PLC0415  (for `--help`, as below)

    return find_spec(point.module.partition(".")[0]) is not None


def _summary(point: "EntryPoint") -> str:
    import ast  # noqa: PLC0415
    import importlib.util  # noqa: PLC0415

    spec = importlib.util.find_spec(point.module)
    if spec is None or spec.origin is None:
        return ""
    doc = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8")))
    return doc.splitlines()[0] if doc else ""


def _missing(command: str, error: ModuleNotFoundError) -> str:
    if command in EXTRAS:
        return f"`specter {command}` needs {error.name}: pip install '{DISTRIBUTION}[{EXTRAS[command]}]'"
    return f"`specter {command}` needs the Python package {error.name}, which is not installed"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name=DISTRIBUTION, prog_name="specter")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    envvar="SPECTER_LOG_LEVEL",
    help="How much is written to standard error.",
)
def root(log_level: str) -> None:
    """Companion to Prometheus and Grafana: exporters, anomaly scores, dashboards, alerts.

    \b
    Examples:
      specter detector check FILE         validate a detector configuration
      specter alerts generate             write rules and Alertmanager routing
    """
    logging.basicConfig(
        level=log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )


def main() -> None:
    """Run the `specter` command; a `SpecterError` ends it with its message and exit code."""
    try:
        root(prog_name="specter")
    except SpecterError as error:
        click.echo(f"specter: {error}", err=True)
        sys.exit(error.exit_code)
