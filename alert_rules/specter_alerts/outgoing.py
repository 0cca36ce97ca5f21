"""Calls that services make: third parties as they are seen from inside, and what is left of their limits."""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics

WINDOW = "5m"
CALLS = metrics.HTTP_CLIENT_REQUEST_DURATION
BY = f"{metrics.SERVICE}, {metrics.SERVER_ADDRESS}"
KNOWN = f'{metrics.SERVICE}!="", {metrics.SERVER_ADDRESS}!=""'
BOARD = metrics.DASHBOARD_APPLICATION


def groups(settings: Settings) -> list[RuleGroup]:
    """Return what is recorded of outgoing calls, and the alerts on it."""
    return [
        RuleGroup("specter_outgoing", _recorded(settings)),
        RuleGroup(
            "specter_outgoing_alerts",
            (_failing(settings), _slow(settings), _refused(settings), _quota(settings)),
        ),
    ]


def _calls(*matchers: str) -> str:
    return f"rate({CALLS.count}{{{', '.join((KNOWN, *matchers))}}}[{WINDOW}])"


def _recorded(settings: Settings) -> tuple[RecordingRule, ...]:
    # A 4xx is the answer to what was asked, a declined card for one. Who cancels has heard nothing yet.
    status = _calls(f'{metrics.STATUS}=~"5.."')
    silence = _calls(f'{metrics.STATUS}=""', f'{metrics.ERROR_TYPE}!~"|cancelled"')
    failed = f"sum by ({BY}) (\n    {status}\n    or\n    {silence}\n  )"
    buckets = f"sum by ({BY}, le) (rate({CALLS.bucket}{{{KNOWN}}}[{WINDOW}]))"
    left, limit = metrics.HTTP_CLIENT_RATELIMIT_REMAINING.name, metrics.HTTP_CLIENT_RATELIMIT_LIMIT.name
    return (
        RecordingRule(metrics.CALL_RATE, f"sum by ({BY}) ({_calls()})"),
        RecordingRule(
            metrics.CALL_ERROR_RATIO,
            f"(\n  {failed}\n  or\n  0 * {metrics.CALL_RATE}\n)\n/\n"
            f"clamp_min({metrics.CALL_RATE}, {number(settings.min_request_rate)})",
        ),
        RecordingRule(metrics.CALL_DURATION_P95, f"histogram_quantile(\n  0.95,\n  {buckets}\n) >= 0"),
        RecordingRule(
            # Of several instances the one that has least left: they may have limits of their own.
            metrics.QUOTA_LEFT,
            f"min by ({BY}) ({left}{{{KNOWN}}} / ({limit}{{{KNOWN}}} > 0))",
        ),
    )


def _failing(settings: Settings) -> AlertRule:
    limit = settings.call_error_ratio
    return AlertRule(
        "OutgoingCallsFailing",
        f"{metrics.CALL_ERROR_RATIO} > {number(limit)}",
        "warning",
        "dependency",
        annotate(
            settings,
            "OutgoingCallsFailing",
            summary="Calls of {{ $labels.service }} to {{ $labels.server_address }} fail",
            description=(
                "{{ $value | humanizePercentage }} of the calls from {{ $labels.service }} to "
                f"{{{{ $labels.server_address }}}} within {WINDOW} ended in a 5xx or without an answer; "
                f"expected at most {number(limit * 100)}%."
            ),
            action=(
                "See on the dashboard how they fail. A 5xx or a time-out: look at the vendor's status page. "
                "DNS, TLS or a refused connection: look at the network and the certificates first."
            ),
            board=BOARD,
        ),
        wait=settings.warning_for,
        keep_firing=settings.keep_firing,
    )


def _slow(settings: Settings) -> AlertRule:
    p95, factor = metrics.CALL_DURATION_P95, number(settings.rising_factor)
    usual = f"quantile_over_time(0.5, {p95}[{settings.usual_over}] offset {settings.usual_until})"
    return AlertRule(
        "OutgoingCallsSlow",
        f"{p95} > {number(settings.call_seconds)}\nand\n{p95} > {factor} * {usual}\n"
        f"and on ({BY})\n{metrics.CALL_RATE} >= {number(settings.min_request_rate)}",
        "warning",
        "dependency_latency",
        annotate(
            settings,
            "OutgoingCallsSlow",
            summary="{{ $labels.server_address }} answers {{ $labels.service }} slowly",
            description=(
                "One call in twenty from {{ $labels.service }} to {{ $labels.server_address }} takes longer "
                "than {{ $value | humanizeDuration }}; expected at most "
                f"{number(settings.call_seconds)}s, or {factor} times what was usual in the "
                f"{settings.usual_over} before."
            ),
            action=(
                "Look at the vendor's status page and at the latency of the routes that call it; shorten "
                "time-outs before its slowness fills every worker."
            ),
            board=BOARD,
        ),
        wait=settings.warning_for,
        keep_firing=settings.keep_firing,
    )


def _refused(settings: Settings) -> AlertRule:
    refused = _calls(f'{metrics.STATUS}="429"')
    return AlertRule(
        "OutgoingCallsRateLimited",
        f"sum by ({BY}) ({refused}) / {metrics.CALL_RATE} > {number(settings.call_error_ratio)}",
        "warning",
        "quota",
        annotate(
            settings,
            "OutgoingCallsRateLimited",
            summary="{{ $labels.server_address }} refuses calls of {{ $labels.service }}: too many",
            description=(
                "{{ $value | humanizePercentage }} of the calls from {{ $labels.service }} to "
                f"{{{{ $labels.server_address }}}} within {WINDOW} got a 429; expected at most "
                f"{number(settings.call_error_ratio * 100)}%."
            ),
            action="Wait as long as Retry-After says, call less or in batches, or ask for a larger limit.",
            board=BOARD,
        ),
        wait=settings.warning_for,
        keep_firing=settings.keep_firing,
    )


def _quota(settings: Settings) -> AlertRule:
    limit = settings.quota_left_ratio
    return AlertRule(
        "QuotaNearlyUsedUp",
        f"{metrics.QUOTA_LEFT} < {number(limit)}",
        "warning",
        "quota",
        annotate(
            settings,
            "QuotaNearlyUsedUp",
            summary="{{ $labels.service }} has nearly used up its limit at {{ $labels.server_address }}",
            description=(
                "{{ $value | humanizePercentage }} of the calls that {{ $labels.server_address }} allows "
                "{{ $labels.service }} in its window are left; expected at least "
                f"{number(limit * 100)}%. Then calls are refused until the window is over."
            ),
            action="See on the dashboard who calls and when the window ends; slow down what can wait.",
            board=BOARD,
        ),
        wait=settings.critical_for,
        keep_firing=settings.keep_firing,
    )
