"""Third parties: whether they answer, what they say of themselves, when certificates and credentials end."""

from typing import Any

from specter_core import metrics
from specter_dashboards import dependency_queries as queries
from specter_dashboards.house import annotation, choice_variable, dashboard, datasource
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    COLOR_TEXT,
    GREEN,
    NEUTRAL,
    ORANGE,
    RED,
    UNKNOWN,
    YELLOW,
    Panel,
    Query,
    graph,
    override,
    row,
    stat,
    states,
    steps_json,
    table,
    value_mapping,
    yes_or_no,
)

DEPENDENCY = f"{{{{{metrics.DEPENDENCY}}}}}"
DAY = 86_400.0
# Seconds that are left; below zero it is over.
LEFT = ((RED, None), (ORANGE, 7 * DAY), (GREEN, 14 * DAY))


def dependencies_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_DEPENDENCIES,
        title="Third parties",
        description="Whether what the platform depends on answers, and what vendors say of themselves.",
        sections=[_now(), _probes(), _checks(), _vendors(), _ends()],
        variables=[datasource(), _dependency()],
        annotations=[
            annotation(
                "Alerts firing",
                queries.firing(),
                RED,
                title="{{alertname}}",
                tags=f"severity,{metrics.DEPENDENCY}",
            )
        ],
    )


def _dependency() -> Any:
    return choice_variable(
        "dependency", "Third party", f"label_values({metrics.DEPENDENCY_INFO.name}, {metrics.DEPENDENCY})"
    )


def _yes_or_no(title: str, description: str, metric: str, good: str, bad: str, no_value: str) -> Panel:
    return yes_or_no(title, description, [Query(metric, DEPENDENCY)], good, bad, no_value=no_value)


def _now() -> Section:
    probes = _yes_or_no(
        "Probes",
        "Whether the newest probe of the blackbox exporter succeeded.",
        queries.worst(metrics.PROBE_SUCCESS),
        "Up",
        "Down",
        "Unknown: nothing is probed",
    )
    checks = _yes_or_no(
        "Checks",
        "Whether every step of the newest check succeeded.",
        queries.worst(metrics.DEPENDENCY_CHECK_SUCCESS),
        "Works",
        "Fails",
        "Unknown: nothing is checked",
    )
    credentials = _yes_or_no(
        "Credentials",
        "Whether the newest authenticated call took the credential. Not shown where the call could not tell.",
        queries.worst(metrics.DEPENDENCY_CREDENTIAL_VALID),
        "Valid",
        "Refused",
        "Unknown: no call has said",
    )
    vendors = _yes_or_no(
        "Vendors",
        "Whether the vendor's status page says that nothing is wrong. Not shown while it cannot be read.",
        queries.vendors(),
        "No incident",
        "Incident",
        "Unknown: no status page was read",
    )
    return Section(
        row("What is wrong now"),
        [Line(6, [probes, checks, credentials, vendors]), Line(8, [_listed(), _failing()])],
    )


def _listed() -> Panel:
    return table(
        "Third parties",
        "The list: criticality, probe, time left of certificate and credential, incidents not resolved.",
        [
            Query(queries.listed()),
            Query(queries.worst(metrics.PROBE_SUCCESS)),
            Query(queries.until(metrics.PROBE_CERTIFICATE_EXPIRY)),
            Query(queries.until(metrics.DEPENDENCY_CREDENTIAL_EXPIRY)),
            Query(queries.highest(metrics.DEPENDENCY_UNRESOLVED_INCIDENTS)),
        ],
        unit="short",
        columns=[
            (metrics.DEPENDENCY, "third party"),
            (metrics.CRITICALITY, "criticality"),
            ("Value #B", "probe"),
            ("Value #C", "certificate ends in"),
            ("Value #D", "credential ends in"),
            ("Value #E", "incidents"),
        ],
        overrides=[
            override("probe", mappings=[value_mapping({"1": ("Up", GREEN), "0": ("Down", RED)})]),
            override(
                "certificate ends in", unit="s", thresholds=steps_json(LEFT), custom__cellOptions=COLOR_TEXT
            ),
            override(
                "credential ends in", unit="s", thresholds=steps_json(LEFT), custom__cellOptions=COLOR_TEXT
            ),
        ],
        no_value="Unknown: no list is watched",
    )


def _failing() -> Panel:
    return table(
        "Failing now",
        "What the newest runs failed at: step and reason. Empty while all succeed, or nothing runs.",
        [Query(queries.failing())],
        unit="short",
        columns=[
            (metrics.DEPENDENCY, "third party"),
            ("kind", "asked"),
            ("step", "step"),
            ("reason", "reason"),
        ],
        no_value="No failure is known",
    )


