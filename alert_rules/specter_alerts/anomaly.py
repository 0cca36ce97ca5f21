"""Anomalies: a series outside the band that the detector expects."""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics

ALERT = "AnomalyDetected"

# Query alias → words, and → symptom, which also tells the value's unit.
WORDS = {
    "request_rate": "request rate",
    "error_ratio": "error ratio",
    "latency_p95": "p95 latency",
    "route_request_rate": "request rate",
    "route_error_ratio": "error ratio",
    "route_latency_p95": "p95 latency",
}
SYMPTOMS = {
    "request_rate": "traffic",
    "error_ratio": "errors",
    "latency_p95": "latency",
    "route_request_rate": "traffic",
    "route_error_ratio": "errors",
    "route_latency_p95": "latency",
}
FORMATS = {
    "errors": "{{ . | first | value | humanizePercentage }}",
    "latency": "{{ . | first | value | humanizeDuration }}",
    "traffic": "{{ . | first | value | humanize }} requests/s",
}


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the alert on anomaly scores."""
    return [RuleGroup("specter_anomaly", (_detected(settings),))]


def _detected(settings: Settings) -> AlertRule:
    what = f"{_choose(WORDS, f'{{{{ $labels.{metrics.FOR} }}}}')} of {_where()}"
    return AlertRule(
        ALERT,
        f"{metrics.ANOMALY_SCORE} > {number(settings.anomaly_score)}",
        "warning",
        # An alias of the user's own has no known symptom, so nothing critical can mute it.
        _choose(SYMPTOMS, "anomaly"),
        annotate(
            settings,
            ALERT,
            summary=f"Unusual {what}",
            description=(
                f"The {what} {_observed()}; {_expected()}. The anomaly score is {{{{ $value | humanize }}}} "
                f"(expected at most {number(settings.anomaly_score)}, the edge of the band)."
            ),
            action=(
                "Open the dashboard at the time of the alert: what else left its band, and what was deployed?"
            ),
        ),
        wait=settings.anomaly_for,
        keep_firing=settings.anomaly_keep_firing,
    )


def _choose(table: dict[str, str], otherwise: str) -> str:
    """Return a template that turns the alias in `for` into its entry in `table`."""
    by_text: dict[str, list[str]] = {}
    for alias, text in table.items():
        by_text.setdefault(text, []).append(alias)
    branches = []
    for text, aliases in by_text.items():
        names = " ".join(f'"{alias}"' for alias in aliases)
        branches.append(f"if eq $labels.{metrics.FOR} {names} }}}}{text}")
    return "{{ " + "{{ else ".join(branches) + f"{{{{ else }}}}{otherwise}{{{{ end }}}}"


def _where() -> str:
    return (
        f"{{{{ if $labels.{metrics.SERVICE} }}}}{{{{ $labels.{metrics.SERVICE} }}}}{{{{ else }}}}a "
        f"series without a service{{{{ end }}}}{{{{ with $labels.{metrics.ROUTE} }}}}, route "
        f"{{{{ . }}}}{{{{ end }}}}"
    )


def _formatted() -> str:
    """Return a template that formats the first sample of `.` in the alias's unit."""
    return _choose({alias: FORMATS[SYMPTOMS[alias]] for alias in WORDS}, "{{ . | first | value | humanize }}")


def _observed() -> str:
    """Return "is VALUE now", from the recorded series behind the alias."""
    assign = {alias: f'{{{{ $series = "{series}" }}}}' for alias, series in metrics.QUERY_SERIES.items()}
    selector = f"{{{metrics.SERVICE}=%q,{metrics.ROUTE}=%q}}"
    query = f'printf "%s{selector}" $series $labels.{metrics.SERVICE} $labels.{metrics.ROUTE} | query'
    return (
        f'{{{{ $series := "" }}}}{_choose(assign, "")}'
        f"{{{{ if $series }}}}{{{{ with {query} }}}}is {_formatted()} now{{{{ else }}}}is missing "
        f"now{{{{ end }}}}{{{{ else }}}}has left its band{{{{ end }}}}"
    )


def _expected() -> str:
    """Return "expected LOWER to UPPER", from the band that the detector wrote."""
    names = (metrics.FOR, metrics.MODEL_ALIAS, metrics.SERVICE, metrics.ROUTE)
    selector = "{" + ",".join(f"{name}=%q" for name in names) + "}"
    labels = " ".join(f"$labels.{name}" for name in names)

    def bound(series: str, word: str) -> str:
        query = f'printf "{series}{selector}" {labels} | query'
        return f"{{{{ with {query} }}}}{word}{_formatted()}{{{{ else }}}}{word}unknown{{{{ end }}}}"

    return f"{bound(metrics.YHAT_LOWER, 'expected ')}{bound(metrics.YHAT_UPPER, ' to ')}"
