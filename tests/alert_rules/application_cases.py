"""Promtool cases of the application family: saturation, exceptions, outgoing calls, processes."""

from tests.alert_rules.promtool import Case, Firing

TARGET = 'service="shop",job="shop",instance="a"'
OF_TARGET = {"service": "shop", "job": "shop", "instance": "a"}
CALL = 'service="shop",server_address="pay.example.org"'
OF_CALL = {"service": "shop", "server_address": "pay.example.org"}
MIB = 2**20


def saturated(active: str) -> dict[str, str]:
    return {
        f'http_server_active_requests{{{TARGET},http_request_method="GET"}}': active,
        f"specter_http_server_slots{{{TARGET}}}": "8x600",
    }


def buckets(name: str, labels: str, fast: str, total: str, low: str, high: str) -> dict[str, str]:
    return {
        f'{name}_bucket{{{labels},le="{le}"}}': fast if le in {"0.1", low} else total
        for le in ("0.1", low, high, "+Inf")
    }


SATURATION = [
    Case(
        "ApplicationSaturated",
        "application",
        "fires when all slots are taken for minutes and resolves",
        saturated("2x120 8x120 2x240"),
        {
            "10m": [],
            "19m50s": [
                Firing(
                    OF_TARGET,
                    "shop is full: 100% of its slots are taken",
                    "a of shop served 100% of the requests that it can serve at once, on average over 5m; "
                    "expected at most 90%. Further requests wait for a worker.",
                )
            ],
            "32m": [],
        },
    ),
    Case(
        "ApplicationSaturated",
        "application",
        "is silent on a burst of a minute, and of a server that knows no slots",
        {
            **saturated("2x120 8x12 2x120"),
            'http_server_active_requests{service="api",job="api",instance="b"}': "900x250",
        },
        {"5m": [], "11m": [], "15m": []},
    ),
    Case(
        "RequestsQueueing",
        "application",
        "fires and resolves",
        buckets(
            "specter_http_server_queue_duration_seconds",
            TARGET,
            "0+10x120 1200x120 1200+10x240",
            "0+10x120 1200+10x120 2400+10x240",
            "0.5",
            "2.5",
        ),
        {
            "10m": [],
            "19m": [
                Firing(
                    {"service": "shop"},
                    "Requests wait 2.4s before shop takes them",
                    "One request in twenty waited longer than 2.4s between the proxy and shop; expected at "
                    "most 0.5s. Its own latency does not show it.",
                )
            ],
            "32m": [],
        },
    ),
    Case(
        "EventLoopBlocked",
        "application",
        "fires for blocks of a second and resolves",
        buckets(
            "specter_event_loop_lag_seconds",
            TARGET,
            "0+20x120 2400x240 2400+20x240",
            "0+20x120 2400+20x240 7200+20x240",
            "0.5",
            "1.0",
        ),
        {
            "10m": [],
            "29m": [
                Firing(
                    OF_TARGET,
                    "The event loop of shop is blocked",
                    "For one twentieth of the time the event loop of a ran more than 975ms late; expected at "
                    "most 0.1s. Every request of that process waits meanwhile.",
                )
            ],
            "45m": [],
        },
    ),
    Case(
        "ThreadPoolExhausted",
        "application",
        "fires when calls always wait and resolves",
        {f"specter_threadpool_waiting_requests{{{TARGET}}}": "0x120 3x120 0x120"},
        {
            "10m": [],
            "15m": [
                Firing(
                    OF_TARGET,
                    "Calls of shop wait for a thread",
                    "On a at least 3 calls of synchronous handlers waited for a thread of the pool all the "
                    "time; expected 0.",
                )
            ],
            "25m": [],
        },
    ),
    Case(
        "ThreadPoolExhausted",
        "application",
        "is silent when no call waits at one look of a minute",
        {
            f"specter_threadpool_waiting_requests{{{TARGET}}}": "3 3 3 0 3 3 3 3 0 3 3 3 3 3 0 3 3 3"
            + " 3 0" * 60
        },
        {"1m": [], "5m": [], "9m": []},
    ),
]


def exception(values: str, name: str = "KeyError") -> dict[str, str]:
    labels = f'{TARGET},http_route="/cart",exception="{name}"'
    return {f"specter_http_server_exceptions_total{{{labels}}}": values}


