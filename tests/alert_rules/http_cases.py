"""Promtool cases of the http family: requests and availability."""

from tests.alert_rules.promtool import Case, Firing

COUNT = "http_server_request_duration_seconds_count"
BUCKET = "http_server_request_duration_seconds_bucket"


def errors(good: str, bad: str) -> dict[str, str]:
    labels = 'service="shop",http_route="/a",http_response_status_code'
    return {f'{COUNT}{{{labels}="200"}}': good, f'{COUNT}{{{labels}="503"}}': bad}


def latency(fast: str, total: str, *, low: str, high: str) -> dict[str, str]:
    """Requests that are fast (0.1 s) or between `low` and `high` seconds."""
    labels = 'service="shop",http_route="/a",http_response_status_code="200"'
    buckets = {
        f'{BUCKET}{{{labels},le="{le}"}}': fast if le in {"0.1", low} else total
        for le in ("0.1", low, high, "+Inf")
    }
    return {f"{COUNT}{{{labels}}}": total, **buckets}


def ratio(percent: str, limit: str) -> list[Firing]:
    return [
        Firing(
            {"service": "shop"},
            f"shop fails {percent} of its requests",
            f"{percent} of the requests to shop in the last minute ended in a 5xx; expected at most {limit}.",
        )
    ]


def slow(value: str, limit: str) -> list[Firing]:
    return [
        Firing(
            {"service": "shop"},
            f"shop is slow: p95 is {value}",
            f"One request in twenty to shop took longer than {value} in the last minute; "
            f"expected at most {limit}.",
        )
    ]


REQUESTS = [
    Case(
        "ErrorRatioCritical",
        "http",
        "fires after a minute and resolves",
        errors("0+18x120", "0+2x60 120x60"),
        {"1m": [], "2m": ratio("10%", "5%"), "10m": []},
    ),
    Case(
        "ErrorRatioCritical",
        "http",
        "is silent at exactly five percent",
        errors("0+19x60", "0+1x60"),
        {"2m": [], "5m": []},
    ),
    Case(
        "ErrorRatioCritical",
        "http",
        "is silent when one of very few requests fails",
        errors("0x10 1x80", "0x10 1x80"),
        {"1m": [], "2m": [], "5m": []},
    ),
    Case(
        "ErrorRatioHigh",
        "http",
        "fires after two minutes and resolves",
        errors("0+98x120", "0+2x60 120x60"),
        {"2m": [], "3m": ratio("2%", "1%"), "10m": []},
    ),
    Case(
        "ErrorRatioHigh",
        "http",
        "is silent at half a percent",
        errors("0+199x60", "0+1x60"),
        {"3m": [], "5m": []},
    ),
    Case(
        "LatencyCritical",
        "http",
        "fires after a minute and resolves",
        latency("0x59 0+10x60", "0+10x120", low="5", high="7.5"),
        {"1m": [], "2m": slow("7.375s", "5s"), "10m": []},
    ),
    Case(
        "LatencyCritical",
        "http",
        "is silent at four seconds",
        latency("0x60", "0+10x60", low="2.5", high="5"),
        {"2m": [], "5m": []},
    ),
    Case(
        "LatencyCritical",
        "http",
        "is silent on a trickle of slow requests",
        latency("0x80", "0x20 1x5 2x60", low="5", high="7.5"),
        {"2m": [], "3m": [], "5m": []},
    ),
    Case(
        "LatencyHigh",
        "http",
        "fires after two minutes and resolves",
        latency("0x59 0+10x60", "0+10x120", low="2.5", high="5"),
        {"2m": [], "3m": slow("4.875s", "2s"), "10m": []},
    ),
    Case(
        "LatencyHigh",
        "http",
        "is silent at a second",
        latency("0x60", "0+10x60", low="0.5", high="1"),
        {"3m": [], "5m": []},
    ),
]


def down() -> list[Firing]:
    return [
        Firing(
            {"service": "shop", "job": "shop"},
            "shop is down",
            "No target of job shop of shop answers its scrape (highest `up` is 0); expected at least one "
            "that "
            "does.",
        )
    ]


