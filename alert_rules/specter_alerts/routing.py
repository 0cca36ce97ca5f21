"""Alertmanager's routing tree: who is told what, how soon, and what mutes what.

Written for Alertmanager 0.25 and later.
"""

from typing import Any

from specter_core import metrics

WEBHOOK = "http://specter-notifications:9846/alerts"
# Relative: Alertmanager resolves it against the folder of its configuration file.
CREDENTIALS_FILE = "secrets/notifications-token"

HEARTBEAT = "heartbeat"


def config() -> dict[str, Any]:
    """Return Alertmanager's configuration as plain values."""
    return {
        "global": {"resolve_timeout": "5m"},
        "route": {
            # What carries no known severity is looked at by somebody, and pages nobody.
            "receiver": "warning",
            "group_by": ["alertname", "cluster", "service"],
            "group_wait": "10s",
            # A further anomaly of a service waits this long: short, because one rarely comes alone.
            "group_interval": "30s",
            "repeat_interval": "12h",
            "routes": [
                _route(HEARTBEAT, f'alertname="{metrics.WATCHDOG}"', "0s", "30s", "1m"),
                _route("critical", 'severity="critical"', "5s", "1m", "4h"),
                _route("info", 'severity="info"', "30s", "5m", "12h"),
            ],
        },
        "inhibit_rules": [
            {
                # Of one thing that hurts, the worst statement is enough. `symptom` keeps an outage of one
                # kind from muting another; `job` and `http_route` keep a statement about the whole service
                # from muting one that says where, `server` one server, `queue` one queue and `job_name` one
                # scheduled job from muting another. The source must carry both names, because Alertmanager
                # takes two missing labels as equal.
                "source_matchers": ['severity="critical"', 'service!=""', 'symptom!=""'],
                "target_matchers": ['severity=~"warning|info"'],
                "equal": [
                    *("cluster", "service", "symptom", "job", "http_route", "server", "queue"),
                    metrics.JOB_NAME,
                ],
            }
        ],
        "receivers": [_receiver(name) for name in (HEARTBEAT, "critical", "warning", "info")],
    }


def _route(receiver: str, matcher: str, wait: str, interval: str, repeat: str) -> dict[str, Any]:
    return {
        "receiver": receiver,
        "matchers": [matcher],
        "group_wait": wait,
        "group_interval": interval,
        "repeat_interval": repeat,
    }


def _receiver(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "webhook_configs": [
            {
                "url": f"{WEBHOOK}/{name}",
                "send_resolved": True,
                "http_config": {"authorization": {"credentials_file": CREDENTIALS_FILE}},
            }
        ],
    }
