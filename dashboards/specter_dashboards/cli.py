"""Write and check Grafana dashboards.

grafanalib is imported by the command that needs it.
"""

from pathlib import Path

import click

from specter_core.errors import SpecterError

GENERATED = Path("dashboards/generated")


@click.group()
def dashboards() -> None:
    """Write and check Grafana dashboards.

    \b
    Examples:
      specter dashboards generate             write dashboards/generated
      specter dashboards generate --check     exit 1 if it is not what would be written
    """


@dashboards.command()
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=GENERATED,
    show_default=True,
    help="Folder that holds the generated files and nothing else.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit 1 if files are missing, orphaned or different."
)
def generate(output_dir: Path, check: bool) -> None:
    """Write one JSON file a dashboard, ready to import or to provision.

    \b
    Examples:
      specter dashboards generate
      specter dashboards generate --output-dir /var/lib/grafana/dashboards
      specter dashboards generate --check
    """
    from specter_dashboards import writer  # noqa: PLC0415  keeps --help fast

    if not check:
        for path in writer.write(output_dir):
            click.echo(path)
        return
    problems = writer.differences(output_dir)
    if problems:
        raise SpecterError("\n".join([*problems, "run `specter dashboards generate`, and delete orphans"]))
    click.echo(f"{output_dir} is up to date")
