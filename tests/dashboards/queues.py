"""What the exporter of queues would expose, for the dashboards' queries."""

MAIL = 'system="celery",queue="mail"'


def _main(name: str, labels: str = "") -> str:
    return f'specter_{name}{{server="main"{"," if labels else ""}{labels}}}'


GAUGES = {
    'queue:specter_queue_oldest_age:seconds{server="main",system="celery",queue="mail"}': 90,
    'queue:specter_queue_wait:seconds{server="main",system="celery",queue="mail"}': 240,
    'queue:specter_queue_drain:seconds{server="main",system="celery",queue="mail"}': 600,
    'queue:specter_queue_failed:ratio_rate15m{server="main",system="celery",queue="mail"}': 0.1,
    'queue:specter_queue_retried:ratio_rate15m{server="main",system="celery",queue="mail"}': 0.2,
    'server:specter_cache_hits:ratio_rate15m{server="main"}': 0.9,
    'server:specter_cache_hits:ratio_rate15m_avg1d{server="main"}': 0.9,
    _main("queue_up"): 1,
    'specter_queue_up{server="gone"}': 0,
    'specter_queue_failure{server="gone",reason="refused"}': 1,
    'specter_queue_failure{server="gone",reason="auth"}': 0,
    _main("queue_collector_failure", 'collector="keys",reason="wrong_type"'): 1,
    _main("queue_collector_duration_seconds", 'collector="celery"'): 0.01,
    _main("queue_dropped_queues", 'collector="celery"'): 0,
    _main("queue_discovery_complete"): 1,
    _main("queue_broker_evicts"): 0,
    _main("queue_ready", MAIL): 12,
    _main("queue_ready", 'system="rq",queue="low"'): 3,
    _main("queue_in_progress", MAIL): 2,
    _main("queue_scheduled", MAIL): 1,
    _main("queue_dead_letters", 'system="rq",queue="low"'): 1,
    _main("queue_consumers", 'system="bullmq",queue="thumbs"'): 1,
    _main("queue_workers", 'system="celery",state="busy"'): 1,
    _main("queue_workers", 'system="celery",state="lost"'): 1,
    _main("queue_workers", 'system="rq",state="lost"'): 2,
    _main("cache_memory_bytes"): 5e7,
    _main("cache_memory_max_bytes"): 1e8,
}
COUNTERS = (
    *(_main(f"queue_{name}_total", MAIL) for name in ("arrived", "completed", "failed", "retried")),
    _main("cache_evictions_total"),
    _main("queue_task_failures_total", 'task="shop.mail"'),
)
TIMES = (
    _main("queue_worker_heartbeat_timestamp_seconds", 'system="celery",worker="celery@a"'),
    _main("queue_oldest_in_progress_timestamp_seconds", MAIL),
)
