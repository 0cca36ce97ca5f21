"""Sign-in: whether customers can, who fails from where, and whether requests come from customers at all."""

from typing import Any

from specter_core import metrics
from specter_dashboards import queries
from specter_dashboards import signin_queries as signin
from specter_dashboards.house import dashboard, row_link, service_graph
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    SCORE,
    UNKNOWN,
    YELLOW,
    Query,
    override,
    row,
    stat,
    states,
    table,
    value_mapping,
)

SERVICE = f"{{{{{metrics.SERVICE}}}}}"
CLIENT = f"{SERVICE} {{{{{metrics.USER_AGENT_CLASS}}}}}"
SILENT = "Unknown: no exporter of sign-ins says anything"
NO_REQUESTS = "No data: requests are not shown to the sign-in exporter"
# As the alerts have them: `signin_failure_ratio`, `signin_broken_ratio`.
FAILURES = ((UNKNOWN, None), (GREEN, 0), (YELLOW, 0.5), (RED, 0.8))


def signin_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_SIGNIN,
        title="Sign-in",
        description="Whether customers can sign in, who fails from where, and whether it is an attack.",
        sections=[_now(), _attempts(), _sources(), _measures(), _traffic()],
    )


def _now() -> Section:
    suspected = stat(
        "Suspected now",
        "Kinds of attacks and surges that are suspected now.",
        [Query(signin.count_suspected())],
        unit="none",
        steps=((UNKNOWN, None), (GREEN, 0), (ORANGE, 1)),
        no_value=SILENT,
    )
    breaches = stat(
        "Suspected breaches",
        "Accounts that were signed in to within an hour after a run of failures from the same source. The "
        "exporter's API lists them.",
        [Query(queries.service(metrics.SERVICE_BREACHES), SERVICE)],
        unit="none",
        steps=((UNKNOWN, None), (GREEN, 0), (RED, 0.5)),
        no_value=SILENT,
        decimals=0,
    )
    ratio = stat(
        "Attempts that fail",
        "Share of attempts to sign in that did not succeed, over five minutes. Fewer than 0.1 attempts a "
        "second count as 0.1.",
        [Query(queries.service(metrics.SERVICE_SIGNIN_FAILURE_RATIO), SERVICE)],
        unit="percentunit",
        steps=FAILURES,
        no_value=SILENT,
    )
    successes = stat(
        "Successes",
        "Successful attempts to sign in a second, over five minutes.",
        [Query(queries.service(metrics.SERVICE_SIGNIN_SUCCESS_RATE), SERVICE)],
        unit="cps",
        steps=((BLUE, None),),
        no_value=SILENT,
    )
    mapping = value_mapping({"1": ("Suspected", ORANGE), "0": ("Not suspected", GREEN)})
    over_time = states(
        "Attacks and surges",
        "What the sign-in exporter suspects, by kind. A suspicion ends five minutes after its reason.",
        [Query(signin.suspected(), f"{SERVICE} {{{{kind}}}}")],
        mappings=[mapping],
    )
    scores = service_graph(
        "Anomaly scores of sign-ins",
        "The detector's scores of its preset `signin`. 1 is the edge of the expected band.",
        [Query(queries.scores_of("signin_"), f"{SERVICE} {{{{{metrics.FOR}}}}}")],
        unit="short",
        steps=SCORE,
    )
    return Section(
        row("What is wrong now"),
        [Line(5, [suspected, breaches, ratio, successes]), Line(8, [over_time, scores])],
    )


def _attempts() -> Section:
    outcomes = service_graph(
        "Attempts by outcome",
        "Attempts a second. failed: wrong credentials; locked: the account is; blocked: refused before the "
        "credentials were looked at.",
        [Query(signin.rate(metrics.AUTH_ATTEMPTS, metrics.OUTCOME), f"{SERVICE} {{{{outcome}}}}")],
        unit="cps",
        stacked=True,
    )
    ratio = service_graph(
        "Share of attempts that fail",
        "Above half SignInFailureRatioHigh fires, unless an attack is suspected.",
        [Query(queries.service(metrics.SERVICE_SIGNIN_FAILURE_RATIO), SERVICE)],
        unit="percentunit",
        steps=((GREEN, None), (YELLOW, 0.5), (RED, 0.8)),
    )
    clients = service_graph(
        "Failed attempts by client",
        "Failed attempts a second by what the client says it is. script: HTTP libraries and all that is "
        "unknown.",
        [Query(queries.service(metrics.AGENT_SIGNIN_FAILURE_RATE), CLIENT)],
        unit="cps",
        stacked=True,
    )
    return Section(row("Attempts"), [Line(8, [outcomes, ratio, clients])])


