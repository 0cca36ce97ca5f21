"""Make the sources of what the configuration names."""

from functools import partial

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_exporters.queues.celery_events import CeleryEvents
from specter_exporters.queues.celery_exchange import ExchangeSubscription
from specter_exporters.queues.celery_listener import CeleryListener
from specter_exporters.queues.celery_workers import CeleryWorkers
from specter_exporters.queues.config import Server
from specter_exporters.queues.kafka import Cluster, KafkaServer, KafkaSource
from specter_exporters.queues.model import Source
from specter_exporters.queues.on_redis.bullmq import META, BullmqCollector
from specter_exporters.queues.on_redis.cache import CacheCollector
from specter_exporters.queues.on_redis.celery import BINDING, CeleryCollector
from specter_exporters.queues.on_redis.celery import SYSTEM as CELERY
from specter_exporters.queues.on_redis.celery_channel import RedisSubscription
from specter_exporters.queues.on_redis.discovery import Finder, literal
from specter_exporters.queues.on_redis.keys import KeysCollector
from specter_exporters.queues.on_redis.model import RedisServer
from specter_exporters.queues.on_redis.rq import RqCollector
from specter_exporters.queues.on_redis.server import Background, Collector, Parts, RedisSource
from specter_exporters.queues.on_redis.session import Session
from specter_exporters.queues.rabbitmq import SYSTEM as RABBITMQ
from specter_exporters.queues.rabbitmq import RabbitServer, RabbitSource


def source(server: Server, clock: Clock) -> Source:
    """Return the source of a broker.

    Raises:
        SpecterError: what it needs is not installed.
    """
    match server:
        case RedisServer():
            return redis_source(server, clock)
        case RabbitServer():
            return RabbitSource(server, clock, _workers(server, clock))
        case KafkaServer():
            return KafkaSource(server, _cluster(server), clock)


def _workers(server: RabbitServer, clock: Clock) -> CeleryWorkers | None:
    broker = server.celery
    if broker is None:
        return None
    events = CeleryEvents(RABBITMQ, clock)
    listener = CeleryListener(server.name, partial(ExchangeSubscription, broker), events, clock)
    return CeleryWorkers(broker.vhost, events, listener, server.max_workers)


def _cluster(server: KafkaServer) -> Cluster:
    try:
        from specter_exporters.queues.confluent_cluster import ConfluentCluster  # noqa: PLC0415
    except ImportError as error:
        raise SpecterError(
            f"kafka: {server.name}: {error}; install it: pip install 'specter-observability[kafka]'"
        ) from error
    return ConfluentCluster(server)


def redis_source(server: RedisServer, clock: Clock) -> Source:
    """Return the source of a Redis server."""
    collectors: list[Collector] = [CacheCollector()]
    background: list[Background] = []
    finders: list[Finder] = []
    if server.queues:
        collectors.append(KeysCollector(server.queues, clock))
    if "celery" in server.discover:
        events = CeleryEvents(CELERY, clock)
        finders.append(Finder(f"{literal(server.celery_prefix + BINDING)}*", clock))
        collectors.append(CeleryCollector(server, finders[-1], events, clock))
        background.append(CeleryListener(server.name, partial(RedisSubscription, server), events, clock))
    if "rq" in server.discover:
        collectors.append(RqCollector(server, clock))
    if "bullmq" in server.discover:
        finders.append(Finder(f"{literal(server.bullmq_prefix)}:*{META}", clock))
        collectors.append(BullmqCollector(server, finders[-1]))
    complete = (lambda: all(finder.complete for finder in finders)) if finders else None
    return RedisSource(server.name, Session(server), Parts(collectors, background, complete), clock)
