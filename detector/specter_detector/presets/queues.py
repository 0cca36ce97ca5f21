"""Queues, brokers and caches: Specter's exporter, RabbitMQ, kafka_exporter, redis_exporter."""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_detector.presets.model import MINUTE, RATIO, Preset, PresetQuery, Source, share

SERVER = "service, server"
QUEUE = f"{SERVER}, system, queue"
RABBIT = "service, job, vhost, queue"
GROUP = "consumergroup, topic"
READY, OLDEST = metrics.QUEUE_READY.name, metrics.QUEUE_OLDEST.name
LAG, OFFSETS = "kafka_consumergroup_lag", "kafka_topic_partition_current_offset"
MISSES, HITS = "redis_keyspace_misses_total", "redis_keyspace_hits_total"


def rabbit(what: str, aggregate: str = "sum") -> tuple[Source, ...]:
    """Return a RabbitMQ gauge: by queue from /metrics/detailed, or as /metrics has it."""
    names = (f"rabbitmq_detailed_queue_{what}", f"rabbitmq_queue_{what}")
    return tuple(Source(f"{aggregate} by ({RABBIT}) ({name})", (name,)) for name in names)


def queue_rate(counter: Metric) -> Source:
    """Return how much a second of each queue; two exporters may watch one broker."""
    return Source(f"max by ({QUEUE}) (rate({counter.name}[5m]))", (counter.name,))


def own_rate(counter: Metric) -> str:
    """Return how much a second of each server that Specter's exporter asks."""
    return f"max by ({SERVER}) (rate({counter.name}[5m]))"


def redis(name: str, limit: str | None = None) -> tuple[Source, ...]:
    """Return a gauge of each Redis server."""
    return (Source(f"max by (service, job, instance) ({name})", (name,), limit),)


def server_rate(counter: str) -> str:
    """Return how much a second of each Redis server."""
    return f"sum by (service, job, instance) (rate({counter}[5m]))"


OWN_MISSES = own_rate(metrics.CACHE_MISSES)

QUEUES = Preset(
    "queues",
    "queues, brokers and caches",
    (
        PresetQuery(
            "queue_depth",
            "Messages waiting in a queue",
            "workers stopped, or more work comes than they can do",
            "messages",
            "service",
            (Source(f"max by ({QUEUE}) ({READY})", (READY,)),),
            direction="above_expected",
            min_dev=50,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "queue_oldest_age",
            "Age of the oldest waiting message",
            "work waits longer than usual, however short the queue",
            "seconds",
            "service",
            (
                Source(
                    f"clamp_min(time() - min by ({QUEUE}) ({OLDEST} > 0), 0)"
                    f" or 0 * max by ({QUEUE}) ({READY} == 0)",
                    (OLDEST, READY),
                ),
            ),
            direction="above_expected",
            min_dev=2 * MINUTE,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "queue_arrival_rate",
            "Messages published",
            "publishers stopped, or flood the queue",
            "messages/s",
            "service",
            (queue_rate(metrics.QUEUE_ARRIVED),),
            min_dev=0.1,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "queue_completion_rate",
            "Messages finished",
            "workers stopped, or the work did not come",
            "messages/s",
            "service",
            (queue_rate(metrics.QUEUE_COMPLETED),),
            min_dev=0.1,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "queue_failure_rate",
            "Messages given up",
            "a worker's defect, or what it depends on fails",
            "messages/s",
            "service",
            (queue_rate(metrics.QUEUE_FAILED),),
            direction="above_expected",
            min_dev=0.02,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "rabbitmq_ready",
            "RabbitMQ messages ready",
            "consumers stopped, or more is published than they can take",
            "messages",
            "service",
            rabbit("messages_ready"),
            direction="above_expected",
            min_dev=50,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "rabbitmq_unacked",
            "RabbitMQ messages taken and not acknowledged",
            "consumers hang while they work",
            "messages",
            "detail",
            rabbit("messages_unacked"),
            direction="above_expected",
            min_dev=20,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "rabbitmq_consumers",
            "RabbitMQ consumers",
            "workers died",
            "consumers",
            "detail",
            rabbit("consumers"),
            direction="below_expected",
            min_dev=0.5,
            min_rel_dev=0.3,
        ),
        PresetQuery(
            "kafka_consumer_lag",
            "Kafka consumer lag",
            "a consumer group falls behind",
            "messages",
            "service",
            (Source(f"sum by ({GROUP}) ({LAG} >= 0)", (LAG,)),),
            direction="above_expected",
            min_dev=1000,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "kafka_message_rate",
            "Kafka messages produced",
            "producers stop or flood",
            "messages/s",
            "service",
            (Source(f"sum by (topic) (rate({OFFSETS}[5m]))", (OFFSETS,)),),
            min_dev=1,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "redis_memory_used",
            "Redis memory",
            "keys without an end; the leak score sees a creep towards maxmemory",
            "bytes",
            "service",
            (
                Source(
                    f"max by ({SERVER}) ({metrics.CACHE_MEMORY.name})",
                    (metrics.CACHE_MEMORY.name,),
                    limit=f"max by ({SERVER}) ({metrics.CACHE_MEMORY_MAX.name})",
                ),
                *redis("redis_memory_used_bytes", limit="redis_memory_max_bytes > 0"),
            ),
            direction="above_expected",
            min_dev=50_000_000,
            min_rel_dev=0.3,
        ),
        PresetQuery(
            "redis_clients",
            "Redis clients",
            "connections leak; the leak score sees a creep towards maxclients",
            "connections",
            "detail",
            redis("redis_connected_clients", limit="redis_config_maxclients"),
            direction="above_expected",
            min_dev=20,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "redis_command_rate",
            "Redis commands",
            "what uses the cache stops, or asks far more",
            "commands/s",
            "detail",
            (
                Source(
                    "sum by (service, job, instance) (rate(redis_commands_processed_total[5m]))",
                    ("redis_commands_processed_total",),
                ),
            ),
            min_dev=5,
            min_rel_dev=0.5,
        ),
        PresetQuery(
            "redis_miss_ratio",
            "Redis cache miss ratio",
            "the cache is cold, was invalidated, or its keys changed",
            "ratio",
            "detail",
            (
                Source(
                    share(OWN_MISSES, f"({OWN_MISSES} + {own_rate(metrics.CACHE_HITS)})", 1),
                    (metrics.CACHE_MISSES.name, metrics.CACHE_HITS.name),
                ),
                Source(
                    share(server_rate(MISSES), f"({server_rate(MISSES)} + {server_rate(HITS)})", 1),
                    (MISSES, HITS),
                ),
            ),
            direction="above_expected",
            min_dev=0.1,
            data_range=RATIO,
        ),
        PresetQuery(
            "redis_eviction_rate",
            "Redis keys evicted",
            "memory is full: a cache forgets what it needs, a broker loses messages",
            "keys/s",
            "service",
            (
                Source(own_rate(metrics.CACHE_EVICTIONS), (metrics.CACHE_EVICTIONS.name,)),
                Source(
                    "sum by (service, job, instance) (rate(redis_evicted_keys_total[5m]))",
                    ("redis_evicted_keys_total",),
                ),
            ),
            direction="above_expected",
            min_dev=1,
            min_rel_dev=0.5,
        ),
    ),
)