def _sources() -> Section:
    columns = [(metrics.SERVICE, "service"), ("grouping", "grouping"), ("source", "source")]
    failures = table(
        "Sources with most failures",
        "Failed attempts and different accounts in the exporter's window of ten minutes, by address and "
        "network (/24, /64). Sources are keyed hashes unless the exporter shows addresses.",
        [Query(signin.top_sources(metrics.AUTH_SOURCE_FAILURES)), Query(signin.accounts_of_top_sources())],
        unit="short",
        columns=[*columns, ("Value #A", "failures"), ("Value #B", "accounts")],
        overrides=[override("service", links=[row_link()])],
        sort="failures",
        no_value="None has five failures, or the exporter says nothing",
    )
    requests = table(
        "Sources with most requests",
        "HTTP requests in the exporter's window of ten minutes, by address and network.",
        [Query(signin.top_sources(metrics.HTTP_SOURCE_REQUESTS))],
        unit="short",
        columns=[*columns, ("Value", "requests")],
        overrides=[override("service", links=[row_link()])],
        sort="requests",
        no_value=NO_REQUESTS,
    )
    share = service_graph(
        "Busiest source",
        "Share of the source with most failures, and of that with most requests. A flood is a quarter.",
        [
            Query(
                queries.service(metrics.TOP_SOURCE_FAILURE_SHARE), f"{SERVICE} failures by {{{{grouping}}}}"
            ),
            Query(
                queries.service(metrics.TOP_SOURCE_REQUEST_SHARE), f"{SERVICE} requests by {{{{grouping}}}}"
            ),
        ],
        unit="percentunit",
    )
    spread = service_graph(
        "Sources and accounts that fail",
        "Different addresses that failed, and different accounts that were tried, in the window. Many "
        "accounts from few sources is stuffing, from many is spraying.",
        [
            Query(signin.highest(metrics.AUTH_FAILED_SOURCES), f"{SERVICE} sources"),
            Query(signin.highest(metrics.AUTH_FAILED_ACCOUNTS), f"{SERVICE} accounts"),
        ],
        unit="short",
    )
    account = service_graph(
        "Most of one account",
        "Failures of the account that has most in the window, and addresses of the one that has most. One "
        "forgotten password is a few from one.",
        [
            Query(signin.highest(metrics.AUTH_ACCOUNT_FAILURES_MAX), f"{SERVICE} failures"),
            Query(signin.highest(metrics.AUTH_ACCOUNT_SOURCES_MAX), f"{SERVICE} sources"),
        ],
        unit="short",
    )
    error = service_graph(
        "Undercount",
        "By how much the failures of a source may be too low at most.",
        [
            Query(
                signin.highest(metrics.AUTH_SOURCE_FAILURES_ERROR, "grouping"), f"{SERVICE} {{{{grouping}}}}"
            )
        ],
        unit="short",
    )
    return Section(row("Sources"), [Line(9, [failures, requests]), Line(7, [share, spread, account, error])])


def _measures() -> Section:
    lockouts = service_graph(
        "Lock-outs",
        "Accounts that were locked within 15 minutes.",
        [Query(queries.service(metrics.SERVICE_LOCKOUTS), SERVICE)],
        unit="short",
    )
    captchas = service_graph(
        "CAPTCHAs",
        "CAPTCHAs shown and solved a second.",
        [
            Query(signin.rate(metrics.AUTH_CAPTCHA_CHALLENGES), f"{SERVICE} shown"),
            Query(signin.rate(metrics.AUTH_CAPTCHA_SUCCESSES), f"{SERVICE} solved"),
        ],
        unit="cps",
    )
    solved = service_graph(
        "Share of CAPTCHAs solved",
        "Over 15 minutes. It falls when machines try, and when the CAPTCHA is broken.",
        [Query(queries.service(metrics.SERVICE_CAPTCHA_RATIO), SERVICE)],
        unit="percentunit",
    )
    return Section(row("Lock-outs and CAPTCHAs"), [Line(7, [lockouts, captchas, solved])])


def _traffic() -> Section:
    clients = service_graph(
        "Requests by client",
        "HTTP requests a second by what the client says it is. bot_good: search engines, previews, monitors; "
        "script: HTTP libraries and all that is unknown.",
        [Query(queries.service(metrics.AGENT_REQUEST_RATE), CLIENT)],
        unit="reqps",
        stacked=True,
    )
    addresses = service_graph(
        "Addresses",
        "Different addresses that requests came from in the window of ten minutes.",
        [Query(signin.highest(metrics.HTTP_SOURCES), SERVICE)],
        unit="short",
    )
    refused = service_graph(
        "Events refused",
        "Batches a second that the exporter's API did not take. What is refused is in no graph here.",
        [Query(signin.rate(metrics.AUTH_EVENTS_REFUSED, "reason"), f"{SERVICE} {{{{reason}}}}")],
        unit="cps",
    )
    return Section(row("Traffic"), [Line(7, [clients, addresses, refused])])
