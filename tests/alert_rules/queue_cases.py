"""Promtool cases of queues, workers and caches."""

from tests.alert_rules.promtool import Case, Firing

BROKER = {"service": "queues", "server": "main"}
MAIL = {**BROKER, "system": "celery", "queue": "mail"}
WHERE = "mail (celery) on main"
# Good for ten minutes, bad for ten, good again; a sample every five seconds.
UP_DOWN_UP, DOWN_UP_DOWN = "1x119 0x119 1x240", "0x119 1x119 0x240"


def of(name: str, **labels: str) -> str:
    """Name a series of the broker."""
    given = {"service": "queues", "server": "main", **labels}
    matchers = ",".join(f'{key}="{value}"' for key, value in given.items())
    return f"specter_{name}{{{matchers}}}"


def mail(name: str, **labels: str) -> str:
    """Name a series of the queue."""
    return of(f"queue_{name}", system="celery", queue="mail", **labels)


def firing(labels: dict[str, str], summary: str, description: str) -> list[Firing]:
    return [Firing(labels, summary, description)]


def behind(messages: int, age: str, wait: str, *, comes: float | str, goes: float | str) -> str:
    """Return what QueueBacklogGrowing says."""
    return (
        f"{messages} messages wait in {WHERE}, and become more and more. The oldest has waited for: {age}. "
        f"What is published now will wait for: {wait} at this pace, expected at most 600s. A minute, {comes} "
        f"come and {goes} are finished (mean of 2m)."
    )


