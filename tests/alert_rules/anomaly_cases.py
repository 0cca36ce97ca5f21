"""Promtool cases of the family anomaly."""

from tests.alert_rules.promtool import Case, Firing

ROUTE_P95 = "service_route:http_server_request_duration_seconds:p95_rate1m"
ROUTE = 'for="route_latency_p95",service="shop",http_route="/search",model_alias="m",scheduler_alias="live"'
SERVICE = 'for="request_rate",service="shop",model_alias="m",scheduler_alias="live"'
RATIO = 'for="error_ratio",service="shop",model_alias="m",scheduler_alias="live"'
OWN = 'for="retry_depth",queue="mail",model_alias="m"'
OWN_ROUTE = 'for="retries",service="shop",http_route="/search",model_alias="m"'


def labels(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in (pair.split("=") for pair in text.split(","))}


def ticks(*scores: float) -> str:
    """Write one score every 15 s, as the detector does, where promtool steps by 5 s; then nothing."""
    return " _ _ ".join(str(score) for score in scores) + " _x120"


def anomaly(series: str, symptom: str, what: str, state: str) -> list[Firing]:
    return [
        Firing(
            labels(series),
            f"Unusual {what}",
            f"{state}. The anomaly score is 3.25, expected at most 1.",
            symptom,
        )
    ]


def traffic(now: str) -> dict[str, str]:
    return {
        'service:http_server_requests:rate1m{service="shop"}': f"{now}x150",
        f"yhat_lower{{{SERVICE}}}": "3x150",
        f"yhat_upper{{{SERVICE}}}": "5x150",
    }


def unusual_traffic(state: str) -> list[Firing]:
    return anomaly(
        SERVICE,
        "traffic",
        "request rate of shop",
        f"The request rate of shop is {state} the expected 3.00 to 5.00 requests/s",
    )


LASTING = "0.55: no longer news, and not over."


def own(score: str) -> Firing:
    """Return the alert on a query of the user's own without a band."""
    return Firing(
        labels(OWN),
        "Unusual retry_depth (queue mail)",
        f"The series retry_depth (queue mail) is not as expected. The anomaly score is {score}",
        "anomaly",
    )


MANY = unusual_traffic("12.50 requests/s now, above")

TEXTS = [
    Case(
        "AnomalyDetected",
        "anomaly",
        "fires half a minute after the score passes 1 and resolves, with value and band of the route",
        {
            f"anomaly_score{{{ROUTE}}}": "0.4x11 3.25x23 0.4x60",
            f'{ROUTE_P95}{{service="shop",http_route="/search"}}': "0.8x100",
            f'{ROUTE_P95}{{service="shop",http_route="/cart"}}': "9x100",
            f"yhat_lower{{{ROUTE}}}": "0.02x100",
            f"yhat_upper{{{ROUTE}}}": "0.05x100",
        },
        {
            "1m25s": [],
            "1m30s": anomaly(
                ROUTE,
                "latency",
                "p95 latency of shop, route /search",
                "The p95 latency of shop, route /search, is 800ms now, above the expected 20ms to 50ms",
            ),
            "6m": [],
        },
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "reads the band of the model that scored",
        {
            f"anomaly_score{{{SERVICE}}}": "3.25x60",
            **traffic("12.5"),
            f"yhat_upper{{{SERVICE.replace('live', 'hourly')}}}": "7x60",
            f"yhat_upper{{{SERVICE.replace('request_rate', 'own_rate')}}}": "8x60",
        },
        {"2m": MANY},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "says that the value is below the band",
        {f"anomaly_score{{{SERVICE}}}": "3.25x60", **traffic("0.5")},
        {"2m": unusual_traffic("0.50 requests/s now, below")},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "says that the value has come back since it was scored",
        {f"anomaly_score{{{SERVICE}}}": "3.25x60", **traffic("4")},
        {"2m": unusual_traffic("4.00 requests/s now, within")},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "writes ratios as percentages",
        {
            f"anomaly_score{{{RATIO}}}": "3.25x60",
            'service:http_server_errors:ratio_rate1m{service="shop"}': "0.125x60",
            f"yhat_lower{{{RATIO}}}": "0x60",
            f"yhat_upper{{{RATIO}}}": "0.02x60",
        },
        {
            "2m": anomaly(
                RATIO,
                "errors",
                "error ratio of shop",
                "The error ratio of shop is 12.5% now, above the expected 0% to 2%",
            )
        },
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "says when value or band is missing",
        {f"anomaly_score{{{RATIO}}}": "3.25x60", f"yhat_lower{{{RATIO}}}": "0x60"},
        {
            "2m": anomaly(
                RATIO,
                "errors",
                "error ratio of shop",
                "The error ratio of shop is not as expected; value or band cannot be read now",
            )
        },
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "fires for a query of the user's own with the band of that very series",
        {
            f"anomaly_score{{{OWN}}}": "3.25x60",
            f"yhat_lower{{{OWN.replace('mail', 'a')}}}": "1x60",
            f"yhat_lower{{{OWN}}}": "2x60",
            f"yhat_upper{{{OWN}}}": "40x60",
        },
        {
            "2m": anomaly(
                OWN,
                "anomaly",
                "retry_depth (queue mail)",
                "The series retry_depth (queue mail) is not as expected, which is 2 to 40 now",
            )
        },
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "names what a series of a query of the user's own is about",
        {f"anomaly_score{{{OWN_ROUTE}}}": "3.25x60"},
        {
            "2m": anomaly(
                OWN_ROUTE,
                "anomaly",
                "retries (http_route /search, service shop)",
                "The series retries (http_route /search, service shop) is not as expected",
            )
        },
    ),
]