def _probes() -> Section:
    duration = graph(
        "Duration of probes",
        "What probes take, and what they may take by the list.",
        [
            Query(queries.highest(metrics.PROBE_DURATION), DEPENDENCY),
            Query(queries.highest(metrics.DEPENDENCY_LATENCY_LIMIT), f"limit of {DEPENDENCY}"),
        ],
        unit="s",
    )
    history = states(
        "Probes over time",
        "Up and down of each third party; a gap: it was not probed.",
        [Query(queries.worst(metrics.PROBE_SUCCESS), DEPENDENCY)],
        mappings=[value_mapping({"1": ("Up", GREEN), "0": ("Down", RED)})],
    )
    return Section(row("Probes"), [Line(8, [duration, history])])


def _checks() -> Section:
    whole = graph(
        "Duration of checks",
        "What a check takes, over the steps that it reached.",
        [Query(queries.highest(metrics.DEPENDENCY_CHECK_DURATION), DEPENDENCY)],
        unit="s",
    )
    steps = graph(
        "Duration of steps",
        "What each step of a check takes.",
        [Query(queries.highest(metrics.DEPENDENCY_STEP_DURATION, "step"), f"{DEPENDENCY} {{{{step}}}}")],
        unit="s",
    )
    failed = graph(
        "Share of runs that failed",
        "Of checks, calls with credentials and reads of status pages.",
        [Query(queries.failed_share(), f"{DEPENDENCY} {{{{kind}}}}")],
        unit="percentunit",
    )
    reached = states(
        "Steps over time",
        "Success of each step; a gap: the check did not reach it.",
        [
            Query(
                f"min by ({metrics.DEPENDENCY}, step) ({queries.of(metrics.DEPENDENCY_STEP_SUCCESS)})",
                f"{DEPENDENCY} {{{{step}}}}",
            )
        ],
        mappings=[value_mapping({"1": ("Works", GREEN), "0": ("Fails", RED)})],
    )
    return Section(row("Checks of several steps"), [Line(8, [whole, steps]), Line(8, [failed, reached])])


def _vendors() -> Section:
    indicated = graph(
        "What vendors say",
        "1 for the indicator of each status page: none, minor, major, critical, maintenance.",
        [Query(queries.indicated(), f"{DEPENDENCY}: {{{{indicator}}}}")],
        unit="none",
    )
    components = graph(
        "Components of vendors",
        "Components that are used, or all, by what the vendor says of them.",
        [
            Query(
                queries.highest(metrics.DEPENDENCY_COMPONENTS, "component_status"),
                f"{DEPENDENCY}: {{{{component_status}}}}",
            )
        ],
        unit="short",
    )
    read = _yes_or_no(
        "Status pages",
        "Whether the newest read gave the vendor's status.",
        queries.worst(metrics.DEPENDENCY_STATUS_PAGE_UP),
        "Read",
        "Unreadable",
        "Unknown: none is read",
    )
    age = stat(
        "Age of what vendors say",
        "Time since the newest read that gave the vendor's status.",
        [Query(queries.since(metrics.DEPENDENCY_STATUS_PAGE_LAST_SUCCESS), DEPENDENCY)],
        unit="s",
        steps=((UNKNOWN, None), (GREEN, -5), (YELLOW, 600), (RED, 7200)),
        no_value="Unknown: none was read",
    )
    return Section(row("Vendors' status pages"), [Line(8, [indicated, components]), Line(6, [read, age])])


def _ends() -> Section:
    certificates = graph(
        "Certificates: time left",
        "Until the earliest certificate of the chain ends, and from when on it is warned about.",
        [
            Query(queries.until(metrics.PROBE_CERTIFICATE_EXPIRY), DEPENDENCY),
            Query(queries.highest(metrics.DEPENDENCY_TLS_WARNING), f"warning of {DEPENDENCY}"),
        ],
        unit="s",
    )
    credentials = graph(
        "Credentials: time left",
        "Until the credential ends, where it or the vendor says so.",
        [Query(queries.until(metrics.DEPENDENCY_CREDENTIAL_EXPIRY), DEPENDENCY)],
        unit="s",
    )
    late = graph(
        "Runs that are late",
        "Time since a run was due. Below 0: it is not due yet. Above five minutes an alert fires.",
        [Query(queries.late(), f"{DEPENDENCY} {{{{kind}}}}")],
        unit="s",
    )
    age = graph(
        "Age of results",
        "Time since the newest run ended: what is shown is that old.",
        [Query(queries.since(metrics.DEPENDENCY_LAST_RUN, "kind"), f"{DEPENDENCY} {{{{kind}}}}")],
        unit="s",
        steps=NEUTRAL,
    )
    return Section(row("Ends and schedule"), [Line(8, [certificates, credentials]), Line(7, [late, age])])
