"""Anomalies: a series outside the band that the detector expects.

One rule per query alias that is known, so that its words, unit and recorded
series stand in the text, and one for all other aliases. All have one name:
runbook, routing and inhibition are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics

ALERT = "AnomalyDetected"
ACTION = "Open the dashboard at the time of the alert: what else left its band, and what was deployed?"


@dataclass(frozen=True, slots=True)
class Quantity:
    """How one kind of value is named and written.

    `format` is a template function that takes the value; `unit` follows a number or a range.
    """

    words: str
    symptom: str
    format: str
    unit: str = ""


# Not humanize, which writes 0.5 as 500m.
TRAFFIC = Quantity("request rate", "traffic", "printf `%.2f`", " requests/s")
ERRORS = Quantity("error ratio", "errors", "humanizePercentage")
LATENCY = Quantity("p95 latency", "latency", "humanizeDuration")

QUANTITIES = {
    "request_rate": TRAFFIC,
    "error_ratio": ERRORS,
    "latency_p95": LATENCY,
    "route_request_rate": TRAFFIC,
    "route_error_ratio": ERRORS,
    "route_latency_p95": LATENCY,
}
ROUTE_ALIASES = frozenset({"route_request_rate", "route_error_ratio", "route_latency_p95"})


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the alerts on anomaly scores."""
    known = (_known(settings, alias, quantity) for alias, quantity in QUANTITIES.items())
    return [RuleGroup("specter_anomaly", (*known, _unknown(settings)))]


def _known(settings: Settings, alias: str, quantity: Quantity) -> AlertRule:
    route = alias in ROUTE_ALIASES
    what = f"{quantity.words} of {{{{ $labels.{metrics.SERVICE} }}}}"
    if route:
        what += f", route {{{{ $labels.{metrics.ROUTE} }}}}"
    of_service = (metrics.SERVICE, metrics.ROUTE) if route else (metrics.SERVICE,)
    # Beside the service: two models or schedulers may have one query, each with its own band.
    of_band = (metrics.MODEL_ALIAS, metrics.SCHEDULER_ALIAS, *of_service)
    description = (
        f"{_read('now', metrics.QUERY_SERIES[alias], of_service)}"
        f"{_read('low', metrics.YHAT_LOWER, of_band, alias)}"
        f"{_read('high', metrics.YHAT_UPPER, of_band, alias)}"
        f"The {what}{',' if route else ''}\n"
        "{{- if and $now $low $high }}\n"
        "{{- $now := $now | first | value }}{{ $low := $low | first | value }}"
        "{{ $high := $high | first | value }} "
        f"is {{{{ $now | {quantity.format} }}}}{quantity.unit} now, "
        # The value may have come back since it was scored.
        "{{ if gt $now $high }}above{{ else if lt $now $low }}below{{ else }}within{{ end }} the expected "
        f"{{{{ $low | {quantity.format} }}}} to {{{{ $high | {quantity.format} }}}}{quantity.unit}\n"
        "{{- else }} has left its expected band; value or band cannot be read now{{ end -}}\n"
        f". {_scored(settings)}"
    )
    # The series has this label already. Here it tells the rules of one name apart: Prometheus carries
    # pending and firing alerts over a reload by name and labels, and promtool reports equal ones.
    return _rule(
        settings, f'{metrics.FOR}="{alias}"', quantity.symptom, what, description, {metrics.FOR: alias}
    )


def _unknown(settings: Settings) -> AlertRule:
    """Return the rule for the user's own queries.

    Their symptom is not known, so nothing critical mutes them. Their labels are
    not known either, so the band is looked up by all that the score has.
    """
    what = (
        f"{{{{ $labels.{metrics.FOR} }}}}"
        f"{{{{ with $labels.{metrics.SERVICE} }}}} of {{{{ . }}}}{{{{ end }}}}"
        f"{{{{ with $labels.{metrics.ROUTE} }}}}, route {{{{ . }}}}{{{{ end }}}}"
    )
    description = (
        '{{ $of := "" -}}\n'
        '{{ range $name, $text := $labels }}{{ if ne $name "__name__" }}'
        "{{ $of = printf `%s%s=%q,` $of $name $text }}{{ end }}{{ end -}}\n"
        f"{{{{ $low := printf `{metrics.YHAT_LOWER}{{%s}}` $of | query -}}}}\n"
        f"{{{{ $high := printf `{metrics.YHAT_UPPER}{{%s}}` $of | query -}}}}\n"
        f"The series {what} has left its expected band{{{{ if and $low $high }}}}, "
        "{{ $low | first | value | printf `%.4g` }} to "
        "{{ $high | first | value | printf `%.4g` }} now{{ end -}}\n"
        f". {_scored(settings)}"
    )
    aliases = f'{metrics.FOR}!~"{"|".join(QUANTITIES)}"'
    return _rule(settings, aliases, "anomaly", what, description, {})


def _rule(
    settings: Settings, selected: str, symptom: str, what: str, description: str, labels: Mapping[str, str]
) -> AlertRule:
    score = f"{metrics.ANOMALY_SCORE}{{{selected}}}"
    return AlertRule(
        ALERT,
        # An error that stays the same is scored lower after some minutes, as it is news no more; the
        # alert stays until it ends. A query repeats the last score for five minutes after the detector has
        # died.
        f"(\n  {score} > {number(settings.anomaly_score)}\nor\n"
        f"  {score} > {number(settings.anomaly_lasting_score)}\n"
        f"  and max_over_time({score}[{settings.anomaly_lasting}]) > {number(settings.anomaly_score)}\n)\n"
        f"and time() - timestamp({score}) < {number(settings.anomaly_fresh_seconds)}",
        "warning",
        symptom,
        annotate(settings, ALERT, summary=f"Unusual {what}", description=description, action=ACTION),
        wait=settings.anomaly_for,
        keep_firing=settings.anomaly_keep_firing,
        own_labels=labels,
    )


def _read(variable: str, series: str, names: tuple[str, ...], alias: str = "") -> str:
    """Return a line of template that reads `series` with the alert's labels `names` into `variable`."""
    matchers = [f'{metrics.FOR}="{alias}"'] if alias else []
    selector = ",".join([*matchers, *(f"{name}=%q" for name in names)])
    values = " ".join(f"$labels.{name}" for name in names)
    return f"{{{{ ${variable} := printf `{series}{{{selector}}}` {values} | query -}}}}\n"


def _scored(settings: Settings) -> str:
    most = number(settings.anomaly_score)
    return (
        "The anomaly score is {{ printf `%.3g` $value }}"
        f"{{{{ if gt $value {settings.anomaly_score:.1f} }}}}, expected at most {most}."
        "{{ else }}: no longer news, and not over.{{ end }}"
    )
