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

# The extra that a subcommand needs, where it is not those that all of `specter exporter` is told to need.
EXTRAS = {"postgres": "postgres", "jobs": "jobs", "queues": "queues", "sql": "sql"}


class Exporters(click.Group):
    """A group whose subcommands are imported when they are called, or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands, sorted."""
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the subcommand `cmd_name`, or None."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        command = getattr(importlib.import_module(module), name)
        if not isinstance(command, click.Command):
            raise click.ClickException(f"{place} is not a click command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the subcommand; the extra with a package that it imports only now is named."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            name = ctx.invoked_subcommand or ""
            if name not in EXTRAS:
                raise
            hint = f"pip install 'specter-observability[{EXTRAS[name]}]'"
            raise click.ClickException(f"`specter exporter {name}` needs {error.name}: {hint}") from error


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
