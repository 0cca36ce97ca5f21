"""The servers that every run has, as services under the process manager."""

from collections.abc import Mapping
from pathlib import Path

from specter_stack.dependencies import blackbox_config
from specter_stack.layout import Layout
from specter_stack.ports import LOOPBACK
from specter_stack.programs import find_program
from specter_stack.service import Service, Target

DEFAULT_PORTS: Mapping[str, int] = {
    "prometheus": 9090,
    "alertmanager": 9093,
    "grafana": 3000,
    "node": 9100,
    "blackbox": 9115,
    "postgres": 5432,
    "redis": 6379,
}


def base_services(layout: Layout, ports: Mapping[str, int]) -> tuple[Service, ...]:
    """Return Prometheus, Alertmanager, the exporters run as they are, and Redis."""
    return (
        _prometheus(layout, ports["prometheus"]),
        _alertmanager(layout, ports["alertmanager"]),
        _node(ports["node"]),
        _blackbox(layout, ports["blackbox"]),
        _redis(layout, ports["redis"]),
    )


def _prometheus(layout: Layout, port: int) -> Service:
    url = f"http://{LOOPBACK}:{port}"
    return Service(
        name="prometheus",
        command=(
            str(find_program("prometheus")),
            f"--config.file={layout.etc}/prometheus/prometheus.yml",
            f"--storage.tsdb.path={layout.prometheus_data}",
            f"--web.listen-address={LOOPBACK}:{port}",
            f"--web.external-url={url}/",
            *PROMETHEUS_FLAGS,
        ),
        ready=f"{url}/-/ready",
        targets=(_target("prometheus", port, "prometheus"),),
        url=url,
    )


# Both ways to run start Prometheus with these; docker-compose.yml repeats them, and a test compares.
PROMETHEUS_FLAGS = (
    "--storage.tsdb.retention.time=60d",
    "--web.enable-remote-write-receiver",
    "--web.enable-lifecycle",
    "--enable-feature=exemplar-storage",
    "--rules.alert.resend-delay=1s",
)


def _alertmanager(layout: Layout, port: int) -> Service:
    url = f"http://{LOOPBACK}:{port}"
    return Service(
        name="alertmanager",
        command=(
            str(find_program("alertmanager")),
            f"--config.file={layout.etc}/alertmanager/alertmanager.yml",
            f"--storage.path={layout.state}/alertmanager",
            f"--web.listen-address={LOOPBACK}:{port}",
            f"--web.external-url={url}/",
            "--cluster.listen-address=",
        ),
        ready=f"{url}/-/ready",
        targets=(_target("alertmanager", port, "alertmanager"),),
        url=url,
    )


def _node(port: int) -> Service:
    return Service(
        name="node",
        command=(
            str(find_program("node_exporter")),
            f"--web.listen-address={LOOPBACK}:{port}",
            "--no-collector.systemd",
        ),
        ready=f"http://{LOOPBACK}:{port}/",
        targets=(_target("node", port, "node"),),
    )


def _blackbox(layout: Layout, port: int) -> Service:
    return Service(
        name="blackbox",
        command=(
            str(find_program("blackbox_exporter")),
            f"--config.file={blackbox_config(layout)}",
            f"--web.listen-address={LOOPBACK}:{port}",
        ),
        ready=f"http://{LOOPBACK}:{port}/-/healthy",
    )


def _redis(layout: Layout, port: int) -> Service:
    folder = layout.state / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    return Service(
        name="redis",
        command=(
            str(find_program("redis-server")),
            *("--port", str(port), "--bind", LOOPBACK, "--dir", str(folder)),
            *("--save", "", "--appendonly", "no"),
        ),
        ready=f"tcp://{LOOPBACK}:{port}",
    )


def _target(job: str, port: int, service: str) -> Target:
    return Target(job, f"{LOOPBACK}:{port}", {"service": service, "instance": f"{service}-1"})


def log_tail(path: Path, limit: int = 2000) -> str:
    """Return the end of a log file, for an error message."""
    try:
        return path.read_bytes()[-limit:].decode(errors="replace").strip()
    except FileNotFoundError:
        return "(no output)"
