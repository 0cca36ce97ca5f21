"""The running exporter: one listener for metrics, one for events, and a snapshot now and then."""

from dataclasses import dataclass, replace
from pathlib import Path

import click
from prometheus_client import CollectorRegistry, ProcessCollector

from specter_core.catalogue import load_catalogue, platform_catalogue
from specter_core.errors import UsageError
from specter_core.http_limits import Limits
from specter_core.secret_files import read_secret_file
from specter_core.signals import StopSignals
from specter_core.web import WebConfig, WebOptions, WebServer
from specter_exporters.business.business import Business
from specter_exporters.business.endpoint import MAX_BODY_BYTES, BusinessEndpoint
from specter_exporters.business.senders import Senders, read_tokens
from specter_exporters.held_folder import HeldFolder
from specter_exporters.site import exporter_site

SAVE_EVERY = 60.0
LIMITS = Limits(idle=500)
MIN_KEY = 16
MAX_KEY = 64


@dataclass(frozen=True, slots=True)
class Settings:
    """What the flags say."""

    catalogue_file: Path | None
    token_files: tuple[str, ...]
    host: str
    port: int
    rate: float
    user_key_file: Path | None
    storage: Path


class Storage(HeldFolder):
    """What outlives the exporter."""

    holder = "exporter"


class AppExporter:
    """Both listeners and what they stand on.

    Raises:
        SpecterError: the catalogue, a token, a key or the storage cannot be used, or it or a port is taken.
    """

    def __init__(self, settings: Settings, web: WebOptions) -> None:
        catalogue = (
            load_catalogue(settings.catalogue_file) if settings.catalogue_file else platform_catalogue()
        )
        senders = Senders(read_tokens(settings.token_files))
        user_key = _user_key(settings.user_key_file)
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        # Before anything in it is read: of two processes, each would overwrite the users of the other.
        self._held = Storage.open(settings.storage)
        self.business = Business(catalogue, registry, user_key=user_key, storage=settings.storage)
        endpoint = BusinessEndpoint(self.business, senders, rate=settings.rate)
        site = exporter_site(
            registry, title="Specter application exporter", telemetry_path=web.telemetry_path
        )
        # Senders show a token; basic authentication would want the same header.
        events = replace(
            web,
            host=settings.host,
            port=settings.port,
            config=WebConfig(tls_server_config=web.config.tls_server_config),
        )
        self._metrics = WebServer(site, web, threads=4)
        # What the endpoint refuses for its size is read to its end, so that the connection can go on.
        self._events = WebServer(endpoint, events, max_body_bytes=2 * MAX_BODY_BYTES, limits=LIMITS)

    @property
    def metrics_url(self) -> str:
        """Where metrics are, with the port that was really bound."""
        return self._metrics.url

    @property
    def events_url(self) -> str:
        """Where events are taken."""
        return self._events.url

    def start(self) -> None:
        """Bind and serve both listeners."""
        self._events.start()
        try:
            self._metrics.start()
        except BaseException:
            self._events.stop()
            raise

    def stop(self) -> None:
        """Take no more events, save what users did, and end."""
        self._events.stop()
        self.business.save()
        self._metrics.stop()
        self._held.close()


def _user_key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    key = read_secret_file(path, what="user key").encode()
    if not MIN_KEY <= len(key) <= MAX_KEY:
        raise UsageError(
            f"user key: {path} must hold {MIN_KEY} to {MAX_KEY} bytes; make one: "
            f"openssl rand -hex 32 > {path}"
        )
    return key


def run(settings: Settings, web: WebOptions) -> None:
    """Run the exporter until SIGTERM or SIGINT.

    Raises:
        SpecterError: see `AppExporter`.
    """
    stop = StopSignals()
    exporter = AppExporter(settings, web)
    exporter.start()
    try:
        click.echo(f"metrics: {exporter.metrics_url}", err=True)
        click.echo(f"events: {exporter.events_url}", err=True)
        while not stop.wait(SAVE_EVERY):
            exporter.business.save()
    finally:
        exporter.stop()
