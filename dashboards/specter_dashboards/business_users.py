"""Users, sessions and features, and the endpoint that takes their events."""

from specter_core import metrics
from specter_dashboards import business_queries as queries
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import GREEN, RED, UNKNOWN, YELLOW, Query, graph, row, stat

SERVICE = f"{{{{{metrics.SERVICE}}}}}"


def users() -> Section:
    """Return the section on who comes, what for, and who comes back."""
    now = [
        stat(
            "Active users",
            "Different users with an event in the day, the week and the month under way.",
            [Query(queries.highest(metrics.BUSINESS_ACTIVE_USERS, "period"), f"{SERVICE}, {{{{period}}}}")],
            unit="short",
            steps=(("blue", None),),
            no_value="Unknown: no events with users",
        ),
        stat(
            "Who comes back",
            "Of the users who registered so many days before yesterday, the share that was active yesterday.",
            [Query(queries.highest(metrics.BUSINESS_RETENTION, "days"), f"{SERVICE}, {{{{days}}}} days")],
            unit="percentunit",
            steps=(("blue", None),),
            no_value="Unknown: nobody registered so long ago",
        ),
        stat(
            "Registered then",
            "How many those users are: a share of few says little.",
            [
                Query(
                    queries.highest(metrics.BUSINESS_RETENTION_USERS, "days"), f"{SERVICE}, {{{{days}}}} days"
                )
            ],
            unit="short",
            steps=(("blue", None),),
            no_value="Unknown: nobody registered so long ago",
        ),
    ]
    sessions = graph(
        "Sessions",
        "Sessions that are not over.",
        [Query(queries.highest(metrics.BUSINESS_ACTIVE_SESSIONS), SERVICE)],
        unit="none",
    )
    duration = graph(
        "Duration of sessions",
        "From the first event to the last, of sessions that are over: half, and 95 of 100, are at most so "
        "long.",
        [
            Query(queries.session_duration(0.5), f"{SERVICE} p50"),
            Query(queries.session_duration(0.95), f"{SERVICE} p95"),
        ],
        unit="s",
    )
    uses = graph(
        "Use of features",
        "Successful uses a second.",
        [Query(queries.rate(metrics.BUSINESS_FEATURE_USES, "feature"), f"{SERVICE} {{{{feature}}}}")],
        unit="cps",
    )
    by_feature = graph(
        "Users of features",
        "Different users in the day, the week and the month under way.",
        [
            Query(
                queries.highest(metrics.BUSINESS_FEATURE_USERS, "feature, period"),
                f"{SERVICE} {{{{feature}}}}, {{{{period}}}}",
            )
        ],
        unit="short",
    )
    return Section(row("Users"), [Line(5, now), Line(7, [sessions, duration, uses, by_feature])])


def endpoint() -> Section:
    """Return the section on what is taken and refused."""
    saved = stat(
        "Users' counts saved",
        "Time since what is known of users was saved; it is tried once a minute.",
        [Query(queries.save_age(), SERVICE)],
        unit="s",
        steps=((UNKNOWN, None), (GREEN, -5), (YELLOW, 180), (RED, 600)),
        no_value="Unknown: never saved, or not kept",
    )
    requests = graph(
        "Requests with events",
        "Requests a second by sender and status. Without a sender: no token is known.",
        [Query(queries.rate(metrics.BUSINESS_REQUESTS, "sender, code"), "{{sender}} {{code}}")],
        unit="reqps",
    )
    refused = graph(
        "Events not counted as sent",
        "Events a second that were refused, by why, that have a reason which the catalogue does not list, or "
        "a session that is not followed.",
        [
            Query(queries.rate(metrics.BUSINESS_REJECTED, "reason"), "refused: {{reason}}"),
            Query(queries.rate(metrics.BUSINESS_REASON_OVERFLOW, "event"), "reason of {{event}} is other"),
            Query(queries.rate(metrics.BUSINESS_SESSIONS_UNTRACKED, "instance"), "session not followed"),
        ],
        unit="cps",
    )
    saves = graph(
        "Saves",
        "Times a second that what is known of users was saved, by outcome.",
        [
            Query(
                queries.rate(metrics.BUSINESS_STATE_SAVES, metrics.OUTCOME),
                f"{SERVICE} {{{{{metrics.OUTCOME}}}}}",
            )
        ],
        unit="cps",
    )
    return Section(row("Endpoint"), [Line(7, [saved, saves, requests, refused])])
