"""Promtool cases of deployments, of failing rules and of the heartbeat."""

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

ALERTING = [
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

CASES = [*DEPLOYMENTS, *ALERTING]
