"""`python -m benchmarks SUITE [options]`."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import click

import benchmarks

FOLDER = Path(__file__).parent


def suites() -> list[str]:
    """Return the names of all suites, sorted."""
    found = pkgutil.iter_modules([str(FOLDER)])
    return sorted(one.name for one in found if not one.ispkg and one.name != "__main__")


class Suites(click.Group):
    """A group whose subcommands are the modules beside this one, imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every suite, and `all`."""
        return [*suites(), *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the suite `cmd_name`, or None."""
        if cmd_name not in suites():
            return super().get_command(ctx, cmd_name)
        suite = importlib.import_module(f"{benchmarks.__name__}.{cmd_name}").suite
        if not isinstance(suite, click.Command):
            raise click.ClickException(f"benchmarks/{cmd_name}.py: `suite` is not a click command")
        return suite

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List every suite with the first line of its docstring, read without importing it."""
        rows = [(name, _summary(name)) for name in suites()]
        extra = [(name, super(Suites, self).get_command(ctx, name)) for name in super().list_commands(ctx)]
        with formatter.section("Suites"):
            formatter.write_dl(
                [*rows, *((name, command.get_short_help_str(100)) for name, command in extra if command)]
            )


def _summary(name: str) -> str:
    doc = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8")))
    return doc.splitlines()[0] if doc else ""


@click.group(cls=Suites, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Measure speed and accuracy; every result is one JSON object a line.

    \b
    Examples:
      python -m benchmarks app
      python -m benchmarks accuracy --labelled DIR
      python -m benchmarks all
    """


@main.command("all")
def run_all() -> None:
    """Run every suite that needs no data folder, or that part of it, each in its own process."""
    failed = []
    for name in suites():
        arguments = getattr(importlib.import_module(f"{benchmarks.__name__}.{name}"), "WITHOUT_DATA", ())
        command = [sys.executable, "-m", benchmarks.__name__, name, *arguments]
        if subprocess.run(command, cwd=FOLDER.parent, check=False).returncode:
            failed.append(name)
    if failed:
        raise click.ClickException(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