PRESETS = {
    'for="node_disk_free",instance="db1",model_alias="m"': (
        ("0.25", "0.5"),
        "disk space free (instance db1)",
        "25% to 50%",
    ),
    'for="redis_memory_used",model_alias="m"': (("1024", "3145728"), "Redis memory", "1kiB to 3MiB"),
    'for="pg_temp_bytes",datname="shop",model_alias="m"': (
        ("0", "2048"),
        "PostgreSQL: temporary files of a database (datname shop)",
        "0B/s to 2kiB/s",
    ),
    'for="queue_oldest_age",queue="mail",model_alias="m"': (
        ("0", "90"),
        "age of the oldest waiting message (queue mail)",
        "0s to 1m 30s",
    ),
    'for="signin_failure_rate",service="shop",model_alias="m"': (
        ("0.5", "4"),
        "sign-in: failed attempts (service shop)",
        "0.5 to 4 attempts/s",
    ),
}
WORDS = [
    Case(
        "AnomalyDetected",
        "anomaly",
        f"says in words and units what {labels(series)['for']} of a preset is",
        {
            f"anomaly_score{{{series}}}": "3.25x60",
            f"yhat_lower{{{series}}}": f"{low}x60",
            f"yhat_upper{{{series}}}": f"{high}x60",
        },
        {
            "2m": anomaly(
                series, "anomaly", what, f"The series {what} is not as expected, which is {band} now"
            )
        },
    )
    for series, ((low, high), what, band) in PRESETS.items()
]

