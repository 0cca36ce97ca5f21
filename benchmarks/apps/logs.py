"""The log exporter: lines a second on one core, beside a plain loop and plain drain3 over the same files.

Every figure is lines a second of processor time, because the machine is shared: ours with everything that it
does (reading, splitting, parsing, counting, mining, saving), the peers with the same lines in memory. Rounds
take turns, and the median is reported.
"""

import json
import random
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import process_time

from drain3.drain import Drain
from prometheus_client import CollectorRegistry, Counter, Histogram

from benchmarks import report
from specter_core.clock import SystemClock
from specter_core.config import parse_config
from specter_exporters.logs.exporter import Exporter
from specter_exporters.logs.schema import LogsSchema
from specter_exporters.logs.state import StateFolder

LINES = 60_000
ROUNDS = 5
SEED = 20260921
KINDS = ("orders", "products", "users")
PLAIN = "json and prometheus_client in a loop, the route given"
DRAIN = "json and drain3 in a loop"
ACCESS = """
logs:
  - name: web
    files: ["{file}"]
    start: beginning
    format: json
    requests: {{method: method, path: path, status: status, duration: duration, bytes: bytes}}
    counters:
      - {{name: tenant_requests_total, labels: {{tenant: tenant}}}}
    histograms:
      - {{name: response_size_bytes, value: bytes, buckets: [100, 1000, 10000, 100000]}}
"""
ERRORS = """
logs:
  - name: shop
    files: ["{file}"]
    start: beginning
    format: json
"""
MESSAGES = (
    "failed to charge order {a} for customer {b}: card declined by issuer after {c} ms",
    "connection to db-{c} timed out after {b} ms (attempt {c})",
    "upstream {a} returned 502 for /v1/users/{b}",
    "cannot send mail to user {b}: mailbox full",
    "lock wait timeout exceeded on table orders_{c}; try restarting transaction",
    "job {a} of queue mails failed permanently after {c} retries",
    "cache node 10.0.{c}.7 is unreachable",
    "invalid coupon {b} in cart {a}",
)


def access_lines(chance: random.Random, count: int) -> list[bytes]:
    """Return JSON access lines of some 330 bytes, each with an identifier in its path."""
    return [
        json.dumps(
            {
                "time": f"2026-09-21T14:13:{n // 1000 % 60:02d}.{n % 1000:03d}Z",
                "level": "info",
                "method": chance.choice(("GET", "GET", "POST")),
                "path": f"/{chance.choice(KINDS)}/{chance.randrange(10**6)}/items?page=2",
                "status": chance.choice((200, 200, 200, 200, 302, 404, 500)),
                "duration": round(chance.expovariate(20), 6),
                "bytes": chance.randrange(100_000),
                "remote_addr": f"10.0.{n % 256}.7",
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "tenant": chance.choice(("acme", "globex", "initech", "umbrella", "hooli")),
                "request_id": f"{chance.getrandbits(128):032x}",
            }
        ).encode()
        for n in range(count)
    ]


def error_lines(chance: random.Random, count: int) -> list[bytes]:
    """Return JSON error lines of some 190 bytes, whose messages have eight forms."""
    return [
        json.dumps(
            {
                "time": f"2026-09-21T14:13:{n // 1000 % 60:02d}.{n % 1000:03d}Z",
                "level": "error",
                "logger": "shop.payments",
                "msg": chance.choice(MESSAGES).format(
                    a=f"{chance.getrandbits(64):016x}", b=chance.randrange(10**6), c=chance.randrange(64)
                ),
                "request_id": f"{chance.getrandbits(64):016x}",
            }
        ).encode()
        for n in range(count)
    ]


def report_log_lines(lines: int = LINES, rounds: int = ROUNDS) -> None:
    """Print lines a second: access lines with RED and fields, and error lines that are all mined."""
    chance = random.Random(SEED)
    for name, config, made, peer, peer_name in (
        ("log_lines_per_s", ACCESS, access_lines(chance, lines), _plain_loop, PLAIN),
        ("log_lines_mining_per_s", ERRORS, error_lines(chance, lines), _plain_drain, DRAIN),
    ):
        ours, theirs = _rates(config, made, peer, rounds)
        report(name, ours, "lines/s", baseline=theirs, baseline_name=peer_name)


def _rates(
    config: str, lines: list[bytes], peer: Callable[[list[bytes]], float], rounds: int
) -> tuple[float, float]:
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bench.log"
        file.write_bytes(b"\n".join(lines) + b"\n")
        for number in range(rounds):
            ours.append(
                len(lines) / _ours(config.format(file=file), Path(folder) / f"state{number}", len(lines))
            )
            theirs.append(len(lines) / peer(lines))
    return statistics.median(ours), statistics.median(theirs)


def _ours(config: str, folder: Path, lines: int) -> float:
    """Return the processor seconds that the exporter takes, saving included."""
    exporter = Exporter(
        parse_config(config, LogsSchema, file="bench"), StateFolder.open(folder), SystemClock()
    )
    started = process_time()
    exporter.drain()
    exporter.save()
    seconds = process_time() - started
    counted = sum(
        sample.value
        for family in exporter.collect()
        for sample in family.samples
        if sample.name == "specter_log_lines_total"
    )
    exporter.close()
    if counted != lines:
        raise RuntimeError(f"{counted} of {lines} lines were counted")
    return seconds


def _plain_loop(lines: list[bytes]) -> float:
    """Return the processor seconds of what one writes first: parse, look up the child, count."""
    registry = CollectorRegistry()
    labels = ("method", "route", "status")
    durations = Histogram("request_duration_seconds", "Duration.", labels, registry=registry)
    levels = Counter("lines_total", "Lines.", ("level",), registry=registry)
    tenants = Counter("tenant_requests_total", "Requests.", ("tenant",), registry=registry)
    sizes = Histogram("response_size_bytes", "Size.", buckets=(100, 1000, 10_000, 100_000), registry=registry)
    sent = Counter("response_bytes_total", "Bytes.", ("route",), registry=registry)
    started = process_time()
    for line in lines:
        fields = json.loads(line)
        route = "/" + fields["path"].split("/")[1]
        levels.labels(fields["level"]).inc()
        durations.labels(fields["method"], route, str(fields["status"])).observe(fields["duration"])
        sent.labels(route).inc(fields["bytes"])
        tenants.labels(fields["tenant"]).inc()
        sizes.observe(fields["bytes"])
    return process_time() - started


def _plain_drain(lines: list[bytes]) -> float:
    drain = Drain(max_clusters=1000)
    started = process_time()
    for line in lines:
        drain.add_log_message(json.loads(line)["msg"])
    return process_time() - started