def rising(rate: str, name: str = "KeyError") -> list[Firing]:
    return [
        Firing(
            {"service": "shop", "exception": name},
            f"{name} is new or rising in shop",
            f"{rate} exceptions a second of the class {name} escape the handlers of shop; expected at most "
            "0.05, or 3 times the average of the 6h before.",
        )
    ]


EXCEPTIONS = [
    Case(
        "ExceptionsRising",
        "application",
        "fires for a class that becomes five times as frequent and resolves",
        exception("0+1x360 360+5x120 960+1x360"),
        {"30m": [], "39m": rising("1"), "50m": []},
    ),
    Case(
        "ExceptionsRising",
        "application",
        "fires for a class that is new",
        {**exception("_x360 1+1x240"), **exception("0+1x600", "ValueError")},
        {"30m": [], "39m": rising("200m")},
    ),
    Case(
        "ExceptionsRising",
        "application",
        "is silent about one that comes as often as ever, and about a few",
        {**exception("0+9x600"), **exception("_x360 1+0.1x240", "OSError")},
        {"20m": [], "35m": [], "45m": []},
    ),
    Case(
        "HealthCheckFailing",
        "application",
        "fires when one of two instances does not reach it and resolves",
        {
            'specter_health_check_up{service="shop",instance="a",check="database"}': "1x300",
            'specter_health_check_up{service="shop",instance="b",check="database"}': "1x60 0x60 1x180",
        },
        {
            "5m": [],
            "8m": [
                Firing(
                    {"service": "shop", "check": "database"},
                    "shop does not reach database",
                    "The health check database succeeds in 50% of the instances of shop; expected 100%.",
                )
            ],
            "12m": [],
        },
    ),
]


def calls(good: str, **failed: str) -> dict[str, str]:
    """Calls by status: 200, and by `error_type` where `_`+status is an answer's."""
    name = "http_client_request_duration_seconds_count"
    series = {f'{name}{{{CALL},http_response_status_code="200",error_type=""}}': good}
    for how, values in failed.items():
        status = how.removeprefix("_") if how.startswith("_") else ""
        labels = f'{CALL},http_response_status_code="{status}",error_type="{status or how}"'
        series[f"{name}{{{labels}}}"] = values
    return series


def failing(share: str) -> list[Firing]:
    return [
        Firing(
            OF_CALL,
            "Calls of shop to pay.example.org fail",
            f"{share} of the calls from shop to pay.example.org within 5m ended in a 5xx or without an "
            "answer; expected at most 5%.",
        )
    ]


CALLS = [
    Case(
        "OutgoingCallsFailing",
        "application",
        "fires for statuses and for silence and resolves",
        calls("0+8x600", _503="0x120 0+1x120 120x360", timeout="0x120 0+1x120 120x360"),
        {"10m": [], "19m": failing("20%"), "28m": []},
    ),
    Case(
        "OutgoingCallsFailing",
        "application",
        "is silent about declined cards, cancelled calls, and one failure of a few calls",
        {
            **calls("0+8x300", _402="0+8x300", cancelled="0+8x300"),
            'http_client_request_duration_seconds_count{service="shop",server_address="rare.example.org",'
            'http_response_status_code="503",error_type="503"}': "1x100 2x200",
        },
        {"5m": [], "9m": [], "12m": [], "20m": []},
    ),
    Case(
        "OutgoingCallsSlow",
        "application",
        "fires for a server that became slow and resolves",
        {
            **calls("0+5x900"),
            **buckets(
                "http_client_request_duration_seconds",
                CALL,
                "0+5x360 1800x120 1800+5x420",
                "0+5x360 1800+5x120 2400+5x420",
                "2.5",
                "5.0",
            ),
        },
        {
            "30m": [],
            "38m": [
                Firing(
                    OF_CALL,
                    "pay.example.org answers shop slowly",
                    "One call in twenty from shop to pay.example.org takes longer than 4.875s; expected at "
                    "most 1s, or 3 times what was usual in the 6h before.",
                )
            ],
            "50m": [],
        },
    ),
    Case(
        "OutgoingCallsSlow",
        "application",
        "is silent about a server that was never fast",
        {
            **calls("0+5x900"),
            **buckets("http_client_request_duration_seconds", CALL, "0x900", "0+5x900", "2.5", "5.0"),
        },
        {"20m": [], "40m": [], "60m": []},
    ),
    Case(
        "OutgoingCallsRateLimited",
        "application",
        "fires and resolves",
        calls("0+8x600", _429="0x120 0+2x120 240x360"),
        {
            "10m": [],
            "19m": [
                Firing(
                    OF_CALL,
                    "pay.example.org refuses calls of shop: too many",
                    "20% of the calls from shop to pay.example.org within 5m got a 429; expected at most 5%.",
                )
            ],
            "28m": [],
        },
    ),
    Case(
        "QuotaNearlyUsedUp",
        "application",
        "fires below a tenth and resolves with the next window",
        {
            f"specter_http_client_ratelimit_remaining{{{CALL}}}": "80x60 4x60 100x60",
            f"specter_http_client_ratelimit_limit{{{CALL}}}": "100x180",
        },
        {
            "5m": [],
            "8m": [
                Firing(
                    OF_CALL,
                    "shop has nearly used up its limit at pay.example.org",
                    "4% of the calls that pay.example.org allows shop in its window are left; expected at "
                    "least 10%. Then calls are refused until the window is over.",
                )
            ],
            "13m": [],
        },
    ),
]


