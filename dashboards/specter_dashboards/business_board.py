"""Business: whether what users come for succeeds, how often it happens, and who comes back.

The events are those that the exporter exposes, which are the catalogue's: a row for each.
"""

from typing import Any

from specter_core import metrics
from specter_dashboards import business_queries as queries
from specter_dashboards.business_users import endpoint, users
from specter_dashboards.house import choice_variable, dashboard, datasource, row_link, service_variable
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    Panel,
    Query,
    graph,
    override,
    row,
    table,
)
from specter_dashboards.queries import SERVICES, service

EVENT = f"{{{{{metrics.SERVICE}}}}} {{{{event}}}}"


def business_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_BUSINESS,
        title="Business",
        description="Whether what users come for succeeds, how often it happens, and who comes back.",
        # The events last: with many of them their rows are long.
        sections=[_now(), _funnels(), users(), endpoint(), _event()],
        variables=[datasource(), service_variable(), _events()],
    )


def _events() -> Any:
    """Return the variable with the events of the catalogue; each has its row."""
    return choice_variable(
        "event", "Event", f"label_values({metrics.BUSINESS_EVENTS.name}{{{SERVICES}}}, event)"
    )


def _now() -> Section:
    events = table(
        "Events",
        "Every chosen event: what happened within the last hour, and what the catalogue promises. No share "
        "of success: nobody tried.",
        [
            Query(queries.count(metrics.EVENTS_1H, queries.SUCCEEDED)),
            Query(queries.promised_per_hour()),
            Query(queries.count(metrics.EVENTS_1H, queries.FAILED)),
            Query(queries.success(metrics.EVENT_SUCCESS_5M)),
            Query(queries.success(metrics.EVENT_SUCCESS_1H)),
            Query(queries.promised(metrics.BUSINESS_OBJECTIVE_RATIO)),
        ],
        unit="none",
        columns=[
            (metrics.SERVICE, "service"),
            ("event", "event"),
            ("Value #A", "succeeded"),
            ("Value #B", "promised an hour"),
            ("Value #C", "failed"),
            ("Value #D", "success, 5 minutes"),
            ("Value #E", "success, an hour"),
            ("Value #F", "promised"),
        ],
        overrides=[
            override("service", links=[row_link()]),
            override("succeeded", decimals=0),
            override("failed", decimals=0),
            *(
                override(name, unit="percentunit", decimals=1)
                for name in ("success, 5 minutes", "success, an hour", "promised")
            ),
        ],
        sort="failed",
        no_value="No data: no business events are exposed",
    )
    return Section(row("What happened within the last hour"), [Line(9, [events])])


def _event() -> Section:
    return Section(
        row("Event: $event", repeat="event"),
        [Line(7, [_outcomes(), _success(), _reasons()]), Line(6, [_turnover(), _duration(), _quantities()])],
    )


def _outcomes() -> Panel:
    return graph(
        "Events by outcome",
        "Events within five minutes.",
        [Query(queries.by_outcome(), f"{EVENT}: {{{{{metrics.OUTCOME}}}}}")],
        unit="none",
        stacked=True,
    )


def _success() -> Panel:
    return graph(
        "Share of success",
        "Success among success and failed, within five minutes and within an hour, and what the catalogue "
        "promises. A gap: nobody tried.",
        [
            Query(queries.success(metrics.EVENT_SUCCESS_5M), f"{EVENT}, 5 minutes"),
            Query(queries.success(metrics.EVENT_SUCCESS_1H), f"{EVENT}, an hour"),
            Query(queries.promised(metrics.BUSINESS_OBJECTIVE_RATIO), f"{EVENT}, promised"),
        ],
        unit="percentunit",
    )


def _reasons() -> Panel:
    return graph(
        "Failures by reason",
        "Failed events a second. `other` is a reason that the catalogue does not list.",
        [Query(queries.reasons(), f"{EVENT}: {{{{reason}}}}")],
        unit="cps",
        stacked=True,
    )


def _turnover() -> Panel:
    return graph(
        "Turnover an hour",
        "Money of successful events, in the currency's main unit. Empty: the event carries none.",
        [Query(queries.turnover(), f"{EVENT} {{{{currency}}}}")],
        unit="short",
    )


def _duration() -> Panel:
    return graph(
        "Duration of events",
        "Half of the events, and 95 of 100, take at most this long. Empty: the event carries none.",
        [
            Query(queries.quantile(metrics.BUSINESS_DURATION, 0.5), f"{EVENT} p50"),
            Query(queries.quantile(metrics.BUSINESS_DURATION, 0.95), f"{EVENT} p95"),
        ],
        unit="s",
    )


def _quantities() -> Panel:
    return graph(
        "Tokens and items of events",
        "95 of 100 events use at most so many tokens of a language model, or are about so many items.",
        [
            Query(queries.quantile(metrics.BUSINESS_TOKENS, 0.95), f"{EVENT} tokens p95"),
            Query(queries.quantile(metrics.BUSINESS_ITEMS, 0.95), f"{EVENT} items p95"),
        ],
        unit="short",
    )


def _funnels() -> Section:
    legend = f"{{{{{metrics.SERVICE}}}}} {{{{funnel}}}}: {{{{event}}}}"
    steps = graph(
        "Steps of funnels",
        "Successful events a second, by funnel and step.",
        [
            Query(
                queries.rate(metrics.BUSINESS_FUNNEL_STEPS, "funnel, position, event"),
                f"{{{{{metrics.SERVICE}}}}} {{{{funnel}}}} {{{{position}}}}: {{{{event}}}}",
            )
        ],
        unit="cps",
    )
    conversion = graph(
        "Conversion of funnels",
        "Events of a step as a share of those of the step before it, within six hours. Users are not "
        "followed one by one, so it may be above 100 %.",
        [Query(service(metrics.FUNNEL_CONVERSION), legend)],
        unit="percentunit",
    )
    came = graph(
        "Came to the step before",
        "Events within six hours from which the conversion is taken: few of them say little.",
        [Query(service(metrics.FUNNEL_ENTRANTS), legend)],
        unit="none",
    )
    return Section(row("Funnels"), [Line(8, [steps, conversion, came])])
