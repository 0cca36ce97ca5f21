"""Business events: whether they succeed as promised, still happen, and lead on to the next one.

What is promised is exposed beside the events, so most rules serve every catalogue. From the catalogue itself
come the events that wake somebody and the order of the funnels' steps.
"""

from specter_alerts.annotations import annotate
from specter_alerts.business_endpoint import endpoint_alerts
from specter_alerts.business_funnels import conversion_dropped, recorded_funnels
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup, Severity
from specter_alerts.settings import Settings, number
from specter_core import metrics
from specter_core.catalogue import Catalogue, platform_catalogue

EVENT = f"{metrics.SERVICE}, event"
SUCCEEDED = f'{metrics.OUTCOME}="{metrics.SUCCESS}"'
FAILED = f'{metrics.OUTCOME}="{metrics.FAILED}"'
BOARD = metrics.DASHBOARD_BUSINESS
COUNTS = {"5m": metrics.EVENTS_5M, "15m": metrics.EVENTS_15M, "1h": metrics.EVENTS_1H}
RATIOS = {"5m": metrics.EVENT_SUCCESS_5M, "1h": metrics.EVENT_SUCCESS_1H}


def groups(settings: Settings) -> list[RuleGroup]:
    """Return what is recorded of business events, and the alerts on it."""
    catalogue = settings.catalogue or platform_catalogue()
    alerts = (
        *_success_alerts(catalogue, settings),
        *_stopped_alerts(catalogue, settings),
        _too_few(settings),
        *conversion_dropped(catalogue, settings),
        *endpoint_alerts(settings),
    )
    return [
        RuleGroup("specter_business", (*_recorded(), *recorded_funnels(catalogue))),
        RuleGroup("specter_business_alerts", alerts),
    ]


def _recorded() -> tuple[RecordingRule, ...]:
    events = f'{metrics.BUSINESS_EVENTS.name}{{{metrics.SERVICE}!=""}}'
    counts = [
        RecordingRule(record, f"sum by ({EVENT}, {metrics.OUTCOME}) (increase({events}[{window}]))")
        for window, record in COUNTS.items()
    ]
    ratios = [
        # Without an attempt nothing is known: the comparison drops it, and the series is absent.
        RecordingRule(
            record,
            f"sum by ({EVENT}) ({COUNTS[window]}{{{SUCCEEDED}}})\n/\n({_attempts(window)} > 0)",
        )
        for window, record in RATIOS.items()
    ]
    return (*counts, *ratios)


def _attempts(window: str) -> str:
    # Who gives up, or whose mail waits, has neither succeeded nor failed.
    done = f'{metrics.OUTCOME}=~"{metrics.SUCCESS}|{metrics.FAILED}"'
    return f"sum by ({EVENT}) ({COUNTS[window]}{{{done}}})"


def _which(catalogue: Catalogue, severity: Severity) -> str:
    """Return the matcher of the events whose alert is of `severity`."""
    # Without any critical one this is the empty expression, which no event's name matches.
    critical = "|".join(event.name for event in catalogue.events.values() if event.critical)
    return f'event{"=~" if severity == "critical" else "!~"}"{critical}"'


def _success_alerts(catalogue: Catalogue, settings: Settings) -> tuple[AlertRule, AlertRule]:
    far = _below(
        _which(catalogue, "critical"),
        settings.business_critical_share,
        settings.business_critical_deviations,
        settings,
    )
    low = _below("", 1, settings.business_warning_deviations, settings)
    return (
        _success("BusinessSuccessCritical", "critical", far, settings),
        _success("BusinessSuccessLow", "warning", low, settings),
    )


def _success(name: str, severity: Severity, expr: str, settings: Settings) -> AlertRule:
    critical = severity == "critical"
    by_far = f" (below {number(settings.business_critical_share)} of it: urgent)" if critical else ""
    return AlertRule(
        name,
        expr,
        severity,
        "business_{{ $labels.event }}",
        annotate(
            settings,
            name,
            summary="{{ $labels.event }} succeeds in {{ $value | humanizePercentage }} only",
            description=(
                "Of the {{ $labels.event }} events of {{ $labels.service }} that came to an end "
                "{{ $value | humanizePercentage }} succeeded; promised are "
                f"{_promised()}{by_far}. Failures are more than chance explains."
            ),
            action="See on the dashboard by which reason they fail, since when, and what was deployed then.",
            board=BOARD,
        ),
        wait=settings.business_critical_for if critical else settings.business_warning_for,
        keep_firing=settings.business_keep_firing,
    )


def _promised() -> str:
    metric = metrics.BUSINESS_OBJECTIVE_RATIO.name
    return (
        f'{{{{ with printf "{metric}{{service=%q,event=%q}}" $labels.service $labels.event | query }}}}'
        "{{ . | first | value | humanizePercentage }}{{ end }}"
    )