QUEUES = [
    Case(
        "QueueBacklogGrowing",
        "queues",
        "fires within three minutes where hardly anything is done any more, and resolves",
        {
            # From the fifth minute on, one in twenty of what comes is done.
            mail("ready"): "0x60 5+4.75x120 0x120",
            mail("oldest_timestamp_seconds", basis="published"): "_x61 300+0.25x120 stale",
            mail("arrived_total"): "0+5x300",
            mail("completed_total"): "0+5x60 300.25+0.25x120 900+5x120",
        },
        {
            "7m10s": [],
            "7m25s": firing(
                MAIL,
                f"Queue {WHERE} falls behind",
                behind(138, "2m 18s", "45m 59s", comes=60, goes=3),
            ),
            "17m": [],
        },
    ),
    Case(
        "QueueBacklogGrowing",
        "queues",
        "fires for a queue of which no age is known after five minutes, and resolves",
        {
            mail("ready"): "50x60 50+5x240 1250x240",
            mail("arrived_total"): "0+10x540",
            mail("completed_total"): "0+5x540",
        },
        {
            "5m": [],
            "10m": [],
            "10m30s": firing(
                MAIL,
                f"Queue {WHERE} falls behind",
                behind(375, "unknown", "unknown", comes=120, goes=60),
            ),
            "20m": firing(
                MAIL,
                f"Queue {WHERE} falls behind",
                behind(945, "unknown", "unknown", comes=120, goes=60),
            ),
            "30m": [],
        },
    ),
    Case(
        "QueueBacklogGrowing",
        "queues",
        "is silent for a digest of ten minutes that three fifths of the workers' pace are enough for",
        {
            # 5 a second come for ten minutes, 3 are done, so all are 400 s later.
            mail("ready"): "0x60 10+10x119 1185-15x79 0x60",
            mail("oldest_timestamp_seconds", basis="published"): "_x61 300+3x199 stale",
            mail("arrived_total"): "0x60 0+25x119 3000x140",
            mail("completed_total"): "0x60 0+15x200 3000x60",
        },
        {f"{minute}m": [] for minute in range(5, 22)},
    ),
    Case(
        "QueueBacklogGrowing",
        "queues",
        "is silent for two minutes without workers, as in a release, and for those that make up for it",
        {
            mail("ready"): "0x60 5+5x23 100-20x5 0x60",
            mail("oldest_timestamp_seconds", basis="published"): "_x61 300x23 325+25x5 stale",
        },
        {f"{seconds}s": [] for seconds in range(300, 700, 10)},
    ),
    Case(
        "QueueBacklogGrowing",
        "queues",
        "is silent for tasks that become due at once, long after they were published, and drain",
        {
            mail("ready"): "0x60 500-2x250 0x30",
            mail("oldest_timestamp_seconds", basis="published"): "_x61 0+0.1x250 stale",
        },
        {f"{seconds}s": [] for seconds in range(300, 900, 15)},
    ),
    Case(
        "QueueBacklogGrowing",
        "queues",
        "is silent for a batch without an age that is put in at once, and for a small queue",
        {
            mail("ready"): "0x60 1000-2x400",
            of("queue_ready", system="celery", queue="small"): "0x60 0+0.2x300",
        },
        {"6m": [], **{f"{minute}m": [] for minute in range(9, 21)}},
    ),
    Case(
        "QueueBacklogGrowing",
        "queues",
        "is silent for a queue that is usually as old, once three hours of it are known",
        {
            # Half an hour waits as a rule; then a seventh more comes than is done for four minutes, twice.
            mail("ready"): "900x120 900+1x16 916-1x16 900x700 900+1x16 916-1x16",
            mail("oldest_timestamp_seconds", basis="published"): (
                "-1800+15x120 15+12.9x16 221.4+17.1x16 510+15x700 11025+12.9x16 11231.4+17.1x16"
            ),
        },
        {
            "33m": firing(
                MAIL,
                f"Queue {WHERE} falls behind",
                behind(911, "30m 23s", "35m 19s", comes="unknown", goes="unknown"),
            ),
            **{f"{seconds}s": [] for seconds in range(12600, 13500, 30)},
        },
        interval="15s",
    ),
    Case(
        "QueueBacklogGrowing",
        "queues",
        "is silent for an empty queue, and for an exporter that begins to count anew",
        {
            of("queue_ready", system="celery", queue="empty"): "0x240",
            mail("ready"): "40x100 _x12 45x120",
            mail("oldest_timestamp_seconds", basis="published"): "-70+5x100 _x12 490+5x120",
            mail("arrived_total"): "9000+5x100 _x12 0+5x120",
            mail("completed_total"): "8960+5x100 _x12 0+5x120",
        },
        {f"{seconds}s": [] for seconds in range(300, 1160, 20)},
    ),
    Case(
        "QueueDrainSlow",
        "queues",
        "fires while the pace is too slow, not while it grows, and resolves",
        {mail("ready"): "6000x60 6000-1x400 0x200"},
        {
            "4m": [],
            "30m": firing(
                MAIL,
                f"Queue {WHERE} takes 7h 55m 5s to drain",
                f"At the pace of the last ten minutes {WHERE} is empty in 7h 55m 5s; expected at most 3600s.",
            ),
            "50m": [],
        },
    ),
    Case(
        "QueueDrainSlow",
        "queues",
        "is silent for a busy queue that becomes a little shorter while no message waits for a minute",
        {
            mail("ready"): "6000x60 6000-1x400",
            mail("arrived_total"): "0+500x460",
            mail("completed_total"): "0+501x460",
        },
        {f"{minute}m": [] for minute in range(5, 38, 3)},
    ),
    Case(
        "QueueBacklogGrowing",
        "queues",
        "is silent for a busy queue without an age that becomes longer while no message waits for a minute",
        {
            mail("ready"): "50x60 50+5x240",
            mail("arrived_total"): "0+110x300",
            mail("completed_total"): "0+105x300",
        },
        {f"{minute}m": [] for minute in range(5, 25)},
    ),
    Case(
        "QueueMessageOld",
        "queues",
        "fires by the older of what is known, and resolves with the message",
        {
            mail("ready"): "3x360 0x120",
            # Of the test's clock, which begins at 0.
            mail("oldest_timestamp_seconds", basis="first_seen"): "60x360 stale",
            mail("oldest_timestamp_seconds", basis="published"): "120x360 stale",
        },
        {
            "10m": [],
            "20m": firing(
                MAIL,
                f"A message in queue {WHERE} waits for 19m 0s",
                f"The oldest message of {WHERE} has waited for at least 19m 0s; expected at most 600s. "
                "Ready: 3, finished a minute: unknown (mean of 2m).",
            ),
            "35m": [],
        },
    ),
    Case(
        "QueueMessageOldCritical",
        "queues",
        "fires after an hour, and resolves",
        {
            mail("ready"): "3x80 0x20",
            mail("oldest_timestamp_seconds", basis="published"): "0x80 stale",
            mail("completed_total"): "7x100",
        },
        {
            "55m": [],
            "70m": firing(
                MAIL,
                f"A message in queue {WHERE} waits for 1h 10m 0s",
                f"The oldest message of {WHERE} has waited for at least 1h 10m 0s; expected at most 3600s. "
                "Ready: 3, finished a minute: 0 (mean of 2m).",
            ),
            "85m": [],
        },
        interval="1m",
    ),
    Case(
        "QueueWithoutConsumers",
        "queues",
        "fires when every worker is lost while messages wait, and resolves",
        {
            mail("ready"): "3x480",
            of("queue_workers", system="celery", state="idle"): "2x119 0x119 1x240",
            of("queue_workers", system="celery", state="busy"): "0x480",
            of("queue_workers", system="celery", state="lost"): "0x119 2x119 0x240",
        },
        {
            "11m": [],
            "13m": firing(
                MAIL,
                f"Nobody takes messages of queue {WHERE}",
                f"3 messages wait in {WHERE}, and it has no consumer, or its system no worker that lives; "
                "expected at least one. Workers of this broker that are lost, without a farewell: 2.",
            ),
            "21m30s": [],
        },
    ),
    Case(
        "QueueWithoutConsumers",
        "queues",
        "fires by the broker's count of consumers, not for an empty queue, nor where nobody counts",
        {
            of("queue_ready", system="rabbitmq", queue="a"): "0x60 5x120 0x100",
            of("queue_consumers", system="rabbitmq", queue="a"): "0x300",
            of("queue_ready", system="list", queue="b"): "5x300",
        },
        {
            "4m": [],
            "10m": firing(
                {**BROKER, "system": "rabbitmq", "queue": "a"},
                "Nobody takes messages of queue a (rabbitmq) on main",
                "5 messages wait in a (rabbitmq) on main, and it has no consumer, or its system no worker "
                "that lives; expected at least one. Workers of this broker that are lost, without a "
                "farewell: unknown.",
            ),
            "17m30s": [],
        },
    ),
    Case(
        "QueueWithoutConsumers",
        "queues",
        "fires on RabbitMQ for the queue that workers left, not for one that others take from",
        {
            of("queue_workers", system="rabbitmq", state="idle"): "1x59 0x240",
            of("queue_workers", system="rabbitmq", state="busy"): "0x300",
            of("queue_workers", system="rabbitmq", state="lost"): "0x59 1x240",
            **{of("queue_ready", system="rabbitmq", queue=queue): "5x300" for queue in "ab"},
            of("queue_consumers", system="rabbitmq", queue="a"): "1x59 0x240",
            of("queue_consumers", system="rabbitmq", queue="b"): "1x300",
        },
        {
            "4m": [],
            "10m": firing(
                {**BROKER, "system": "rabbitmq", "queue": "a"},
                "Nobody takes messages of queue a (rabbitmq) on main",
                "5 messages wait in a (rabbitmq) on main, and it has no consumer, or its system no worker "
                "that lives; expected at least one. Workers of this broker that are lost, without a "
                "farewell: 1.",
            ),
        },
    ),
    Case(
        "QueueDeadLettersGrowing",
        "queues",
        "fires for one more, not for those that lie there, and resolves",
        {mail("dead_letters"): "7x180 8x300"},
        {
            "14m": [],
            "16m": firing(
                MAIL,
                f"Queue {WHERE} gives messages up",
                f"1 more messages of {WHERE} were given up within 15m; expected fewer than 1. They are "
                "kept, and nobody works on them.",
            ),
            "35m": [],
        },
    ),
    Case(
        "QueueFailuresHigh",
        "queues",
        "fires for a share of those that are finished, and resolves",
        {
            mail("completed_total"): "0+3x840",
            mail("failed_total"): "0x180 0+1x180 180x480",
            of("queue_task_failures_total", task="shop.confirm_order"): "0x180 0+1x180 180x480",
            of("queue_task_failures_total", task="shop.settle_payment"): "0x840",
        },
        {
            "14m": [],
            "30m": firing(
                MAIL,
                "24.9% of queue mail fail",
                f"24.9% of the attempts of {WHERE} within 15m fail; expected at most 10%. Most failures, "
                "of tasks with a name: shop.confirm_order.",
            ),
            "50m": [],
        },
    ),
    Case(
        "QueueFailuresHigh",
        "queues",
        "is silent for a single one that fails while hardly anything is done",
        {mail("completed_total"): "0x360", mail("failed_total"): "0x180 1x180"},
        {"20m": [], "29m": []},
    ),
    Case(
        "QueueRetriesHigh",
        "queues",
        "fires for a share of the attempts, and resolves",
        {
            mail("completed_total"): "0+1x840",
            mail("retried_total"): "0x180 0+1x180 180x480",
        },
        {
            "14m": [],
            "30m": firing(
                MAIL,
                "49.86% of queue mail are to be made again",
                f"49.86% of the attempts of {WHERE} within 15m are to be made again; expected at most 30%.",
            ),
            "50m": [],
        },
    ),
    Case(
        "QueueUnknown",
        "queues",
        "fires for a queue that is no longer told while its broker answers, and ends when it is forgotten",
        {mail("depth"): "4x30 stale", mail("arrived_total"): "9x500", of("queue_up"): "1x500"},
        {
            "35m": [],
            "50m": firing(
                MAIL,
                f"It is not known what waits in queue {WHERE}",
                f"{WHERE} held 4 messages within 6h, and its depth is not told now, though its broker "
                "answers; "
                "expected that it is.",
            ),
            "400m": [],
        },
        interval="1m",
    ),
    Case(
        "QueueUnknown",
        "queues",
        "leaves a broker that does not answer to its own alert",
        {mail("depth"): "4x30 stale", mail("arrived_total"): "9x30 stale", of("queue_up"): "1x30 0x90"},
        {"100m": []},
        interval="1m",
    ),
    Case(
        "QueueUnknown",
        "queues",
        "fires for a queue of which nothing is told while a collector fails",
        {
            mail("depth"): "4x30 stale",
            of("queue_collector_failure", collector="kafka", reason="other"): "_x30 1x60 stale",
            of("queue_up"): "1x120",
        },
        {
            "35m": [],
            "50m": firing(
                MAIL,
                f"It is not known what waits in queue {WHERE}",
                f"{WHERE} held 4 messages within 6h, and its depth is not told now, though its broker "
                "answers; expected that it is.",
            ),
            "100m": [],
        },
        interval="1m",
    ),
    Case(
        "QueueUnknown",
        "queues",
        "is silent for queues that are gone, as those of replies are",
        {mail("depth"): "4x30 stale", mail("arrived_total"): "9x30 stale", of("queue_up"): "1x120"},
        {"35m": [], "50m": [], "100m": []},
        interval="1m",
    ),
    Case(
        "QueueWithoutConsumers",
        "queues",
        "goes on while the exporter restarts, and so is told once",
        {
            mail("ready"): "3x60 stale _x5 3x60",
            of("queue_consumers", system="celery", queue="mail"): "0x60 stale _x5 0x60",
        },
        {
            **dict.fromkeys(
                (f"{seconds}s" for seconds in (240, 305, 320, 340, 400)),
                firing(
                    MAIL,
                    f"Nobody takes messages of queue {WHERE}",
                    f"3 messages wait in {WHERE}, and it has no consumer, or its system no worker that "
                    "lives; expected at least one. Workers of this broker that are lost, without a "
                    "farewell: unknown.",
                ),
            )
        },
    ),
]
BROKERS = [
    Case(
        "BrokerDown",
        "queues",
        "fires with its reason, and resolves",
        {
            of("queue_up"): UP_DOWN_UP,
            of("queue_failure", reason="refused"): DOWN_UP_DOWN,
            of("queue_failure", reason="auth"): "0x480",
        },
        {
            "10m50s": [],
            "12m": firing(
                BROKER,
                "Broker main does not answer",
                "The exporter has not been answered by main for 1m (`specter_queue_up` is 0, expected 1); "
                "reason: refused.",
            ),
            "21m30s": [],
        },
    ),
    Case(
        "BrokerTurnsExporterAway",
        "queues",
        "fires and resolves",
        {of("queue_up"): UP_DOWN_UP, of("queue_failure", reason="auth"): DOWN_UP_DOWN},
        {
            "10m50s": [],
            "12m": firing(
                BROKER,
                "Broker main does not let the exporter in",
                "main lives and turns the exporter away (1, expected 0); reason: auth. "
                "Nothing else is known of it.",
            ),
            "20m5s": [],
        },
    ),
    Case(
        "BrokerDown",
        "queues",
        "is silent for a broker that turns the exporter away",
        {of("queue_up"): UP_DOWN_UP, of("queue_failure", reason="auth"): DOWN_UP_DOWN},
        {"12m": [], "19m": []},
    ),
    Case(
        "QueueExporterDown",
        "queues",
        "fires for the exporter's job alone, and resolves",
        {
            'up{service="queues",job="queues",instance="a"}': UP_DOWN_UP,
            'up{service="shop",job="shop",instance="b"}': "0x480",
        },
        {
            "10m50s": [],
            "12m": firing(
                {"service": "queues", "job": "queues"},
                "Queues of queues are not watched",
                "1 targets of job queues do not answer their scrape; expected 0. Nothing is known of their "
                "brokers, which may be well.",
            ),
            "20m5s": [],
        },
    ),
    Case(
        "BrokerEvictsMessages",
        "queues",
        "fires for a broker, not for a cache, and resolves",
        {
            of("queue_broker_evicts"): "1x600",
            of("cache_evictions_total"): "0x119 0+1x20 20x460",
            'specter_cache_evictions_total{service="queues",server="cache"}': "0+10x600",
        },
        {
            "9m": [],
            "12m": firing(
                BROKER,
                "Broker main deletes keys for want of memory",
                "20 keys of main, which holds queues, were deleted within 15m; expected 0. A queue is one "
                "key: all of its messages go at once.",
            ),
            "30m": [],
        },
    ),
    Case(
        "BrokerPolicyUnsafe",
        "queues",
        "fires and resolves with the policy",
        {of("queue_broker_evicts"): DOWN_UP_DOWN},
        {
            "12m": [],
            "16m": firing(
                BROKER,
                "Broker main may delete its queues",
                "main holds queues, and its maxmemory-policy lets it delete keys when its memory is full "
                "(value 1, expected 0).",
            ),
            "21m": [],
        },
    ),
    Case(
        "QueueCollectorFailing",
        "queues",
        "fires after half an hour, and resolves",
        {of("queue_collector_failure", collector="keys", reason="wrong_type"): "_x9 1x60 stale"},
        {
            "35m": [],
            "45m": firing(
                {**BROKER, "collector": "keys"},
                "Of broker main, keys is not known as a whole",
                "The collector keys of main has failed for 30m (1, expected 0); reason: wrong_type.",
            ),
            "75m": [],
        },
        interval="1m",
    ),
    Case(
        "QueuesLeftOut",
        "queues",
        "fires after half an hour, and resolves",
        {of("queue_dropped_queues", collector="celery"): "0x9 7x60 0x60"},
        {
            "35m": [],
            "45m": firing(
                {**BROKER, "collector": "celery"},
                "Of broker main, some queues or workers are left out",
                "The collector celery of main leaves out 7 queues or workers, because there are more than "
                "the "
                "exporter may tell; expected 0.",
            ),
            "75m": [],
        },
        interval="1m",
    ),
]
WORKERS = [
    Case(
        "WorkerLost",
        "workers",
        "fires for those that said no farewell, and resolves",
        {
            of("queue_workers", system="celery", state="lost"): DOWN_UP_DOWN,
            of("queue_worker_heartbeat_timestamp_seconds", system="celery", worker="one@shop"): "590x480",
            of("queue_worker_heartbeat_timestamp_seconds", system="celery", worker="two@shop"): "0+5x480",
        },
        {
            "10m": [],
            "10m30s": firing(
                {**BROKER, "system": "celery"},
                "1 celery workers of main are lost",
                "1 celery workers of main no longer give a sign of life and did not say that they end; "
                "expected 0. Heard the longest ago: one@shop. What they held waits until the broker gives it "
                "to another one.",
            ),
            "20m5s": [],
        },
    ),
    Case(
        "WorkersAllBusy",
        "workers",
        "fires while messages wait and nobody is idle, and resolves",
        {
            of("queue_workers", system="celery", state="busy"): "1x60 2x240 1x120",
            of("queue_workers", system="celery", state="idle"): "1x60 0x240 1x120",
            mail("ready"): "5x480",
        },
        {
            "14m": [],
            "20m": firing(
                {**BROKER, "system": "celery"},
                "All celery workers of main are busy, and messages wait",
                "All 2 celery workers of main that live have been busy for 10m while messages wait; expected "
                "that one is idle now and then.",
            ),
            "27m": [],
        },
    ),
    Case(
        "WorkersAllBusy",
        "workers",
        "holds workers that RabbitMQ's events tell of against the queues that RabbitMQ tells",
        {
            of("queue_workers", system="rabbitmq", state="busy"): "2x300",
            of("queue_workers", system="rabbitmq", state="idle"): "0x300",
            of("queue_ready", system="rabbitmq", queue="mail"): "5x300",
        },
        {
            "20m": firing(
                {**BROKER, "system": "rabbitmq"},
                "All rabbitmq workers of main are busy, and messages wait",
                "All 2 rabbitmq workers of main that live have been busy for 10m while messages wait; "
                "expected that one is idle now and then.",
            ),
        },
    ),
    Case(
        "WorkersAllBusy",
        "workers",
        "is silent while nothing waits",
        {
            of("queue_workers", system="celery", state="busy"): "2x300",
            of("queue_workers", system="celery", state="idle"): "0x300",
            mail("ready"): "0x300",
        },
        {"20m": []},
    ),
]
CACHES = [
    Case(
        "CacheHitRatioLow",
        "caches",
        "fires for a share far below the day's, and resolves",
        {
            of("cache_hits_total"): "0+540x120 64800+60x60 68400+540x120",
            of("cache_misses_total"): "0+60x120 7200+540x60 39600+60x120",
        },
        {
            "110m": [],
            "140m": firing(
                BROKER,
                "Cache main finds 10% only",
                "10% of the lookups in main within 15m found something; expected at least 80% of the mean "
                "of the last day, 89.54%. The rest goes to what is behind it.",
            ),
            "220m": [],
        },
        interval="1m",
    ),
    Case(
        "CacheEvictionsRising",
        "caches",
        "fires for more than usual, and resolves",
        {of("cache_evictions_total"): "0+120x120 14400+1200x60 86400+120x120"},
        {
            "110m": [],
            "140m": firing(
                BROKER,
                "Cache main deletes more than usual for want of memory",
                "20 keys a second of main are deleted for want of memory; expected at most 1, or 3 times the "
                "mean of the last day, 1.98.",
            ),
            "220m": [],
        },
        interval="1m",
    ),
    Case(
        "CacheMemoryNearLimit",
        "caches",
        "fires for a server that refuses to write then, and resolves",
        {
            of("cache_memory_bytes"): "50x119 95x119 50x240",
            of("cache_memory_max_bytes"): "100x480",
            of("cache_evicts"): "0x480",
            'specter_cache_memory_bytes{service="queues",server="cache"}': "99x480",
            'specter_cache_memory_max_bytes{service="queues",server="cache"}': "100x480",
            'specter_cache_evicts{service="queues",server="cache"}': "1x480",
        },
        {
            "10m": [],
            "12m": firing(
                BROKER,
                "Redis main has 95% of its memory in use",
                "main uses 95% of its maxmemory; expected at most 90%. At 100% it refuses to write: nothing "
                "can be published.",
            ),
            "25m": [],
        },
    ),
]
CASES = [*QUEUES, *BROKERS, *WORKERS, *CACHES]
