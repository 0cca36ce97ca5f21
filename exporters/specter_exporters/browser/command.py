"""Take what browsers measure of pages, and expose the core web vitals."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.http_limits import Limits
from specter_core.signals import StopSignals
from specter_core.web import WebConfig, WebOptions, parse_listen_address, web_options
from specter_exporters.commands import listening

if TYPE_CHECKING:
    from specter_exporters.browser.config import BrowserConfig

# A larger body is refused by the server itself, without being counted.
MAX_READ_BYTES = 1024 * 1024
LIMITS = Limits(idle=500)

BEACON_ADDRESS = "127.0.0.1:9853"


@click.command("browser")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Configuration file (YAML), see docs/exporters-browser.md.",
)
@click.option(
    "--beacon.listen-address",
    "beacon_address",
    default=BEACON_ADDRESS,
    show_default=True,
    help="HOST:PORT of the beacon, apart from /metrics; TLS is that of --web.config.file.",
)
@web_options(9852)
def browser(config_file: Path, beacon_address: str, web: WebOptions) -> None:
    """Take what browsers measure with the web-vitals package, and expose it by page and device.

    \b
    Examples:
      specter exporter browser --config browser.yml
      specter exporter browser --config browser.yml --beacon.listen-address 10.0.0.5:9853
    """
    from specter_exporters.browser.config import load  # noqa: PLC0415  (not for --help)

    host, port = parse_listen_address(beacon_address, "--beacon.listen-address", BEACON_ADDRESS)
    beacon = WebOptions(host, port, config=_for_browsers(web.config))
    run(load(config_file), web, beacon, StopSignals().wait)


def _for_browsers(config: WebConfig) -> WebConfig:
    """Return the metrics' certificate alone: browsers of everybody have no password and no certificate."""
    tls = config.tls_server_config
    if tls is not None:
        tls = tls.model_copy(update={"client_auth_type": "NoClientCert", "client_ca_file": None})
    return WebConfig(tls_server_config=tls)


def run(config: "BrowserConfig", web: WebOptions, beacon: WebOptions, wait: Callable[[], object]) -> None:
    """Serve metrics at `web` and the beacon at `beacon` until `wait` returns."""
    from specter_core.web import WebServer  # noqa: PLC0415
    from specter_exporters.browser.endpoint import beacon_app  # noqa: PLC0415
    from specter_exporters.browser.recorder import Vitals  # noqa: PLC0415
    from specter_exporters.site import exporter_site  # noqa: PLC0415

    vitals = Vitals(hold_seconds=config.hold_seconds, templates=config.beacon.pages.templates)
    site = exporter_site(vitals.registry, title="Specter browser exporter", telemetry_path=web.telemetry_path)
    metrics = WebServer(site, web, threads=4)
    taking = WebServer(
        beacon_app(vitals, config.beacon), beacon, max_body_bytes=MAX_READ_BYTES, limits=LIMITS
    )
    with listening(metrics), listening(taking, "beacon"):
        wait()
