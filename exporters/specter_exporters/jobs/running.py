"""The running exporter: one listener for metrics, one for pings, and the book between them."""

import base64
import ssl
from dataclasses import replace
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, ProcessCollector

from specter_core.clock import Clock
from specter_core.http_limits import Limits
from specter_core.web import WebConfig, WebOptions, WebServer
from specter_exporters.jobs.book import Book
from specter_exporters.jobs.config import JobsConfig, Provider
from specter_exporters.jobs.deliveries.der import p256_key
from specter_exporters.jobs.deliveries.receiving import Receiving, fetch
from specter_exporters.jobs.deliveries.verifying import SendGrid, Ses, StandardWebhooks, Verifier
from specter_exporters.jobs.exposing import Exposition, jobs_app
from specter_exporters.jobs.listener import Listener
from specter_exporters.jobs.own_metrics import OwnMetrics
from specter_exporters.jobs.pinging import MAX_BODY_BYTES, Pinging
from specter_exporters.jobs.pushing import Pushing
from specter_exporters.jobs.reading import Reading
from specter_exporters.jobs.store import Store
from specter_exporters.site import site

LIMITS = Limits(idle=500)
WITHIN = 3.0
"""Seconds in which the listener of pings answers the exporter itself."""
PING_THREADS = 32
"""Requests that wait for the disk together: one write keeps what all of them tell."""


def verifier(provider: Provider) -> Verifier:
    """Return what verifies a provider's requests."""
    if provider.kind == "ses":
        return Ses(provider.secret, fetch)
    if provider.kind == "sendgrid":
        return SendGrid(p256_key(base64.b64decode(provider.secret)))
    return StandardWebhooks(provider.secret)


def answers(url: str) -> bool:
    """Return whether the server at `url`, one of our own, says that it lives."""
    place = urlsplit(url)
    # One that listens on every interface is asked here; of ourselves we need no certificate.
    host = place.hostname if place.hostname not in {None, "0.0.0.0", "::"} else "127.0.0.1"
    connection = HTTPConnection(host or "", place.port, timeout=WITHIN)
    if place.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(host or "", place.port, timeout=WITHIN, context=context)
    try:
        connection.request("GET", "/-/healthy")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


class JobsExporter:
    """Both listeners and what they stand on.

    Args:
        config: the jobs and the limits.
        web: where metrics are served.
        ping_address: host and port of the ping endpoint.
        store: where jobs are kept.
        clock: the time.
    """

    def __init__(
        self, config: JobsConfig, web: WebOptions, ping_address: tuple[str, int], store: Store, clock: Clock
    ) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._book = Book(config.jobs, store, clock, most_made=config.most_made, forgotten=config.forgotten)
        self._own = OwnMetrics(self._book.counts)
        registry.register(self._own)
        self._pushing = Pushing(self._book, config.push_token, clock)
        registry.register(self._pushing)
        deliveries = Receiving({each.name: verifier(each) for each in config.providers}, clock, registry)
        listener = Listener(
            Pinging(self._book, config, clock, registry),
            self._pushing,
            Reading(self._book),
            deliveries,
            config,
            clock,
        )
        pages = site(
            jobs_app(Exposition(self._book, registry)),
            title="Specter jobs exporter",
            telemetry_path=web.telemetry_path,
        )
        host, port = ping_address
        # Jobs show their URL; a password or a certificate of theirs would be one secret more to hand out.
        tls = web.config.tls_server_config
        if tls is not None:
            tls = tls.model_copy(update={"client_auth_type": "NoClientCert", "client_ca_file": None})
        pings = replace(web, host=host, port=port, config=WebConfig(tls_server_config=tls))
        self._metrics = WebServer(pages, web, threads=4)
        self._pings = WebServer(
            listener, pings, threads=PING_THREADS, max_body_bytes=2 * MAX_BODY_BYTES, limits=LIMITS
        )

    @property
    def metrics_url(self) -> str:
        """Where metrics are, with the port that was really bound."""
        return self._metrics.url

    @property
    def ping_url(self) -> str:
        """Where pings are taken."""
        return self._pings.url

    def start(self) -> None:
        """Open the store, then bind and serve both listeners.

        Raises:
            SpecterError: one of them cannot be done.
        """
        self._book.open()
        try:
            self._pushing.open()
            self._pings.start()
            self._metrics.start()
        except BaseException:
            self.stop()
            raise

    def save(self) -> None:
        """Keep what time has brought, and see whether the listener of pings answers."""
        self._own.pings_up = answers(self.ping_url)
        self._book.save()

    def stop(self) -> None:
        """Take no more pings, keep what came, and end."""
        self._pings.stop()
        self._book.close()
        self._metrics.stop()
