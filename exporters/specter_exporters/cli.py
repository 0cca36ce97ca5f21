"""Expose what applications, databases, queues and jobs are doing: run an exporter."""

import importlib

import click

# One line a subcommand: its name, and where its click command is.
COMMANDS = {
    "app": "specter_exporters.business.command:app",
    "catalogue": "specter_exporters.business.command:catalogue",
    "signin": "specter_exporters.signin.command:signin",
    "browser": "specter_exporters.browser.command:browser",
    "logs": "specter_exporters.logs.cli:logs",
    "dependencies": "specter_exporters.dependencies.command:dependencies",
    "postgres": "specter_exporters.postgres.command:postgres",
    "jobs": "specter_exporters.jobs.command:jobs",
    "queues": "specter_exporters.queues.command:queues",
    "sql": "specter_exporters.sql.command:sql",
}

OTHERS = "app,logs"
"""The extras of the subcommands that are not in `EXTRAS`."""
EXTRAS = {"postgres": "postgres", "jobs": "jobs", "queues": "queues", "sql": "sql"}


class Exporters(click.Group):
    """A group whose subcommands are imported when they are called, or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands, sorted."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the subcommand `cmd_name`, or None."""
        try:
            return _loaded(cmd_name) or super().get_command(ctx, cmd_name)
        except ModuleNotFoundError as error:
            raise click.ClickException(f"`specter exporter {cmd_name}` {_needs(cmd_name, error)}") from error

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand; the extra with a package that it imports only now is named."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            name = ctx.invoked_subcommand or ""
            raise click.ClickException(f"`specter exporter {name}` {_needs(name, error)}") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List every subcommand, also those whose extra is not installed, and which that is."""
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, _summary(name, room)) for name in names])


def _loaded(name: str) -> click.Command | None:
    place = COMMANDS.get(name)
    if place is None:
        return None
    module, _, attribute = place.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    if not isinstance(command, click.Command):
        raise click.ClickException(f"{place} is not a click command")
    return command


def _summary(name: str, room: int) -> str:
    try:
        command = _loaded(name)
    except ModuleNotFoundError as error:
        return _needs(name, error)
    return "" if command is None else command.get_short_help_str(room)


def _needs(name: str, error: ModuleNotFoundError) -> str:
    return f"needs {error.name}: pip install 'specter-observability[{EXTRAS.get(name, OTHERS)}]'"


@click.group(cls=Exporters)
def exporter() -> None:
    """Run an exporter, which Prometheus scrapes.

    \b
    Examples:
      specter exporter app --business.token-file shop=shop.token
      specter exporter catalogue
      specter exporter signin --config signin.yml
      specter exporter browser --config browser.yml
      specter exporter logs --config logs.yml
      specter exporter dependencies --config dependencies.yml
      specter exporter postgres --config postgres.yml
      specter exporter jobs --config jobs.yml
      specter exporter queues --redis.url redis://127.0.0.1:6379/0
      specter exporter sql --config sql.yml
    """
