"""What the exporter's own pages and its `check` command show: every check, what it found, and samples."""

import json
from collections.abc import Iterable, Mapping
from html import escape
from math import inf
from typing import Any

from specter_core.clock import Clock
from specter_exporters.answers import JSON
from specter_exporters.site import HTML
from specter_exporters.sql.collector import kind_of
from specter_exporters.sql.model import Check, Plan, SyncCheck
from specter_exporters.sql.outcomes import BusinessOutcome, IntegrityOutcome, Outcome, SyncOutcome
from specter_exporters.sql.results import Results, Run
from specter_exporters.sql.schedule import sentence

STATES = ("violated", "not known", "stale", "waiting", "ok")
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Checks</title></head>
<body><h1>Checks</h1><table border="1" cellpadding="4">
<tr><th>check</th><th>database</th><th>kind</th><th>state</th><th>found</th></tr>
{rows}</table></body></html>
"""


class Pages:
    """The pages of a moment.

    Args:
        plan: the databases and the checks.
        results: of the runs.
        clock: the time.
    """

    def __init__(self, plan: Plan, results: Results, clock: Clock) -> None:
        self._plan = plan
        self._results = results
        self._clock = clock

    def described(self) -> list[dict[str, Any]]:
        """Return every check as plain values."""
        runs, _ = self._results.snapshot()
        now = self._clock.time()
        return [described(check, runs[check.name], now) for check in self._plan.checks]

    def as_json(self) -> tuple[str, bytes]:
        """Return content type and body of the JSON endpoint."""
        return JSON, json.dumps({"checks": self.described()}).encode()

    def as_html(self) -> tuple[str, bytes]:
        """Return content type and body of the page."""
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line(each))}</tr>\n"
            for each in self.described()
        )
        return HTML, PAGE.format(rows=rows).encode()


def described(check: Check, run: Run, now: float) -> dict[str, Any]:
    """Return a check and its newest run as plain values; times are Unix times, None what is not known."""
    failure = run.failure
    known = run.known(check, now)
    return {
        "check": check.name,
        "database": check.database,
        "kind": kind_of(check),
        "state": state(check, run, now),
        "interval_seconds": check.timing.interval,
        "duration_seconds": None if run.last_run is None else run.seconds,
        "last_run": run.last_run,
        "last_success": run.last_success,
        "failure": None
        if failure is None
        else {"reason": failure.reason, "message": failure.message, "database": failure.database},
        "found": None if known is None else found(known),
        "limits": limits(check),
    }


def state(check: Check, run: Run, now: float) -> str:
    """Return one of `STATES`."""
    if run.failure is not None:
        return "not known"
    if run.stale(check, now):
        return "stale"
    if run.outcome is None:
        return "waiting"
    violated = isinstance(run.outcome, IntegrityOutcome) and run.outcome.violations > 0
    return "violated" if violated or beyond(check, run.outcome) else "ok"


def beyond(check: Check, outcome: Outcome) -> bool:
    """Return whether a synchronisation is beyond one of its limits."""
    if not isinstance(check, SyncCheck) or not isinstance(outcome, SyncOutcome):
        return False
    values = found(outcome)
    return any(_more(name, values[name], most) for name, most in limits(check).items())


def limits(check: Check) -> dict[str, float]:
    """Return what is allowed of a synchronisation, by what is found; nothing of other checks."""
    if not isinstance(check, SyncCheck):
        return {}
    allowed = {
        "row_difference": check.most_row_difference,
        "lag_seconds": check.most_lag,
        "mark_difference": check.most_mark_difference,
    }
    return {name: most for name, most in allowed.items() if most is not None}


def _more(name: str, value: float | None, most: float) -> bool:
    if value is None:
        return False
    # A target that is ahead lags nobody; rows that it has more are as wrong as those that it lacks.
    return (abs(value) if name == "row_difference" else value) > most


def found(outcome: Outcome) -> dict[str, Any]:
    """Return what a run found as plain values."""
    match outcome:
        case IntegrityOutcome():
            return {
                "violations": outcome.violations,
                "at_least": outcome.at_least,
                "samples": list(outcome.samples),
            }
        case BusinessOutcome():
            return {"values": dict(outcome.values)}
        case SyncOutcome():
            source, target = outcome.rows or (None, None)
            return {
                "source_rows": source,
                "target_rows": target,
                "row_difference": outcome.row_difference,
                "lag_seconds": outcome.lag,
                "mark_difference": outcome.mark_difference,
            }


def line(each: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    """Return a described check as the cells of a table."""
    return each["check"], each["database"], each["kind"], each["state"], _words(each)


def _words(each: Mapping[str, Any]) -> str:
    if each["failure"] is not None:
        return "{database}: {reason}: {message}".format(**each["failure"])
    what = each["found"]
    if what is None:
        return ""
    if "violations" in what:
        if not what["violations"]:
            return ""
        return sentence(IntegrityOutcome(what["violations"], tuple(what["samples"]), what["at_least"]))
    if "values" in what:
        return ", ".join(f"{group or 'value'} {value:.10g}" for group, value in what["values"].items())
    allowed = each["limits"]
    return ", ".join(
        f"{name.replace('_', ' ')} {value:.10g}"
        + (f" (at most {allowed[name]:.10g})" if _more(name, value, allowed.get(name, inf)) else "")
        for name, value in what.items()
        if value is not None
    )


def as_text(checks: Iterable[Mapping[str, Any]]) -> str:
    """Return described checks as a table of text, without a line break at its end."""
    rows = [("CHECK", "DATABASE", "KIND", "STATE", "FOUND"), *(line(each) for each in checks)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    )