def process(memory: str, started: str = "0x2000", **more: str) -> dict[str, str]:
    series = {
        f"process_resident_memory_bytes{{{TARGET}}}": memory,
        f"process_start_time_seconds{{{TARGET}}}": started,
    }
    return series | {f"{name}{{{TARGET}}}": values for name, values in more.items()}


RESTART = "Restart it before the kernel does; take a heap profile first if you can."


def leak(held: str, growth: str) -> list[Firing]:
    return [
        Firing(
            OF_TARGET,
            f"shop leaks {growth} of memory an hour",
            f"a of shop holds {held} and grows by {growth} an hour: by 10% in each of 3 steps of 5m or 1h "
            "one after the other, 64MiB or more together; expected memory that levels off.",
            action=RESTART,
        )
    ]


def fast_leak(
    held: str, growth: str, known: str = "", *, labels: dict[str, str] = OF_TARGET, action: str = RESTART
) -> list[Firing]:
    return [
        Firing(
            labels,
            f"{labels['service']} leaks {growth} of memory an hour",
            f"{labels['instance']} of {labels['service']} holds {held} and grows by {growth} an hour: by "
            "10MiB or more in each of 3 steps of 40s one after the other, to over 1.5 times the median of "
            f"6h; expected memory that levels off.{known}",
            action=action,
        )
    ]


def of_instance(instance: str, memory: str, started: str) -> dict[str, str]:
    labels = f'service="api",job="api",instance="{instance}"'
    return {
        f"process_resident_memory_bytes{{{labels}}}": memory,
        f"process_start_time_seconds{{{labels}}}": started,
    }