def _below(which: str, share: float, deviations: float, settings: Settings) -> str:
    """Return the success ratios below `share` of the objective, seen in five minutes or in an hour."""
    short, long = (_below_within(window, which, share, deviations, settings) for window in RATIOS)
    # An hour remembers what was mended. Events that succeed again as promised say that it was.
    mended = f"{metrics.EVENT_SUCCESS_5M}\n  >= on ({EVENT})\n  {_objective()}"
    return f"(\n{short}\n)\nor\n(\n{long}\n  unless on ({EVENT})\n  {mended}\n)"


def _below_within(window: str, which: str, share: float, deviations: float, settings: Settings) -> str:
    ratio = f"{RATIOS[window]}{{{which}}}" if which else RATIOS[window]
    failures = f"sum by ({EVENT}) ({COUNTS[window]}{{{FAILED}}})"
    least = number(settings.business_least_failures)
    factor = "" if share == 1 else f"{number(share)} * "
    # What is promised allows for so many failures; their number scatters by its square root (Poisson).
    allowed = f"({_attempts(window)} * on ({EVENT}) (1 - {_objective()}))"
    return (
        f"  {ratio}\n  < on ({EVENT})\n  {factor}{_objective()}\n"
        f"  and on ({EVENT})\n  {failures} >= {least}\n"
        f"  and on ({EVENT})\n  {failures}\n  > on ({EVENT})\n"
        f"  ({allowed} + {number(deviations)} * sqrt({allowed}))"
    )


def _objective() -> str:
    # Two exporters of one service promise the same.
    return f"max by ({EVENT}) ({metrics.BUSINESS_OBJECTIVE_RATIO.name})"


def _stopped_alerts(catalogue: Catalogue, settings: Settings) -> tuple[AlertRule, AlertRule]:
    return (
        _stopped("BusinessEventStoppedCritical", "critical", catalogue, settings),
        _stopped("BusinessEventStopped", "warning", catalogue, settings),
    )


def _stopped(name: str, severity: Severity, catalogue: Catalogue, settings: Settings) -> AlertRule:
    expr = "\nor\n".join(
        _stopped_within(window, _which(catalogue, severity), settings) for window in ("15m", "1h")
    )
    return AlertRule(
        name,
        expr,
        severity,
        "business_traffic_{{ $labels.event }}",
        annotate(
            settings,
            name,
            summary="{{ $labels.event }} hardly happens any more",
            description=(
                "{{ $value | printf `%.0f` }} {{ $labels.event }} events of {{ $labels.service }} succeeded, "
                "where a day and a week ago at this time at least "
                f"{number(settings.stopped_least)} did; expected at least "
                f"{number(settings.stopped_share * 100)}% as many as then."
            ),
            action=(
                "Try it as a user does. If it works, see whether its sender still reaches the events' "
                "endpoint, and whether visitors came at all."
            ),
            board=BOARD,
        ),
        wait=settings.stopped_for,
        keep_firing=settings.business_keep_firing,
    )


def _stopped_within(window: str, which: str, settings: Settings) -> str:
    selected = f"{COUNTS[window]}{{{SUCCEEDED}, {which}}}"
    now = f"sum by ({EVENT}) ({selected})"
    share, least = number(settings.stopped_share), number(settings.stopped_least)
    before = [f"sum by ({EVENT}) ({selected} offset {offset})" for offset in ("1d", "1w")]
    # A holiday a week ago, or an outage a day ago: the other of both still knows what is usual.
    return "\nand\n".join(f"{now} < {share} * ({then} >= {least})" for then in before)


def _too_few(settings: Settings) -> AlertRule:
    name = "BusinessEventsTooFew"
    count = f"sum by ({EVENT}) ({metrics.EVENTS_1H}{{{SUCCEEDED}}})"
    promised = f"max by ({EVENT}) ({metrics.BUSINESS_OBJECTIVE_RATE.name}"
    return AlertRule(
        name,
        # An exporter that was not there an hour ago has not counted for an hour.
        f"{count}\n< on ({EVENT})\n3600 * {promised})\nand on ({EVENT})\n{promised} offset 1h)",
        "warning",
        "business_traffic_{{ $labels.event }}",
        annotate(
            settings,
            name,
            summary="{{ $labels.event }} happens less often than promised",
            description=(
                "{{ $value | printf `%.0f` }} {{ $labels.event }} events of {{ $labels.service }} succeeded "
                "in the last hour; promised are at least "
                f'{{{{ with printf "3600 * {metrics.BUSINESS_OBJECTIVE_RATE.name}{{service=%q,event=%q}}" '
                "$labels.service $labels.event | query }}{{ . | first | value | printf `%.0f` }}{{ end }}."
            ),
            action="Try it as a user does; compare with the traffic and with the steps before it.",
            board=BOARD,
        ),
        wait=settings.stopped_for,
        keep_firing=settings.business_keep_firing,
    )
