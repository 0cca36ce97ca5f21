"""RabbitMQ's queues, from its Prometheus plugin or its management API.

`/metrics` of the plugin has no label of a queue, `/metrics/detailed` has. It reads what the broker holds now;
the management API lags by up to five seconds, and counts what was published and acknowledged.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import requests

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_exporters.dependencies.calling import ConnectorAdapter
from specter_exporters.dependencies.connecting import Connector
from specter_exporters.queues.celery_exchange import CeleryBroker
from specter_exporters.queues.celery_queues import TALK, Found, is_talk, with_delays
from specter_exporters.queues.celery_workers import COLLECTOR, CeleryWorkers
from specter_exporters.queues.messages import unix_seconds
from specter_exporters.queues.model import Answer, Counter, Outcome, Problem, Queue, Told

SYSTEM = "rabbitmq"
Api = Literal["metrics", "management"]
DETAILED = "/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count&family=queue_metrics"
COLUMNS = (
    "name,vhost,type,messages_ready,messages_unacknowledged,consumers,head_message_timestamp,message_stats.publish,"
    "message_stats.ack,message_stats.deliver_no_ack,message_stats.get_no_ack"
)
PAGE = 500
_WHERE: dict[str, str] = {
    "metrics": "`api: metrics` is asked of the Prometheus plugin (port 15692)",
    "management": "`api: management` is asked of the management API (port 15672)",
}
MOST_BYTES = 64 * 2**20
CHUNK = 2**16
_LINE = re.compile(
    rb"^rabbitmq_detailed_queue_(messages_ready|messages_unacked|consumers|head_message_timestamp)"
    rb'\{vhost="((?:[^"\\]|\\.)*)",queue="((?:[^"\\]|\\.)*)"\} (\S+)$',
    re.MULTILINE,
)
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class RabbitServer:
    """A RabbitMQ node to ask.

    Attributes:
        name: value of the label `server`.
        url: of the plugin (port 15692) or of the management API (15672), without a password.
        api: which of the two it is.
        username: for HTTP basic authentication; empty for none.
        password_file: of the user; read at each scrape.
        ca_file: whom to trust with https.
        timeout: seconds for an answer.
        max_queues: most of them that are shown.
        dead_letters: by queue, the queue that its dead letters go to, which is told as a part of the first.
        unattended: patterns of queues that want no consumer, because messages wait there until their time is
            over, or are kept: they are told as scheduled.
        max_workers: most workers of Celery's that are told by name.
        celery: where its workers tell of themselves; None where they are not listened to.
    """

    name: str
    url: str
    api: Api = "metrics"
    username: str = ""
    password_file: Path | None = field(default=None, repr=False)
    ca_file: Path | None = None
    timeout: float = 3.0
    max_queues: int = 500
    dead_letters: Mapping[str, str] = field(default_factory=dict)
    unattended: tuple[str, ...] = ()
    max_workers: int = 200
    celery: CeleryBroker | None = None


class RabbitSource:
    """A source over HTTP.

    Args:
        server: what to ask.
        clock: the time.
        workers: what Celery's workers tell; None where nobody listens to them.
    """

    def __init__(self, server: RabbitServer, clock: Clock, workers: CeleryWorkers | None = None) -> None:
        self._server = server
        self._workers = workers
        self._clock = clock

    @property
    def name(self) -> str:
        """Value of the label `server`."""
        return self._server.name

    def start(self) -> None:
        """Begin to listen to workers."""
        if self._workers is not None:
            self._workers.listener.start()

    def ask(self) -> Told:
        """Return what the node tells now."""
        began = self._clock.monotonic()
        connector = Connector(self._clock.monotonic)
        try:
            with connector.running(self._server.timeout), closing(_session(connector)) as session:
                found, total = self._queues(session)
            if connector.over:  # which looks like the end of a body
                raise TimeoutError
        except (
            requests.RequestException,
            OSError,
            SpecterError,
            ValueError,
            LookupError,
            TypeError,
        ) as error:
            late = Problem("timeout", f"no whole answer came within {self._server.timeout:g} s")
            return Told(late if connector.over else _problem(error))
        workers = self._workers
        queues = [each.queue for each in found] if workers is None else _with_outcomes(found, workers)
        told = [self._attended(each) for each in self._with_dead_letters(queues)]
        answer = Answer(told, dropped=total - len(found))
        outcomes = [Outcome(SYSTEM, self._clock.monotonic() - began, answer)]
        if workers is not None:
            heard = workers.answer(SYSTEM)
            outcomes.append(Outcome(COLLECTOR, 0.0, heard, heard.problem))
        return Told(outcomes=outcomes)

    def cut(self) -> None:
        """Do nothing: an answer ends at its own time-out."""

    def close(self) -> None:
        """End what listens to workers."""
        if self._workers is not None:
            self._workers.listener.stop()

    def _queues(self, session: requests.Session) -> tuple[list[Found], int]:
        """Return the first queues by name, and how many there are, but for Celery's own."""
        if self._server.api == "metrics":
            found = _detailed(self._get(session, DETAILED))
            places = sorted(place for place in found if not is_talk(place[1]))
            queues = with_delays([_of_metrics(place, found[place]) for place in places])
            return queues[: self._server.max_queues], len(queues)
        items: list[Mapping[str, Any]] = []
        others = quote(f"^(?!.*({TALK}))")
        for page in range(1, -(-self._server.max_queues // PAGE) + 1):
            path = (
                f"/api/queues?page={page}&page_size={PAGE}&sort=name&name={others}&use_regex=true"
                f"&columns={COLUMNS}"
            )
            answer = json.loads(self._get(session, path))
            items += answer["items"]
            if page >= answer["page_count"]:
                break
        queues = with_delays([_of_management(item) for item in items])
        total = int(answer["filtered_count"]) - len(items) + len(queues)
        return queues[: self._server.max_queues], total

    def _get(self, session: requests.Session, path: str) -> bytes:
        """Return the body of an answer that is not endless."""
        server = self._server
        auth = None
        if server.password_file is not None:
            auth = (server.username, read_secret_file(server.password_file, what="password_file"))
        with session.get(
            f"{server.url.rstrip('/')}{path}",
            auth=auth,
            timeout=server.timeout,
            verify=True if server.ca_file is None else str(server.ca_file),
            stream=True,
            allow_redirects=False,
        ) as response:
            if response.status_code == requests.codes.not_found:
                raise ValueError(f"{server.url} has no {path.partition('?')[0]}: {_WHERE[server.api]}")
            response.raise_for_status()
            if response.status_code != requests.codes.ok:
                raise ValueError(f"{path} is answered with {response.status_code}, expected 200")
            body = bytearray()
            for chunk in response.iter_content(CHUNK):
                body += chunk
                if len(body) > MOST_BYTES:
                    raise ValueError(f"{path} is answered with more than {MOST_BYTES} bytes")
            return bytes(body)

    def _attended(self, queue: Queue) -> Queue:
        """Return a queue, one that wants no consumer with nothing that is ready for one."""
        if queue.ready is None or not any(fnmatchcase(queue.name, each) for each in self._server.unattended):
            return queue
        return replace(queue, ready=0, scheduled=queue.ready + (queue.scheduled or 0), oldest=None)

    def _with_dead_letters(self, queues: Sequence[Queue]) -> list[Queue]:
        depths = {queue.name: queue.depth for queue in queues}
        # Nobody is expected to take what was given up.
        given_up = set(self._server.dead_letters.values())
        return [self._with_own(queue, depths) for queue in queues if queue.name not in given_up]

    def _with_own(self, queue: Queue, depths: Mapping[str, float | None]) -> Queue:
        other = self._server.dead_letters.get(queue.name)
        return queue if other is None else replace(queue, dead_letters=depths.get(other))


def _session(connector: Connector) -> requests.Session:
    """Return a session whose connections are broken off when time is over."""
    session = requests.Session()
    # Proxies and .netrc of the environment are not meant for it.
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, ConnectorAdapter(connector))
    return session


def _with_outcomes(found: Sequence[Found], workers: CeleryWorkers) -> list[Queue]:
    """Return the queues, those of the workers' virtual host with what became of their tasks."""
    own = {each.name: each.queue for each in found if each.vhost == workers.vhost}
    told = workers.outcomes(own, SYSTEM, _name(workers.vhost, ""))
    return [each.queue for each in found if each.vhost != workers.vhost] + list(told.values())


def _detailed(body: bytes) -> dict[tuple[str, str], dict[str, float]]:
    """Return the figures of each queue, by its virtual host and name."""
    if b"rabbitmq_" not in body:
        raise ValueError("what answers is not RabbitMQ's Prometheus plugin")
    found: dict[tuple[str, str], dict[str, float]] = {}
    for what, vhost, queue, value in _lines(body):
        found.setdefault((vhost, queue), {})[what] = value
    return found


def _lines(body: bytes) -> Iterator[tuple[str, str, str, float]]:
    for match in _LINE.finditer(body):
        what, vhost, queue, value = (part.decode("utf-8", "replace") for part in match.groups())
        yield what, _ESCAPE.sub(r"\1", vhost), _ESCAPE.sub(r"\1", queue), float(value)


def _name(vhost: str, queue: str) -> str:
    """Return the label: the queue alone where it is in the default virtual host."""
    return queue if vhost == "/" else f"{vhost}/{queue}"


def _of_metrics(place: tuple[str, str], figures: Mapping[str, float]) -> Found:
    queue = Queue(
        SYSTEM,
        _name(*place),
        ready=figures.get("messages_ready"),
        in_progress=figures.get("messages_unacked"),
        consumers=figures.get("consumers"),
        # NaN where the publisher sets none.
        oldest=unix_seconds(figures.get("head_message_timestamp")) if figures.get("messages_ready") else None,
    )
    return Found(*place, queue)


def _of_management(item: Mapping[str, Any]) -> Found:
    totals: dict[Counter, float] = {}
    stats = item.get("message_stats") or {}
    # A stream keeps what was read; how far its readers are, it does not tell.
    ready = None if item.get("type") == "stream" else item.get("messages_ready")
    if ready is not None:
        # What never happened is left out there, and what has just happened is counted later than it shows.
        totals["arrived"] = stats.get("publish", 0)
        totals["completed"] = sum(stats.get(name, 0) for name in ("ack", "deliver_no_ack", "get_no_ack"))
    place = str(item["vhost"]), str(item["name"])
    queue = Queue(
        SYSTEM,
        _name(*place),
        ready=ready,
        in_progress=item.get("messages_unacknowledged"),
        consumers=item.get("consumers"),
        oldest=unix_seconds(item.get("head_message_timestamp")) if ready else None,
        totals=totals,
    )
    return Found(*place, queue)


def _problem(error: Exception) -> Problem:
    line = " ".join(str(error).split())
    if isinstance(error, SpecterError):  # the file of the password
        return Problem("auth", line)
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return Problem("auth" if error.response.status_code in {401, 403} else "other", line)
    if isinstance(error, requests.exceptions.SSLError):
        return Problem("tls", line)
    if isinstance(error, requests.Timeout | TimeoutError):
        return Problem("timeout", line)
    return Problem("refused" if isinstance(error, requests.ConnectionError) else "other", line)
