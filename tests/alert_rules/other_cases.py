"""Promtool cases of the families deployments and meta."""

from tests.alert_rules.promtool import Case, Firing

FAILURES = 'prometheus_rule_evaluation_failures_total{job="prometheus",instance="p",rule_group="http"}'


def deployed(version: str, before: str) -> list[Firing]:
    return [
        Firing(
            {"service": "shop", "service_version": version},
            f"shop now runs version {version}",
            f"Version {version} of shop was first seen within the last 5m (value 1); before it ran {before}.",
        )
    ]


def info(version: str, instance: str = "a") -> str:
    return f'target_info{{service="shop",service_version="{version}",instance="{instance}"}}'


DEPLOYMENTS = [
    Case(
        "DeploymentStarted",
        "deployments",
        "fires for five minutes after the version changed",
        {info("1.0"): "1x119 stale", info("1.1"): "_x120 1x240"},
        {"9m55s": [], "10m5s": deployed("1.1", "1.0"), "14m": deployed("1.1", "1.0"), "17m5s": []},
    ),
    Case(
        "DeploymentStarted",
        "deployments",
        "is silent on a restart of the only instance",
        {info("1.0"): "1x119 stale _x10 1x240"},
        {"11m": [], "12m": [], "15m30s": [], "16m30s": []},
    ),
    Case(
        "DeploymentStarted",
        "deployments",
        "is silent when the one instance of a canary version restarts",
        {info("1.0"): "1x400", info("1.1", "b"): "1x119 stale _x10 1x240"},
        {"11m": [], "12m": [], "15m30s": [], "16m30s": []},
    ),
    Case(
        "DeploymentStarted",
        "deployments",
        "fires for a rollback ten minutes later",
        {info("1.0"): "1x119 stale _x119 1x120", info("1.1"): "_x120 1x119 stale"},
        {"19m55s": [], "20m10s": deployed("1.0", "1.1")},
    ),
    Case(
        "DeploymentStarted",
        "deployments",
        "is silent for a service seen for the first time, and back after an hour",
        {info("1.0"): "_x60 1x60 stale _x720 _x1 ", info("1.1"): "_x900 1x60"},
        {"5m5s": [], "7m": [], "75m10s": [], "78m": []},
    ),
]

TICK = 'specter_detector_last_tick_timestamp_seconds{job="detector",instance="d",query="request_rate"}'
DETECTOR_UP = 'up{job="detector",instance="d",service="detector"}'


def detector_down(extra: dict[str, str], at: str, value: str) -> list[Firing]:
    return [
        Firing(
            {"job": "detector", **extra},
            "The anomaly detector is down: no new scores",
            f"Job detector {at}does not answer its scrape or has no target (value {value}); expected `up` 1. "
            "Anomalies go unnoticed meanwhile; thresholds still alert.",
        )
    ]


META = [
    Case(
        "DetectorDown",
        "meta",
        "fires after a minute and resolves",
        {DETECTOR_UP: "1x11 0x23 1x60"},
        {
            "1m55s": [],
            "2m": detector_down({"instance": "d", "service": "detector"}, "at d ", "0"),
            "4m": [],
        },
    ),
    Case(
        "DetectorDown",
        "meta",
        "fires without any target",
        {'up{job="shop"}': "1x60"},
        {"55s": [], "1m": detector_down({}, "", "1")},
    ),
    Case(
        "DetectorScoresStale",
        "meta",
        "fires two minutes after the last tick and resolves",
        {TICK: "0+5x24 120x35 305+5x60", TICK.replace("request_rate", "error_ratio"): "0+5x150"},
        {
            "4m": [],
            "5m": [
                Firing(
                    {"job": "detector", "instance": "d", "query": "request_rate"},
                    "Scores of request_rate have stopped coming",
                    "The newest scores of query request_rate are 3m 0s old; expected at most 120s. Its "
                    "anomalies "
                    "go unnoticed.",
                )
            ],
            "6m": [],
        },
    ),
    Case(
        "DetectorScoresMissing",
        "meta",
        "fires when no tick has come five minutes after the start and resolves with the first",
        {DETECTOR_UP: "1x120", TICK: "_x84 420+5x40"},
        {
            "4m55s": [],
            "5m": [
                Firing(
                    {"job": "detector", "instance": "d", "service": "detector"},
                    "The detector runs and has written no score",
                    "d is up (value 1) and has not completed a tick since it started; expected the first "
                    "within "
                    "minutes.",
                )
            ],
            "8m": [],
        },
    ),
    Case(
        "LearntSeriesAbsent",
        "meta",
        "fires after two minutes and resolves",
        {
            'specter_detector_series{query="request_rate",state="absent"}': "0x11 2x40 0x60",
            'specter_detector_series{query="request_rate",state="scored"}': "7x120",
        },
        {
            "2m55s": [],
            "3m": [
                Firing(
                    {"query": "request_rate", "state": "absent"},
                    "2 series of request_rate are missing",
                    "2 series that the detector has learnt for query request_rate no longer arrive; "
                    "expected 0. "
                    "Missing data is not known to be healthy.",
                )
            ],
            "5m": [],
        },
    ),
    Case(
        "RuleEvaluationFailing",
        "meta",
        "fires at the first failures and resolves",
        {FAILURES: "0+1x60 60x200"},
        {
            "0s": [],
            "5m": [
                Firing(
                    {"job": "prometheus", "instance": "p", "rule_group": "http"},
                    "Prometheus fails to evaluate rules",
                    "60 evaluations of http failed within five minutes on p; expected 0. Alerts of that "
                    "group "
                    "may not fire.",
                )
            ],
            "11m": [],
        },
    ),
    Case(
        "RuleEvaluationFailing",
        "meta",
        "is silent without new failures",
        {FAILURES: "7x100"},
        {"5m": []},
    ),
    Case(
        "Watchdog",
        "meta",
        "always fires",
        {},
        {
            time: [
                Firing(
                    {},
                    "Alerting works",
                    "Always firing (value 1), as expected; its silence means alerting is broken.",
                )
            ]
            for time in ("0s", "1h")
        },
    ),
]

CASES = [*DEPLOYMENTS, *META]
