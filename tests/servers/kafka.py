"""A real Kafka broker of one node, in KRaft mode, on free ports; it can be killed and started again.

Its jars come from Maven Central, once, and are kept in `.maven-packages` of the checkout. Two listeners: one
without any check, of a superuser, and one that wants a user and a password.
"""

import base64
import hashlib
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from specter_stack.programs import find_program
from tests.servers.prometheus import free_port

POM = Path(__file__).with_suffix(".pom.xml")
CACHE = Path(__file__).resolve().parents[2] / ".maven-packages"
FETCHED_WITHIN = 180.0
READY_WITHIN = 60.0
USER, PASSWORD = "specter", "throw-away"
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
log.dirs={folder}/data
auto.create.topics.enable=true
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
# One that was killed may come back at once.
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
# What was deleted is gone soon.
log.initial.task.delay.ms=100
log.retention.check.interval.ms=200
log.cleaner.backoff.ms=200
log.segment.delete.delay.ms=100
"""
JAVA_FLAGS = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


@dataclass
class KafkaProcess:
    """A broker under test; what it holds outlives its process.

    Attributes:
        folder: its own.
        jars: of the broker.
        port: of the listener without a check.
        sasl_port: of the one that wants `USER` and `PASSWORD` (SASL/PLAIN).
    """

    folder: Path
    jars: Path
    port: int
    sasl_port: int
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Of the listener without a check."""
        return f"127.0.0.1:{self.port}"

    @property
    def sasl_address(self) -> str:
        """Of the listener that wants a password."""
        return f"127.0.0.1:{self.sasl_port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.java("kafka.Kafka", str(self.folder / "server.properties")),
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        # What it says of brokers that are not there yet is not for the test's output.
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        deadline = time.monotonic() + READY_WITHIN
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                if client.list_topics(timeout=1).brokers:
                    return
            except KafkaException:
                time.sleep(0.05)
        self.kill()
        raise RuntimeError(f"Kafka did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(READY_WITHIN)

    def java(self, *words: str) -> list[str]:
        """Return the command for a program of Kafka's."""
        return [str(find_program("java")), *JAVA_FLAGS, "-cp", f"{self.jars}/*", *words]


@contextmanager
def running_kafka() -> Iterator[KafkaProcess]:
    """Run a broker until the end of the block.

    Raises:
        MissingProgramsError: java or mvn is not installed.
        RuntimeError: the jars cannot be fetched, or the broker does not start; the message says why.
    """
    jars = _jars()
    with tempfile.TemporaryDirectory(prefix="kafka") as name:
        folder = Path(name)
        plain, sasl, controller = (free_port() for _ in range(3))
        server = KafkaProcess(folder, jars, plain, sasl)
        (folder / "server.properties").write_text(
            PROPERTIES.format(
                folder=folder, plain=plain, sasl=sasl, controller=controller, user=USER, password=PASSWORD
            )
        )
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        _run(
            server.java(
                *("kafka.tools.StorageTool", "format", "-t", cluster),
                *("-c", str(folder / "server.properties")),
            ),
            READY_WITHIN,
        )
        server.start()
        try:
            yield server
        finally:
            server.kill()


def _jars() -> Path:
    """Return the folder with the broker's jars, which Maven fetches at the first time."""
    folder = CACHE / hashlib.sha256(POM.read_bytes()).hexdigest()[:16]
    if folder.is_dir():
        return folder
    CACHE.mkdir(exist_ok=True)
    # In a folder of its own, renamed when complete: what was interrupted is not taken for it.
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=CACHE) as scratch:
        complete = Path(scratch) / "complete"
        _run(
            [
                *(str(find_program("mvn")), "--batch-mode", "--quiet", "--file", str(POM)),
                *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={complete}"),
            ],
            FETCHED_WITHIN,
        )
        complete.rename(folder)
    return folder


def _run(command: list[str], seconds: float) -> None:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=seconds
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stdout[-2000:]}")
