"""A catalogue as text and as JSON, for who checks one."""

import json

from specter_core.catalogue import Catalogue, Event


def as_json(catalogue: Catalogue) -> str:
    """Return `catalogue` as one line of JSON."""
    retention = catalogue.retention
    return json.dumps(
        {
            "ok": True,
            "time_zone": catalogue.time_zone,
            "session_idle_seconds": catalogue.session_idle,
            "events": {event.name: _event(event) for event in catalogue.events.values()},
            "features": catalogue.features,
            "funnels": {funnel.name: funnel.steps for funnel in catalogue.funnels},
            "retention": {"event": retention.event, "days": retention.days} if retention else None,
        }
    )


def _event(event: Event) -> dict[str, object]:
    objective = event.objective
    return {
        "description": event.description,
        "outcomes": event.outcomes,
        "reasons": event.reasons,
        "units": {
            unit.value: {"buckets": measure.buckets, "currencies": measure.currencies}
            for unit, measure in event.measures.items()
        },
        "feature": event.feature,
        "critical": event.critical,
        "objective": {"success_ratio": objective.success_ratio, "min_per_hour": objective.min_per_hour}
        if objective
        else None,
    }


def as_text(catalogue: Catalogue) -> str:
    """Return `catalogue` as a table of events, then what goes across them."""
    rows = [("EVENT", "OUTCOMES", "REASONS", "UNITS", "OBJECTIVE")]
    rows += [_row(event) for event in catalogue.events.values()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines.append("")
    lines += [f"funnel {funnel.name}: {' > '.join(funnel.steps)}" for funnel in catalogue.funnels]
    if catalogue.retention:
        days = ", ".join(map(str, catalogue.retention.days))
        lines.append(f"retention of {catalogue.retention.event} after {days} days")
    if catalogue.features:
        lines.append(f"features: {', '.join(catalogue.features)}")
    lines.append(
        f"time zone {catalogue.time_zone}, a session ends after {catalogue.session_idle / 60:g} minutes"
    )
    return "\n".join(lines)


def _row(event: Event) -> tuple[str, str, str, str, str]:
    units = [
        f"{unit.value} ({' '.join(measure.currencies)})" if measure.currencies else unit.value
        for unit, measure in event.measures.items()
    ]
    promised = []
    if event.objective and event.objective.success_ratio is not None:
        promised.append(f"{event.objective.success_ratio * 100:g} % succeed")
    if event.objective and event.objective.min_per_hour is not None:
        promised.append(f"{event.objective.min_per_hour:g} an hour")
    if event.critical:
        promised.append("critical")
    reasons = str(len(event.reasons)) if event.reasons else "-"
    return (
        event.name,
        " ".join(event.outcomes),
        reasons,
        ", ".join([*units, *(["feature"] if event.feature else [])]) or "-",
        ", ".join(promised) or "-",
    )
