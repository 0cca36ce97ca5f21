"""A writer in front of a real server, with outputs of its own, as a detector has them."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from prometheus_client import CollectorRegistry

from specter_core.clock import SystemClock
from specter_detector.config import Connection
from specter_detector.disk_spool import open_spool
from specter_detector.formats import DEFAULT
from specter_detector.http import open_session
from specter_detector.models.arrays import Floats
from specter_detector.outputs import Outputs
from specter_detector.packing import DEFAULT_LIMITS, Limits
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.series import Labels, labels_of
from specter_detector.spool import SpoolOptions
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Writer

NAMES = ("anomaly_score", "yhat", "yhat_lower", "yhat_upper")
VARIABLES = {"QUERY_KEY": "q", "MODEL_ALIAS": "m", "SCHEDULER_ALIAS": "s", "ANOMALY_TYPE": "latency"}


def realistic(number: int) -> Labels:
    """Return the labels of a series such as a service has them."""
    return labels_of(
        {
            "__name__": "http_server_request_duration_seconds:p95",
            "service": f"service-{number // 100}",
            "instance": f"10.0.{number // 250}.{number % 250}:9100",
            "http_route": f"/api/v1/things/{number % 40}",
            "http_request_method": ("GET", "POST", "PUT")[number % 3],
            "zone": f"eu-west-1{'abc'[number % 3]}",
            "job": "app",
        }
    )


@dataclass
class Writing:
    """What a test writes with."""

    writer: Writer
    outputs: Outputs
    registry: CollectorRegistry

    def tick(self, at: float, series: list[Labels], values: Floats) -> None:
        """Enqueue one tick: `values` as the scores, and from them the rest."""
        columns = dict(zip(NAMES, (values, values + 1, values + 2, values + 3), strict=True))
        written = self.outputs.tick(at, series, columns, np.zeros(len(series), np.bool_))
        self.writer.enqueue("s", at, [written])

    def count(self, name: str, **labels: str) -> float:
        """Return one of the detector's own metrics."""
        return self.registry.get_sample_value(f"specter_detector_{name}", labels) or 0.0


@contextmanager
def writing_to(
    url: str,
    folder: Path | None = None,
    *,
    provided: tuple[str, ...] = NAMES,
    limits: Limits = DEFAULT_LIMITS,
) -> Iterator[Writing]:
    """Yield a writer to the server at `url`, with a spool in `folder` or in memory."""
    registry = CollectorRegistry()
    telemetry = Telemetry(registry)
    session = open_session(Connection(url, 10.0))
    spool = open_spool(SpoolOptions(folder), telemetry.dropped)
    with closing(RemoteWriteClient(url, session)) as client:
        writer = Writer(
            client,
            spool,
            clock=SystemClock(),
            random=Random(1),
            telemetry=telemetry,
            timeout=10.0,
            limits=limits,
        )
        with closing(writer):
            yield Writing(writer, Outputs("q", DEFAULT, VARIABLES, provided), registry)
