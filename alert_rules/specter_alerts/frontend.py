"""What browsers see: core web vitals by page template and device class, and whether browsers report at all.

A page is rated by the 75th percentile of its views, as on https://web.dev/articles/vitals.
"""

from dataclasses import dataclass
from typing import Unpack

from specter_alerts.annotations import Said, annotated_alert
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup, Severity
from specter_alerts.settings import Settings, number
from specter_core import metrics
from specter_core.metrics import Metric

WINDOW = "5m"
BEACON_WINDOW = "10m"
LEVEL = f"{metrics.SERVICE}, {', '.join(metrics.WEB_VITALS_LABELS)}"
KNOWN = f'{metrics.SERVICE}!=""'


@dataclass(frozen=True, slots=True)
class Rated:
    """A vital that has an alert; `value` is the template of how its value is written."""

    alert: str
    metric: Metric
    words: str
    value: str
    unit: str
    action: str


# The three that a page is rated by; FCP and TTFB say where the time of LCP goes.
RATED = (
    Rated(
        "LcpPoor",
        metrics.WEB_VITALS_LCP,
        "Largest Contentful Paint",
        "humanizeDuration",
        "s",
        "Open the dashboard: if Time to First Byte rose too, look at the service, else at the page.",
    ),
    Rated(
        "InpPoor",
        metrics.WEB_VITALS_INP,
        "Interaction to Next Paint",
        "humanizeDuration",
        "s",
        "Look for a script that came with the last release or by a third party, and works while users click.",
    ),
    Rated(
        "ClsPoor",
        metrics.WEB_VITALS_CLS,
        "Cumulative Layout Shift",
        "printf `%.2f`",
        "",
        "Look for an image, an advertisement or a font of the last release that has no room reserved.",
    ),
)


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the recorded vitals and the alerts on them and on the beacon."""
    vitals = tuple(_vital_alert(rated, settings) for rated in RATED)
    return [
        RuleGroup(
            "specter_frontend", tuple(rule for metric in metrics.WEB_VITALS_P75 for rule in _recorded(metric))
        ),
        RuleGroup("specter_frontend_alerts", (*vitals, _missing(settings), _refused(settings))),
    ]


def _recorded(metric: Metric) -> tuple[RecordingRule, ...]:
    good, poor = metrics.WEB_VITALS_LIMITS[metric]
    views = f"sum by ({LEVEL}) (increase({metric.count}{{{KNOWN}}}[{WINDOW}]))"
    # A quantile or a share of nothing is NaN; the comparison drops it, and the series is absent.
    buckets = f"sum by ({LEVEL}, le) (rate({metric.bucket}{{{KNOWN}}}[{WINDOW}]))"
    return (
        RecordingRule(metrics.WEB_VITALS_VIEWS[metric], views),
        RecordingRule(metrics.WEB_VITALS_P75[metric], f"histogram_quantile(\n  0.75,\n  {buckets}\n) >= 0"),
        RecordingRule(metrics.WEB_VITALS_GOOD[metric], f"{_share(metric, good)} >= 0"),
        RecordingRule(metrics.WEB_VITALS_POOR[metric], f"clamp_min(1 - {_share(metric, poor)}, 0) >= 0"),
    )


def _share(metric: Metric, limit: float) -> str:
    """Return PromQL for the share of views that are at most `limit`."""
    # Of two spellings of a whole number, 4 and 4.0, clients and versions of Prometheus have one or the other.
    edge = number(limit).replace(".", "[.]") if limit % 1 else f"{number(limit)}([.]0)?"
    below = f'sum by ({LEVEL}) (rate({metric.bucket}{{{KNOWN}, le=~"{edge}"}}[{WINDOW}]))'
    return f"{below} / sum by ({LEVEL}) (rate({metric.count}{{{KNOWN}}}[{WINDOW}]))"


def _vital_alert(rated: Rated, settings: Settings) -> AlertRule:
    good, poor = metrics.WEB_VITALS_LIMITS[rated.metric]
    value = f"{{{{ $value | {rated.value} }}}}"
    return _alert(
        settings,
        rated.alert,
        f"{metrics.WEB_VITALS_P75[rated.metric]} > {number(poor)}\n"
        f"and on ({LEVEL})\n{metrics.WEB_VITALS_VIEWS[rated.metric]} >= {settings.min_views}",
        summary=f"{{{{ $labels.page }}}} of {{{{ $labels.service }}}} is poor on {{{{ $labels.device }}}}: "
        f"{rated.words} is {value}",
        description=(
            "One view in four of {{ $labels.page }} of {{ $labels.service }} on {{ $labels.device }} "
            f"had a {rated.words} of {value} or more in the last {WINDOW}; expected at most "
            f"{number(good)}{rated.unit}, above {number(poor)}{rated.unit} is poor."
        ),
        action=rated.action,
        wait=settings.warning_for,
    )


def _missing(settings: Settings) -> AlertRule:
    least = number(settings.beacon_min_request_rate)
    # One that is refused, of anybody's, says nothing of the pages.
    taken = f"rate({metrics.BEACON_TAKEN.name}{{{KNOWN}}}[{BEACON_WINDOW}])"
    return _alert(
        settings,
        "BeaconsMissing",
        f"sum by ({metrics.SERVICE}) ({taken}) == 0\n"
        f"and on ({metrics.SERVICE})\n{metrics.SERVICE_REQUEST_RATE} >= {least}",
        summary="No browser reports to {{ $labels.service }} any more",
        description=(
            "{{ $labels.service }} gets requests, and its beacon took {{ $value }} a second for half an "
            f"hour; expected more than 0 while the service has {least} or more. "
            "Nothing is known of what users see."
        ),
        action="Open a page: is the script there, and does the browser's console say why it cannot send?",
        wait="30m",
    )


def _refused(settings: Settings) -> AlertRule:
    by = f"sum by ({metrics.SERVICE})"
    requests = f"{by} (rate({metrics.BEACON_REQUESTS.name}{{{KNOWN}}}[{BEACON_WINDOW}]))"
    most = settings.beacon_refused_ratio
    return _alert(
        settings,
        "BeaconsRefused",
        f"{by} (rate({metrics.BEACON_REFUSED.name}{{{KNOWN}}}[{BEACON_WINDOW}]))\n/\n{requests}\n"
        f"> {number(most)}\nand on ({metrics.SERVICE})\n{requests} >= {number(settings.min_request_rate)}",
        summary="The beacon of {{ $labels.service }} refuses {{ $value | humanizePercentage }} of requests",
        description=(
            "{{ $value | humanizePercentage }} of the requests to the beacon of {{ $labels.service }} were "
            f"refused in the last {BEACON_WINDOW}; expected at most {number(most * 100)}%."
        ),
        action="Open the dashboard: the reason tells a site that is not in `allowed_origins` from a flood.",
        severity="info",
        wait="15m",
    )


def _alert(
    settings: Settings,
    name: str,
    expr: str,
    *,
    wait: str,
    severity: Severity = "warning",
    **said: Unpack[Said],
) -> AlertRule:
    return annotated_alert(
        settings,
        name,
        expr,
        severity,
        "frontend",
        wait=wait,
        keep_firing=settings.keep_firing,
        board=metrics.DASHBOARD_FRONTEND,
        **said,
    )