def instance_down(instance: str, job: str) -> list[Firing]:
    return [
        Firing(
            {"service": "shop", "job": job, "instance": instance},
            f"{instance} of shop is down",
            f"Target {instance} (job {job}) of shop does not answer its scrape (`up` is 0); the others "
            "of its "
            "job do, or it is the probe's own exporter.",
        )
    ]


AVAILABILITY = [
    Case(
        "ServiceDown",
        "http",
        "fires after fifteen seconds and resolves, whatever its other jobs do",
        {
            'up{service="shop",job="shop",instance="a"}': "1x11 0x23 1x60",
            'up{service="shop",job="postgres",instance="p"}': "1x100",
        },
        {"1m": [], "1m10s": [], "1m15s": down(), "3m": []},
    ),
    Case(
        "ServiceDown",
        "http",
        "is silent for one of two instances, the detector, the probe exporter and targets without a service",
        {
            'up{service="shop",job="shop",instance="a"}': "0x60",
            'up{service="shop",job="shop",instance="b"}': "1x60",
            'up{service="shop",job="blackbox",instance="http://shop/"}': "0x60",
            'up{service="detector",job="detector",instance="d"}': "0x60",
            'up{job="node",instance="n"}': "0x60",
            **{
                f'up{{service="shop",job="{job}",instance="n"}}': "0x60" for job in ("node", "process", "pm2")
            },
        },
        {"1m": [], "5m": []},
    ),
    Case(
        "InstanceDown",
        "http",
        "fires for one of two instances and resolves",
        {
            'up{service="shop",job="shop",instance="a"}': "1x11 0x23 1x60",
            'up{service="shop",job="shop",instance="b"}': "1x100",
        },
        {"1m30s": [], "2m30s": instance_down("a", "shop"), "4m": []},
    ),
    Case(
        "InstanceDown",
        "http",
        "fires for the exporter of the probe",
        {'up{service="shop",job="blackbox",instance="http://shop/"}': "0x60"},
        {"2m": instance_down("http://shop/", "blackbox")},
    ),
    Case(
        "InstanceDown",
        "http",
        "is silent when all are down, which ServiceDown says",
        {
            'up{service="shop",job="shop",instance="a"}': "0x60",
            'up{service="shop",job="shop",instance="b"}': "0x60",
        },
        {"2m": [], "5m": []},
    ),
    Case(
        "ProbeFailed",
        "http",
        "fires after thirty seconds and resolves",
        {'probe_success{service="shop",job="blackbox",instance="http://shop/"}': "1x11 0x23 1x60"},
        {
            "1m": [],
            "1m25s": [],
            "1m30s": [
                Firing(
                    {"service": "shop", "job": "blackbox", "instance": "http://shop/"},
                    "shop cannot be reached from outside",
                    "The probe of http://shop/ (shop) fails: `probe_success` is 0, expected 1.",
                )
            ],
            "3m": [],
        },
    ),
    Case(
        "ServiceVanished",
        "http",
        "fires when the last target is gone and resolves when one is back",
        {'up{service="shop",job="shop",instance="a"}': "1x11 stale _x47 1x60"},
        {
            "1m30s": [],
            "3m": [
                Firing(
                    {"service": "shop"},
                    "shop has no targets any more",
                    "shop was scraped within the last 30m and no target carries its name now (value 1); "
                    "expected at least one. Nothing watches it. This resolves by itself after 30m.",
                )
            ],
            "6m": [],
        },
    ),
    Case(
        "ServiceVanished",
        "http",
        "forgets a service that was retired",
        {
            'up{service="shop",job="shop",instance="a"}': "1x11 stale",
            'up{service="pay",job="pay",instance="b"}': "1x500",
        },
        {"33m": []},
    ),
    Case(
        "ServiceVanished",
        "http",
        "is silent when one of two targets is removed",
        {
            'up{service="shop",job="shop",instance="a"}': "1x11 stale",
            'up{service="shop",job="shop",instance="b"}': "0x100",
        },
        {"3m": [], "6m": []},
    ),
]

CASES = [*REQUESTS, *AVAILABILITY]