RATE_OF_SHOP = 'service:http_server_requests:rate1m{service="shop"}'
TOGETHER = [
    Case(
        "AnomalyDetected",
        "anomaly",
        "is one alert for two detectors that watch the same series, while one of them is alarmed",
        {
            f'anomaly_score{{{OWN},detector_replica="0"}}': "0.2x11 3.25x29 0.2x80",
            f'anomaly_score{{{OWN},detector_replica="1"}}': "0.2x11 1.5x40 0.2x80",
        },
        {
            "55s": [],
            "2m": [own("3.25, expected at most 1.")],
            "4m": [own("1.5, expected at most 1.")],
            "7m": [],
        },
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "resolves when the one of two detectors that was alarmed has died",
        {
            f'anomaly_score{{{OWN},detector_replica="0"}}': f"0.2 _ _ {ticks(*[3.25] * 8)}",
            f'anomaly_score{{{OWN},detector_replica="1"}}': "0.2x200",
        },
        {"0s": [], "1m30s": [own("3.25, expected at most 1.")], "6m": []},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "keeps the series of a replicated database apart",
        {f'anomaly_score{{{OWN},replica="{number}"}}': "3.25x60" for number in (0, 1)},
        {
            "2m": [
                Firing(
                    {**labels(OWN), "replica": number},
                    f"Unusual retry_depth (queue mail, replica {number})",
                    f"The series retry_depth (queue mail, replica {number}) is not as expected. "
                    "The anomaly score is 3.25, expected at most 1.",
                    "anomaly",
                )
                for number in ("0", "1")
            ]
        },
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "is silent about the error ratio of hardly any requests, and fires with more of them",
        {
            f"anomaly_score{{{RATIO}}}": "3.25x120",
            RATE_OF_SHOP: "0.05x60 0.2x60",
            f"yhat_lower{{{RATIO}}}": "0x120",
            f"yhat_upper{{{RATIO}}}": "0.02x120",
            'service:http_server_errors:ratio_rate1m{service="shop"}': "0.125x120",
        },
        {
            "4m55s": [],
            "6m": anomaly(
                RATIO,
                "errors",
                "error ratio of shop",
                "The error ratio of shop is 12.5% now, above the expected 0% to 2%",
            ),
        },
    ),
]

TIMES = [
    Case(
        "AnomalyDetected",
        "anomaly",
        "is silent at the edge of the band and for one odd tick",
        {f"anomaly_score{{{ROUTE}}}": "1x60", f"anomaly_score{{{SERVICE}}}": "0.2x20 9x2 0.2x60"},
        {"1m50s": [], "2m30s": [], "5m": []},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "fires at the third of three ticks above 1",
        {f"anomaly_score{{{SERVICE}}}": ticks(0.4, 0.4, 3.25, 3.25, 3.25, 3.25), **traffic("12.5")},
        {"55s": [], "1m": MANY},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "is silent when a detector's last score alone is above 1",
        {f"anomaly_score{{{SERVICE}}}": ticks(0.4, 0.4, 3.25)},
        {"55s": [], "1m": [], "1m5s": [], "2m": [], "5m25s": []},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "is silent about a query of the user's own whose last score alone is above 1",
        {f"anomaly_score{{{OWN}}}": ticks(0.4, 0.4, 3.25)},
        {"1m": [], "2m": [], "5m25s": []},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        # Last score at 1m15s, too old from 1m45s on; two minutes of keep_firing_for follow.
        "resolves two and a half minutes after the last score, when the detector died while firing",
        {f"anomaly_score{{{SERVICE}}}": ticks(0.4, 0.4, 3.25, 3.25, 3.25, 3.25), **traffic("12.5")},
        {"55s": [], "1m": MANY, "3m40s": MANY, "3m45s": [], "6m": []},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "stays one alert when the score falls back for a minute and a half",
        {f"anomaly_score{{{SERVICE}}}": "3.25x12 0.3x17 3.25x12 0.3x60", **traffic("12.5")},
        {"1m5s": MANY, "2m30s": MANY, "3m30s": MANY, "5m30s": MANY, "5m40s": []},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "stays while an error that is news no more lasts, and resolves when that has ended",
        {f"anomaly_score{{{OWN}}}": "0.2x11 3.25x59 0.55x239 0.2x900"},
        {"2m": [own("3.25, expected at most 1.")], "25m": [own(LASTING)], "27m": [own(LASTING)], "29m": []},
    ),
    Case(
        "AnomalyDetected",
        "anomaly",
        "resolves an hour after the last news",
        {f"anomaly_score{{{OWN}}}": "0.2x11 3.25x59 0.55x2000"},
        {"65m": [own(LASTING)], "69m": []},
    ),
]
CASES = [*TEXTS, *WORDS, *TOGETHER, *TIMES]
