"""Ask PostgreSQL servers, and expose what they are doing."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.signals import StopSignals
from specter_core.web import WebOptions, web_options
from specter_exporters.commands import listening, storage_option

if TYPE_CHECKING:
    from specter_exporters.postgres.model import Watched


@click.command("postgres")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Which servers (YAML), see docs/exporters-postgres.md.",
)
@storage_option("postgres", "Folder in which plans are remembered over restarts; without it, none are.")
@web_options(9841)
def postgres(config_file: Path, storage_path: Path | None, web: WebOptions) -> None:
    """Expose what PostgreSQL servers are doing; a part that fails is left out, and said.

    \b
    Examples:
      specter exporter postgres --config postgres.yml
      specter exporter postgres --config postgres.yml --web.listen-address 10.0.0.5:9841
      curl 'http://127.0.0.1:9841/probe?target=10.0.0.7:5432&module=default'
    """
    from specter_exporters.postgres.config import load  # noqa: PLC0415  (not for --help)

    run(load(config_file), web, StopSignals().wait, storage_path)


def run(watched: "Watched", web: WebOptions, wait: Callable[[], object], storage: Path | None = None) -> None:
    """Serve until `wait` returns. A server that is down is no reason not to start.

    Raises:
        SpecterError: the address cannot be listened on.
    """
    from prometheus_client import ProcessCollector  # noqa: PLC0415  (not for --help)

    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_core.web import WebServer  # noqa: PLC0415
    from specter_exporters.postgres.collectors import standard  # noqa: PLC0415
    from specter_exporters.postgres.exposing import Exposition  # noqa: PLC0415
    from specter_exporters.postgres.pgbouncer import Console  # noqa: PLC0415
    from specter_exporters.postgres.probing import AT_ONCE, Probes, with_probes  # noqa: PLC0415
    from specter_exporters.postgres.scrape import Scraper  # noqa: PLC0415
    from specter_exporters.site import exporter_site  # noqa: PLC0415

    clock = SystemClock()
    scrapers = [Scraper(each, standard(each, clock, storage), clock) for each in watched.servers]
    consoles = [Console(each, clock) for each in watched.pgbouncers]
    exposition = Exposition([*scrapers, *consoles], clock, [ProcessCollector(registry=None)])
    probes = Probes(watched.modules, clock, storage)
    site = exporter_site(exposition, title="Specter PostgreSQL exporter", telemetry_path=web.telemetry_path)
    # A probe of a server that hangs waits for its own scrape's time.
    server = WebServer(with_probes(site, probes), web, threads=4 + (AT_ONCE if watched.modules else 0))
    with closing(probes), closing(exposition), listening(server):
        wait()