# A mebibyte and a half every five seconds from 100 MiB on, for 25 minutes; 550 MiB after that.
FAST = f"{100 * MIB}x720 {100 * MIB}+{3 * MIB // 2}x300 {550 * MIB}x600"
# Three quarters of a mebibyte a minute.
SLOW = f"{100 * MIB}x120 {100 * MIB}+{MIB * 3 // 4}x360"
PROCESSES = [
    Case(
        "MemoryLeak",
        "application",
        "fires within twenty minutes of a fast leak and resolves when the memory levels off",
        process(FAST),
        {"60m": [], "80m": leak("458.5MiB", "1.055GiB"), "110m": []},
    ),
    Case(
        "MemoryLeak",
        "application",
        "fires for a leak of hours",
        process(SLOW, "0x480"),
        {"120m": [], "330m": leak("256.8MiB", "42.97MiB")},
        interval="1m",
    ),
    Case(
        "MemoryLeak",
        "application",
        "is silent about one step, about a start, and about workers that answer in turn",
        {
            **process(f"{100 * MIB}x720 {400 * MIB}x600"),
            'process_resident_memory_bytes{service="api",job="api",instance="b"}': FAST,
            'process_start_time_seconds{service="api",job="api",instance="b"}': "3600x2000",
            'process_resident_memory_bytes{service="web",job="web",instance="c"}': FAST,
            'process_start_time_seconds{service="web",job="web",instance="c"}': "0x2000",
            'specter_http_server_workers{service="web",job="web",instance="c"}': "2x2000",
        },
        {"62m": [], "70m": [], "80m": []},
    ),
    Case(
        "MemoryLeakFast",
        "application",
        "fires within three minutes of a release that leaks, names it, and resolves when it is rolled back",
        process(
            # The version before for twenty minutes, six of the one that leaks, then another one.
            f"{100 * MIB}x239 {100 * MIB}+{5 * MIB}x71 {100 * MIB}x120",
            "0x239 1200x71 1560x120",
            specter_process_memory_available_bytes=f"{10 * 1024 * MIB}x500",
        )
        | {
            f'target_info{{{TARGET},service_version="1.4.0"}}': "1x239 stale",
            f'target_info{{{TARGET},service_version="1.5.0"}}': "_x240 1x71 stale",
        },
        {
            "20m": [],
            "22m": [],
            "23m": fast_leak(
                "280MiB",
                "3.516GiB",
                " At this pace nothing is left in 2h 50m 40s. Version 1.5.0 is new.",
                action="Roll back version 1.5.0.",
            ),
            "28m": [],
        },
    ),
    Case(
        "MemoryLeakFast",
        "application",
        "fires for a new instance of a service that is known, and for one that has run for long",
        {
            **of_instance("a", f"{100 * MIB}x400", "0x400"),
            **of_instance("b", f"_x240 {100 * MIB}+{2 * MIB}x120", "_x240 1200x120"),
            **process(f"{100 * MIB}x239 {100 * MIB}+{2 * MIB}x120"),
        },
        {
            "22m": [],
            "25m": [
                *fast_leak("220MiB", "1.406GiB"),
                *fast_leak("220MiB", "1.406GiB", labels={"service": "api", "job": "api", "instance": "b"}),
            ],
        },
    ),
    Case(
        "MemoryLeakFast",
        "application",
        "is silent about a restart that warms up to the usual",
        process(f"{300 * MIB}x239 {100 * MIB}+{4 * MIB}x50 {300 * MIB}x100", "0x239 1200x200"),
        {f"{minute}m{second:02}s": [] for minute in (22, 23, 24, 25) for second in (0, 20, 40)},
    ),
    Case(
        "MemoryLeakFast",
        "application",
        "is silent about a release that needs three times as much and grows less and less",
        process(
            f"{100 * MIB}x239 {100 * MIB}+{12 * MIB}x8 {200 * MIB}+{6 * MIB}x8 {250 * MIB}+{3 * MIB}x8 "
            f"{275 * MIB}+{3 * MIB // 2}x8 {290 * MIB}x100",
            "0x239 1200x200",
        ),
        {f"{minute}m{second:02}s": [] for minute in (22, 23, 24) for second in (0, 10, 20, 30, 40, 50)},
    ),
    Case(
        "MemoryLeakFast",
        "application",
        "is silent about the first start of a service, and about workers that answer in turn",
        {
            **of_instance("a", f"{50 * MIB}+{2 * MIB}x170", "0x170"),
            **process(
                f"{100 * MIB}x239 {100 * MIB}+{5 * MIB}x71",
                "0x239 1200x71",
                specter_http_server_workers="2x400",
            ),
        },
        {"4m": [], "8m": [], "14m": [], "24m": []},
    ),
    Case(
        "ProcessRestarting",
        "application",
        "fires at the third start within an hour and resolves",
        process("1x1500", "0x120 600x60 900x60 1200x1200"),
        {
            "18m": [],
            "21m": [
                Firing(
                    OF_TARGET,
                    "shop restarts again and again",
                    "a of shop started 3 times within 1h; expected at most 2.",
                )
            ],
            "85m": [],
        },
    ),
    Case(
        "ProcessRestarting",
        "application",
        "is silent about workers that answer in turn, and about the detector",
        {
            **process("1x300", "1 2 " * 100 + "1", specter_http_server_workers="2x300"),
            'process_start_time_seconds{service="detector",job="detector",instance="d"}': "1 2 " * 100 + "1",
        },
        {"5m": [], "15m": []},
    ),
]

CASES = [*SATURATION, *EXCEPTIONS, *CALLS, *PROCESSES]
