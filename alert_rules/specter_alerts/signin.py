"""Signing in: attempts, failures, sources, lock-outs and CAPTCHAs as a recorded layer.

Attempts are those that the sign-in exporter was told of and those that the log exporter found in lines.
"""

from specter_alerts import signin_alerts
from specter_alerts.counters import KNOWN, USUAL_INTERVAL, rate_of, usual
from specter_alerts.model import RecordingRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_alerts.signin_alerts import BREACH_WINDOW, BY_SERVICE, HOURS, SLOW_WINDOW, WINDOW
from specter_core import metrics
from specter_core.metrics import Metric

BY_AGENT = f"{metrics.SERVICE}, {metrics.USER_AGENT_CLASS}"
BY_GROUPING = f"{metrics.SERVICE}, grouping"


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the recorded layer of signing in and the alerts on it."""
    return [
        RuleGroup("specter_signin", _recorded(settings)),
        RuleGroup("specter_signin_usual", _usual(), USUAL_INTERVAL),
        signin_alerts.group(settings),
    ]


def _recorded(settings: Settings) -> tuple[RecordingRule, ...]:
    attempts, failed = metrics.AUTH_ATTEMPTS, f'{metrics.OUTCOME}!="{metrics.SUCCESS}"'
    least = number(settings.signin_min_rate)
    return (
        RecordingRule(metrics.SERVICE_SIGNIN_RATE, rate_of(BY_SERVICE, attempts, WINDOW)),
        RecordingRule(
            metrics.SERVICE_SIGNIN_SUCCESS_RATE,
            rate_of(BY_SERVICE, attempts, WINDOW, f'{metrics.OUTCOME}="{metrics.SUCCESS}"'),
        ),
        RecordingRule(metrics.SERVICE_SIGNIN_FAILURE_RATE, rate_of(BY_SERVICE, attempts, WINDOW, failed)),
        # Of hardly any attempts the share is small and not unknown, see the error ratio of requests.
        RecordingRule(
            metrics.SERVICE_SIGNIN_FAILURE_RATIO,
            f"{metrics.SERVICE_SIGNIN_FAILURE_RATE}\n/\nclamp_min({metrics.SERVICE_SIGNIN_RATE}, {least})",
        ),
        RecordingRule(
            metrics.AGENT_SIGNIN_FAILURE_RATE, rate_of(BY_AGENT, metrics.AUTH_USER_AGENT_FAILURES, WINDOW)
        ),
        RecordingRule(
            metrics.AGENT_REQUEST_RATE, rate_of(BY_AGENT, metrics.HTTP_USER_AGENT_REQUESTS, WINDOW)
        ),
        RecordingRule(metrics.TOP_SOURCE_FAILURE_SHARE, _top_share(metrics.AUTH_SOURCE_FAILURES)),
        RecordingRule(metrics.TOP_SOURCE_REQUEST_SHARE, _top_share(metrics.HTTP_SOURCE_REQUESTS)),
        RecordingRule(
            metrics.SERVICE_BREACHES,
            rate_of(BY_SERVICE, metrics.AUTH_SUSPECTED_BREACHES, BREACH_WINDOW, function="increase"),
        ),
        RecordingRule(
            metrics.SERVICE_LOCKOUTS,
            rate_of(BY_SERVICE, metrics.AUTH_LOCKOUTS, SLOW_WINDOW, function="increase"),
        ),
        # Of no CAPTCHA at all there is no ratio: 0 / 0 is NaN, which the comparison drops.
        RecordingRule(metrics.SERVICE_CAPTCHA_RATIO, f"{_solved(SLOW_WINDOW)} >= 0"),
    )


def _usual() -> tuple[RecordingRule, ...]:
    successes = metrics.SERVICE_SIGNIN_SUCCESS_RATE
    return (
        # Six hours, because nights are not days.
        RecordingRule(metrics.SERVICE_SIGNIN_SUCCESS_USUAL, usual(successes, HOURS)),
        RecordingRule(metrics.SERVICE_LOCKOUTS_USUAL, usual(metrics.SERVICE_LOCKOUTS)),
        RecordingRule(metrics.SERVICE_CAPTCHA_USUAL, usual(metrics.SERVICE_CAPTCHA_RATIO)),
    )


def _top_share(metric: Metric) -> str:
    """Return the share of the source that has most; absent where no source has a series of its own."""
    most = f'max by ({BY_GROUPING}) ({metric.name}{{{KNOWN}, source!="other"}})'
    return f"{most}\n/\n(sum by ({BY_GROUPING}) ({metric.name}{{{KNOWN}}}) > 0)"


def _solved(window: str) -> str:
    shown, solved = metrics.AUTH_CAPTCHA_CHALLENGES, metrics.AUTH_CAPTCHA_SUCCESSES
    return f"{rate_of(BY_SERVICE, solved, window)}\n/\n{rate_of(BY_SERVICE, shown, window)}"
