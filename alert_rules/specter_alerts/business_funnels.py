"""Funnels of the catalogue: how many of those who came to a step went on to the next one."""

from itertools import pairwise

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RecordingRule
from specter_alerts.settings import Settings, number
from specter_core import metrics
from specter_core.catalogue import Catalogue

# People take their time between two steps, and a share needs many of them.
WINDOW = "6h"
STEPS = metrics.BUSINESS_FUNNEL_STEPS.name
STEP = f"{metrics.SERVICE}, funnel, event"


def recorded_funnels(catalogue: Catalogue) -> tuple[RecordingRule, ...]:
    """Return what is recorded of the funnels of `catalogue`; nothing where it has none."""
    if not catalogue.funnels:
        return ()
    entrants = "\nor\n".join(
        _entrants(funnel.name, before, step)
        for funnel in catalogue.funnels
        for before, step in pairwise(funnel.steps)
    )
    return (
        RecordingRule(metrics.FUNNEL_ENTRANTS, entrants),
        RecordingRule(metrics.FUNNEL_CONVERSION, f"{_came('')}\n/\n({metrics.FUNNEL_ENTRANTS} > 0)"),
    )


def _entrants(funnel: str, before: str, step: str) -> str:
    """Return who came to the step before, under the name of the step that they should go on to."""
    came = _came(f'funnel="{funnel}", event="{before}"')
    return f'label_replace(\n  {came},\n  "event", "{step}", "", ""\n)'


def _came(which: str) -> str:
    known = ", ".join(filter(None, (f'{metrics.SERVICE}!=""', which)))
    return f"sum by ({STEP}) (increase({STEPS}{{{known}}}[{WINDOW}]))"


def conversion_dropped(catalogue: Catalogue, settings: Settings) -> tuple[AlertRule, ...]:
    """Return the alert on steps that fewer go on to than a day and a week ago."""
    if not catalogue.funnels:
        return ()
    name, ratio = "FunnelConversionDropped", metrics.FUNNEL_CONVERSION
    share, least = number(settings.funnel_share), number(settings.funnel_least)
    expr = (
        f"{ratio} < {share} * ({ratio} offset 1d)\nand\n{ratio} < {share} * ({ratio} offset 1w)\n"
        # So many should have come through: half of a handful says nothing.
        f"and\n{metrics.FUNNEL_ENTRANTS} * ({ratio} offset 1w) >= {least}"
    )
    return (
        AlertRule(
            name,
            expr,
            "warning",
            "business_funnel_{{ $labels.event }}",
            annotate(
                settings,
                name,
                summary="Fewer users come through to {{ $labels.event }}",
                description=(
                    f"Within {WINDOW} there were {{{{ $value | humanizePercentage }}}} as many "
                    "{{ $labels.event }} events of {{ $labels.service }} as of the step before it in the "
                    "funnel {{ $labels.funnel }}; expected at least "
                    f"{number(settings.funnel_share * 100)}% of what was usual a day and a week ago."
                ),
                action=(
                    "Go through the step as a user does. See whether it fails, or whether others came: a "
                    "campaign or bots fill the step before it."
                ),
                board=metrics.DASHBOARD_BUSINESS,
            ),
            wait=settings.funnel_for,
            keep_firing=settings.business_keep_firing,
        ),
    )
