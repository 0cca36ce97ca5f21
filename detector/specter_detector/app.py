"""Put the detector together from its configuration, and its web pages around it."""

import html
import logging
import random
import signal
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, make_wsgi_app

from specter_core.clock import Clock, SystemClock
from specter_core.web import WebOptions, WebServer
from specter_detector.config import DetectorConfig
from specter_detector.disk_spool import open_spool
from specter_detector.engine import Engine
from specter_detector.exposed import Exposed
from specter_detector.fitting import Fitter, ProcessFitter
from specter_detector.http import open_session
from specter_detector.reader import PrometheusReader
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.service import Service
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Destination, Writer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOGGER = logging.getLogger(__name__)


class Detector:
    """A detector with everything it holds open; `close` gives it back."""

    def __init__(
        self,
        config: DetectorConfig,
        *,
        clock: Clock | None = None,
        fitter: Fitter | None = None,
        registry: CollectorRegistry | None = None,
    ) -> None:
        clock = clock or SystemClock()
        chance = random.Random()  # noqa: S311  (jitter is no secret)
        self.telemetry = Telemetry(registry or CollectorRegistry())
        self.telemetry.prepare(list(config.reader.queries))
        # A session a thread: requests promises nothing about sharing one.
        self._reader = PrometheusReader(config.reader, open_session(config.reader.connection))
        self._fit_reader = PrometheusReader(config.reader, open_session(config.reader.connection))
        self._client = RemoteWriteClient(config.writer.connection.url, open_session(config.writer.connection))
        self._writer: Destination
        if config.writer.scrape:
            self._writer = exposed = Exposed(clock=clock, telemetry=self.telemetry)
            self.telemetry.registry.register(exposed)
        else:
            self._writer = Writer(
                self._client,
                open_spool(config.writer.spool, self.telemetry.dropped),
                clock=clock,
                random=chance,
                telemetry=self.telemetry,
                timeout=config.writer.connection.timeout,
                limits=config.writer.limits,
            )
        self._fitter = fitter or ProcessFitter()
        self.engine = Engine(
            config,
            reader=self._reader,
            fit_reader=self._fit_reader,
            writer=self._writer,
            fitter=self._fitter,
            telemetry=self.telemetry,
            clock=clock,
        )
        self.service = Service(
            self.engine, reader=self._reader, telemetry=self.telemetry, clock=clock, random=chance
        )

    def close(self) -> None:
        """Stop the fitting process and close every connection."""
        self._fitter.close()
        self._reader.close()
        self._fit_reader.close()
        self._writer.close()
        self._client.close()


def web_app(detector: Detector, telemetry_path: str) -> "WSGIApplication":
    """Return the WSGI application: metrics, health, readiness and a landing page."""
    metrics = make_wsgi_app(detector.telemetry.registry)
    landing = (
        "<!doctype html><title>Specter detector</title><h1>Specter detector</h1>"
        f'<p><a href="{html.escape(telemetry_path)}">Metrics</a></p>'
        '<p><a href="/-/ready">Ready?</a></p>'
    )

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == telemetry_path:
            exposition: Iterable[bytes] = metrics(environ, start_response)
            return exposition
        answers = {
            "/": ("200 OK", "text/html", landing),
            "/-/healthy": ("200 OK", "text/plain", "healthy\n"),
            "/-/ready": ("200 OK", "text/plain", "ready\n")
            if detector.service.ready
            else ("503 Service Unavailable", "text/plain", "no tick has reached the data source yet\n"),
        }
        status, kind, body = answers.get(path, ("404 Not Found", "text/plain", "not found\n"))
        start_response(status, [("Content-Type", f"{kind}; charset=utf-8")])
        return [body.encode()]

    return app


def run(config: DetectorConfig, web: WebOptions) -> None:
    """Run the detector with its web server until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    detector = Detector(config)
    try:
        server = WebServer(web_app(detector, web.telemetry_path), web)
        server.start()
        LOGGER.info("listening on %s", server.url)
        try:
            detector.service.run(stop)
        finally:
            server.stop()
    finally:
        detector.close()
