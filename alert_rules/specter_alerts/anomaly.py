"""Anomalies: a series outside the band that the detector expects.

One rule per query alias with a recorded series, so that its words, unit and
value stand in the text, and one for all others, in a preset's words where it is
of one. All have one name: runbook, routing and inhibition are the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from specter_alerts.annotations import annotate
from specter_alerts.measures import FORMATS, MEASURES
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
    return [RuleGroup("specter_anomaly", (*known, _others(settings)))]


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
        "{{- else }} is not as expected; value or band cannot be read now{{ end -}}\n"
        f". {_scored(settings)}"
    )
    # The series has this label already. Here it tells the rules of one name apart: Prometheus carries
    # pending and firing alerts over a reload by name and labels, and promtool reports equal ones.
    return _rule(
        settings,
        f'{metrics.FOR}="{alias}"',
        quantity.symptom,
        what,
        description,
        {metrics.FOR: alias},
        unless=_too_few(settings, of_service) if quantity is ERRORS else "",
    )


def _too_few(settings: Settings, of_service: tuple[str, ...]) -> str:
    """Return the condition that there are so few requests that one of them makes the share."""
    rate = metrics.ROUTE_REQUEST_RATE if metrics.ROUTE in of_service else metrics.SERVICE_REQUEST_RATE
    return f"\nunless on ({', '.join(of_service)})\n{rate} < {number(settings.min_request_rate)}"


def _choice(variable: str, texts: Mapping[str, str]) -> str:
    """Return template that sets `variable` to the text of the alert's query, if there is one."""
    by_text: dict[str, list[str]] = {}
    for alias, text in texts.items():
        by_text.setdefault(text, []).append(alias)
    branches = "".join(
        f"{{{{ {'else ' if index else ''}if eq $labels.{metrics.FOR} {' '.join(map(_quoted, aliases))} }}}}"
        f"{{{{ {variable} = {_quoted(text)} }}}}"
        for index, (text, aliases) in enumerate(by_text.items())
    )
    return f"{branches}{{{{ end }}}}"


def _quoted(text: str) -> str:
    return f"`{text}`"


def _others(settings: Settings) -> AlertRule:
    """Return the rule for queries of presets and the user's own.

    Their symptom is not known, so nothing critical mutes them. What their series are about, be it a queue, a
    disk or a database, all of their labels say, by which the band is looked up too.
    """
    words = _choice("$what", {alias: measure.words for alias, measure in MEASURES.items()})
    units = _choice("$unit", {alias: measure.unit for alias, measure in MEASURES.items()})
    what = f"{{{{ $what := $labels.{metrics.FOR} }}}}{words}{_where()}{{{{ $what }}}}{{{{ $where }}}}"
    written = "".join(
        f'{{{{ {"else " if index else ""}if eq $unit "{unit}" }}}}{_edges(form)}'
        for index, (unit, form) in enumerate(FORMATS.items())
    )
    description = (
        '{{ $of := "" -}}\n'
        '{{ range $name, $text := $labels }}{{ if ne $name "__name__" }}'
        "{{ $of = printf `%s%s=%q,` $of $name $text }}{{ end }}{{ end -}}\n"
        f"{{{{ $low := printf `{metrics.YHAT_LOWER}{{%s}}` $of | query -}}}}\n"
        f"{{{{ $high := printf `{metrics.YHAT_UPPER}{{%s}}` $of | query -}}}}\n"
        f'{{{{ $unit := "" }}}}{units}'
        f"The series {what} is not as expected{{{{ if and $low $high }}}}, which is "
        f"{written}{{{{ else }}}}{_edges('printf `%.4g`')}"
        "{{ with $unit }} {{ . }}{{ end }}{{ end }} now{{ end -}}\n"
        f". {_scored(settings)}"
    )
    aliases = f'{metrics.FOR}!~"{"|".join(QUANTITIES)}"'
    return _rule(settings, aliases, "anomaly", what, description, {})


def _edges(form: str) -> str:
    """Return template that writes the band with the template function `form`."""
    return " to ".join(f"{{{{ ${edge} | first | value | {form} }}}}" for edge in ("low", "high"))


def _where() -> str:
    """Return template that puts the labels that tell one series of a query from another into `$where`."""
    others = " ".join(map(_quoted, ("__name__", metrics.FOR, metrics.MODEL_ALIAS, metrics.SCHEDULER_ALIAS)))
    return (
        '{{ $where := "" }}{{ range $name, $text := $labels }}'
        f"{{{{ if not (eq $name {others}) }}}}"
        "{{ $where = printf `%s%s%s %s` $where (or (and $where `, `) ` (`) $name $text }}{{ end }}{{ end }}"
        "{{ with $where }}{{ $where = printf `%s)` . }}{{ end }}"
    )


def _rule(
    settings: Settings,
    selected: str,
    symptom: str,
    what: str,
    description: str,
    labels: Mapping[str, str],
    unless: str = "",
) -> AlertRule:
    score = f"{metrics.ANOMALY_SCORE}{{{selected}}}"
    return AlertRule(
        ALERT,
        # An error that stays the same is scored lower after some minutes, as it is news no more; the
        # alert stays until it ends. A query repeats the last score for five minutes after the detector has
        # died. Of detectors that watch the same series the most alarmed one counts: one alert, not two.
        f"max without ({metrics.DETECTOR_REPLICA}) (\n"
        f"  (\n    {score} > {number(settings.anomaly_score)}\n  or\n"
        f"    {score} > {number(settings.anomaly_lasting_score)}\n"
        f"    and max_over_time({score}[{settings.anomaly_lasting}]) > {number(settings.anomaly_score)}\n"
        "  )\n"
        f"  and time() - timestamp({score}) < {number(settings.anomaly_fresh_seconds)}\n)"
        f"{unless}",
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
