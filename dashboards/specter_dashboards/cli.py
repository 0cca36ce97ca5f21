"""Write and check Grafana dashboards.

grafanalib is imported by the command that needs it.
"""

from pathlib import Path

import click

from specter_core import generated

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
@generated.options(GENERATED)
def generate(output_dir: Path, check: bool) -> None:
    """Write one JSON file a dashboard, ready to import or to provision.

    \b
    Examples:
      specter dashboards generate
      specter dashboards generate --output-dir /var/lib/grafana/dashboards
      specter dashboards generate --check
    """
    from specter_dashboards import writer  # noqa: PLC0415  keeps --help fast

    generated.run("specter dashboards generate", output_dir, writer.render(), check=check)
