"""Take sign-ins as events over HTTP, and expose who fails and whether it is an attack."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.signals import StopSignals
from specter_core.web import WebConfig, WebOptions, parse_listen_address, web_options
from specter_exporters.commands import listening

if TYPE_CHECKING:
    from specter_exporters.signin.config import SignInConfig

EVENTS_ADDRESS = "127.0.0.1:9850"


@click.command("signin")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Configuration file (YAML), see docs/exporters-signin.md.",
)
@click.option(
    "--events.listen-address",
    "events_address",
    default=EVENTS_ADDRESS,
    show_default=True,
    help="HOST:PORT of the API for events and suspected breaches, apart from /metrics.",
)
@web_options(9849)
def signin(config_file: Path, events_address: str, web: WebOptions) -> None:
    """Take sign-ins as events over HTTP and expose who fails to sign in, and whether it is an attack.

    \b
    Examples:
      specter exporter signin --config signin.yml
      specter exporter signin --config signin.yml --events.listen-address 10.0.0.5:9850
    """
    from specter_exporters.signin.config import load  # noqa: PLC0415  (numpy; not for --help)

    host, port = parse_listen_address(events_address, "--events.listen-address", EVENTS_ADDRESS)
    # The API has tokens; basic authentication would want the same header.
    events = WebOptions(host, port, config=WebConfig(tls_server_config=web.config.tls_server_config))
    run(load(config_file), web, events, StopSignals().wait)


def run(config: "SignInConfig", web: WebOptions, events: WebOptions, wait: Callable[[], object]) -> None:
    """Serve metrics at `web` and the API at `events` until `wait` returns."""
    from specter_core.web import WebServer  # noqa: PLC0415
    from specter_exporters.signin.api import signin_api  # noqa: PLC0415  (numpy; not for --help)
    from specter_exporters.signin.recorder import SignIns  # noqa: PLC0415
    from specter_exporters.site import exporter_site  # noqa: PLC0415

    signins = SignIns(settings=config.settings)
    title = "Specter sign-in exporter"
    site = exporter_site(signins.registry, title=title, telemetry_path=web.telemetry_path)
    metrics = WebServer(site, web, threads=4)
    taking = WebServer(signin_api(signins, config.api), events)
    with listening(metrics), listening(taking, "events"):
        wait()
