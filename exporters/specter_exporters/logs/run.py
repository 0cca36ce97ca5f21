"""Run the log exporter: one thread that reads, a server that shows, until a signal ends both."""

from contextlib import closing
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector

from specter_core.clock import Clock, SystemClock
from specter_core.signals import StopSignals
from specter_core.web import WebOptions, WebServer
from specter_exporters.commands import listening
from specter_exporters.logs.exporter import Exporter
from specter_exporters.logs.schema import LogsSchema
from specter_exporters.logs.state import StateFolder
from specter_exporters.logs.web import create_app, is_protected


def run(config: LogsSchema, storage: Path, web: WebOptions) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        config: what to read.
        storage: folder where offsets, counters and templates are kept.
        web: where the metrics are.

    Raises:
        SpecterError: the folder or the address is in use, or cannot be used.
    """
    stop = StopSignals()
    clock = SystemClock()
    exporter = Exporter(config, StateFolder.open(storage), clock)
    registry = CollectorRegistry()
    registry.register(exporter)
    ProcessCollector(registry=registry)
    app = create_app(
        registry,
        exporter.templates,
        ready=lambda: exporter.ready,
        telemetry_path=web.telemetry_path,
        protected=is_protected(web),
    )
    with closing(exporter), listening(WebServer(app, web)):
        read(exporter, stop, clock)


def read(exporter: Exporter, stop: StopSignals, clock: Clock) -> None:
    """Read and save until a signal comes."""
    config = exporter.config
    saved = clock.monotonic()
    while not stop.wait(0):
        if not exporter.step():
            stop.wait(config.poll_interval)
        if clock.monotonic() - saved >= config.save_interval:
            exporter.save()
            saved = clock.monotonic()
