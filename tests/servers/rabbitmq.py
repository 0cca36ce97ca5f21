"""A real RabbitMQ with its management API and its Prometheus plugin, in a folder of its own."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from specter_stack.programs import find_program
from tests.core.certificates import Certificate, self_signed
from tests.servers.prometheus import free_port

READY_WITHIN = 90.0
USER = PASSWORD = "guest"
PLUGINS = "[rabbitmq_management,rabbitmq_prometheus]."
INSIDE = "-kernel inet_dist_use_interface {127,0,0,1}"


@dataclass
class RabbitProcess:
    """A node under test; what it keeps on disk outlives its process."""

    folder: Path
    environment: Mapping[str, str]
    amqp_port: int
    amqps_port: int
    certificate: Certificate
    management: str
    metrics: str
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def amqp(self) -> str:
        """The default virtual host, with the password: what Celery calls a broker."""
        return f"amqp://{USER}:{PASSWORD}@127.0.0.1:{self.amqp_port}//"

    def start(self) -> None:
        """Start, and wait until it answers."""
        # Behind Debian's wrapper, which becomes another user.
        programs = find_program("rabbitmqctl").resolve().parent
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [str(programs / "rabbitmq-server")],
                env=dict(self.environment),
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        _wait(self.process, self)

    def kill(self) -> None:
        """End it and all that it started, at once."""
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)

    def grant(self, user: str, password: str, *, configure: str, write: str, read: str) -> None:
        """Make a user with rights in the default virtual host."""
        self.call("PUT", f"users/{user}", {"password": password, "tags": ""})
        rights = {"configure": configure, "write": write, "read": read}
        self.call("PUT", f"permissions/%2f/{user}", rights)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Ask the management API for something."""
        answer = requests.request(
            method, f"{self.management}/api/{path}", json=body, auth=(USER, PASSWORD), timeout=30
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def declare(self, queue: str, vhost: str = "%2f", **arguments: str | int) -> None:
        """Make a queue."""
        self.call("PUT", f"queues/{vhost}/{queue}", {"durable": True, "arguments": arguments})

    def queues(self) -> list[dict[str, Any]]:
        """Return every queue, as the broker describes it."""
        found: list[dict[str, Any]] = self.call("GET", "queues?disable_stats=true")
        return found

    def publish(
        self,
        key: str,
        vhost: str = "%2f",
        *,
        exchange: str = "amq.default",
        payload: str = "x",
        **properties: Any,
    ) -> None:
        """Publish a message by its routing key, which is a queue's name for the default exchange."""
        message = {
            "properties": properties,
            "routing_key": key,
            "payload": payload,
            "payload_encoding": "string",
        }
        assert self.call("POST", f"exchanges/{vhost}/{exchange}/publish", message) == {"routed": True}

    def reject(self, queue: str) -> None:
        """Take the next message, and give it up."""
        body = {"count": 1, "ackmode": "reject_requeue_false", "encoding": "auto"}
        assert len(self.call("POST", f"queues/%2f/{queue}/get", body)) == 1


@contextmanager
def running_rabbitmq() -> Iterator[RabbitProcess]:
    """Start a node on free ports of the loopback, and its epmd; end both with the block."""
    with tempfile.TemporaryDirectory(prefix="rabbit") as name:
        folder = Path(name)
        amqp, amqps, management, metrics, epmd, distribution = (free_port() for _ in range(6))
        certificate = self_signed(folder, "rabbit")
        for part in ("mnesia", "log"):
            (folder / part).mkdir()
        (folder / "plugins").write_text(PLUGINS)
        (folder / "rabbit.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{amqp}\n"
            f"listeners.ssl.1 = 127.0.0.1:{amqps}\n"
            f"ssl_options.certfile = {certificate.cert}\nssl_options.keyfile = {certificate.key}\n"
            f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management}\n"
            f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {metrics}\n"
        )
        environment = {
            **os.environ,
            "HOME": name,
            "RABBITMQ_NODENAME": f"test{amqp}@localhost",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbit.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": INSIDE,
            "ERL_EPMD_PORT": str(epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        with (folder / "output").open("wb") as output:
            # Its own, because a node starts one that outlives it.
            mapper = subprocess.Popen(
                ["epmd", "-address", "127.0.0.1", "-port", str(epmd)], stdout=output, stderr=output
            )
        server = RabbitProcess(
            folder,
            environment,
            amqp,
            amqps,
            certificate,
            f"http://127.0.0.1:{management}",
            f"http://127.0.0.1:{metrics}",
        )
        try:
            server.start()
            yield server
        finally:
            server.kill()
            mapper.kill()
            mapper.wait(30)


def _wait(node: "subprocess.Popen[bytes]", server: RabbitProcess) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline and node.poll() is None:
        try:
            server.call("GET", "overview")
            requests.get(f"{server.metrics}/metrics/detailed", timeout=30).raise_for_status()
        except requests.RequestException:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"RabbitMQ did not start: {(server.folder / 'output').read_text()[-2000:]}")
