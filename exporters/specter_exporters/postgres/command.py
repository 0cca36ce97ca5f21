"""Ask PostgreSQL servers, and expose what they are doing."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.signals import StopSignals
from specter_core.web import WebOptions, web_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from specter_exporters.postgres.model import Server


@click.command("postgres")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Which servers (YAML), see docs/exporters-postgres.md.",
)
@web_options(9841)
def postgres(config_file: Path, web: WebOptions) -> None:
    """Expose what PostgreSQL servers are doing; a part that fails is left out, and said.

    \b
    Examples:
      specter exporter postgres --config postgres.yml
      specter exporter postgres --config postgres.yml --web.listen-address 10.0.0.5:9841
    """
    from specter_exporters.postgres.config import load  # noqa: PLC0415  (not for --help)

    run(load(config_file), web, StopSignals().wait)


def run(servers: "Sequence[Server]", web: WebOptions, wait: Callable[[], object]) -> None:
    """Serve until `wait` returns. A server that is down is no reason not to start.

    Raises:
        SpecterError: the address cannot be listened on.
    """
    from prometheus_client import ProcessCollector  # noqa: PLC0415  (not for --help)

    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_core.web import WebServer  # noqa: PLC0415
    from specter_exporters.postgres.collectors import standard  # noqa: PLC0415
    from specter_exporters.postgres.exposing import Exposition  # noqa: PLC0415
    from specter_exporters.postgres.scrape import Scraper  # noqa: PLC0415
    from specter_exporters.site import exporter_site  # noqa: PLC0415

    clock = SystemClock()
    scrapers = [Scraper(each, standard(each, clock), clock) for each in servers]
    exposition = Exposition(scrapers, clock, [ProcessCollector(registry=None)])
    site = exporter_site(exposition, title="Specter PostgreSQL exporter", telemetry_path=web.telemetry_path)
    server = WebServer(site, web, threads=4)
    server.start()
    try:
        click.echo(f"metrics: {server.url}", err=True)
        wait()
    finally:
        server.stop()
        exposition.close()
