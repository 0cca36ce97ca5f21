"""Remote write: 10,000 series with four outputs, beside the protobuf library, and samples a second."""

import statistics
import tempfile
import time
from contextlib import closing
from pathlib import Path
from random import Random

import cramjam
import numpy as np
from prometheus_client import CollectorRegistry

from benchmarks import report
from benchmarks.servicing.series import some_labels
from specter_core.clock import SystemClock
from specter_core.metrics import ANOMALY_SCORE, YHAT, YHAT_LOWER, YHAT_UPPER
from specter_detector.config import Connection
from specter_detector.disk_spool import DiskSpool
from specter_detector.formats import DEFAULT
from specter_detector.http import open_session
from specter_detector.models.arrays import Floats
from specter_detector.outputs import Outputs
from specter_detector.packing import DEFAULT_LIMITS, pack
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.telemetry import Telemetry
from specter_detector.writer import Writer
from tests.detector.write_request import write_request
from tests.servers.prometheus import running_prometheus

NAMES = (ANOMALY_SCORE, YHAT, YHAT_LOWER, YHAT_UPPER)
VARIABLES = {"QUERY_KEY": "q", "MODEL_ALIAS": "m", "SCHEDULER_ALIAS": "s", "ANOMALY_TYPE": "latency"}
SERIES = 10_000
TICKS = 10
MS = 1e3


def report_writing(rounds: int) -> None:
    """Measure what it costs to write; `rounds` ticks are encoded."""
    report("encode_40k_ms", encode_ms(rounds), "ms", baseline=protobuf_ms(3), baseline_name="protobuf, naive")
    report("remote_write_samples_per_s", samples_per_second(), "1/s")


def some_values(number: int) -> dict[str, Floats]:
    """Return the values of each output at tick `number`."""
    rng = np.random.default_rng(number)
    return {name: rng.normal(100.0, 10.0, SERIES) for name in NAMES}


def encode_ms(rounds: int) -> float:
    """Return the processor time (ms) of a tick after the first, from columns to compressed requests."""
    series, outputs = some_labels(SERIES), Outputs("q", DEFAULT, VARIABLES, NAMES)
    taken = []
    for number in range(rounds + 1):
        values = some_values(number)
        started = time.process_time()
        written = outputs.tick(1.79e9 + 15 * number, series, values, np.zeros(SERIES, np.bool_))
        _ = list(pack(written.blocks, DEFAULT_LIMITS))
        taken.append(time.process_time() - started)
    return MS * statistics.median(taken[1:])


def protobuf_ms(rounds: int) -> float:
    """Return the processor time (ms) of messages that are made one by one."""
    series = some_labels(SERIES)
    added = {"for": "q", "model_alias": "m", "scheduler_alias": "s"}
    taken = []
    for number in range(rounds):
        values = {name: column.tolist() for name, column in some_values(number).items()}
        started = time.process_time()
        message = write_request()()
        for name, column in values.items():
            for labels, value in zip(series, column, strict=True):
                one = message.timeseries.add()
                for label, text in sorted({**dict(labels), **added, "__name__": name}.items()):
                    one.labels.add(name=label, value=text)
                one.samples.add(value=value, timestamp=1_790_000_000_000 + 15_000 * number)
        _ = bytes(cramjam.snappy.compress_raw(message.SerializeToString()))
        taken.append(time.process_time() - started)
    return MS * statistics.median(taken)


def samples_per_second() -> float:
    """Return how fast a backlog in a spool on disk goes into a real Prometheus that knows the series."""
    series, outputs = some_labels(SERIES), Outputs("q", DEFAULT, VARIABLES, NAMES)
    telemetry = Telemetry(CollectorRegistry())
    start = float(int(time.time())) - 15.0 * (TICKS + 1)
    with tempfile.TemporaryDirectory() as folder, running_prometheus(Path(folder) / "prometheus") as server:
        client = RemoteWriteClient(server.url, open_session(Connection(server.url, 10.0)))
        spool = DiskSpool(Path(folder) / "spool", max_bytes=1 << 30, max_age=1e9, dropped=telemetry.dropped)
        writer = Writer(
            client, spool, clock=SystemClock(), random=Random(1), telemetry=telemetry, timeout=10.0
        )
        with closing(client), closing(writer):
            for number in range(TICKS + 1):
                at = start + 15.0 * number
                tick = outputs.tick(at, series, some_values(number), np.zeros(SERIES, np.bool_))
                writer.enqueue("s", at, [tick])
                if number == 0:
                    writer.flush(60.0)
            started = time.perf_counter()
            writer.flush(60.0)
            return TICKS * SERIES * len(NAMES) / (time.perf_counter() - started)
