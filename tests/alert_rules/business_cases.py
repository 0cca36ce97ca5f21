"""Promtool cases of the business family: success, traffic, funnels, the endpoint for events."""

from tests.alert_rules.promtool import Case, Firing

PROMISED = {"payment": "0.98", "registration": "0.9", "mail_delivery": "0.97"}
# In samples of five minutes: finer ones would take promtool a minute for every week.
WEEK, DAY, HOUR = 2016, 288, 12


def events(event: str, **outcomes: str) -> dict[str, str]:
    series = {
        f'specter_business_events_total{{service="shop",event="{event}",outcome="{outcome}"}}': values
        for outcome, values in outcomes.items()
    }
    promised = f'specter_business_objective_success_ratio{{service="shop",event="{event}"}}'
    return series | ({promised: f"{PROMISED[event]}x1200"} if event in PROMISED else {})


def low(event: str, share: str, promised: str, urgent: str = "") -> list[Firing]:
    return [
        Firing(
            {"service": "shop", "event": event},
            f"{event} succeeds in {share} only",
            f"Of the {event} events of shop that came to an end {share} succeeded; promised are {promised}"
            f"{urgent}. Failures are more than chance explains.",
            symptom=f"business_{event}",
        )
    ]


URGENT = " (below 0.9 of it: urgent)"
SUCCESS = [
    Case(
        "BusinessSuccessCritical",
        "business",
        "fires when a quarter of the payments fails, and resolves when they succeed again",
        events("payment", success="0+9x600", failed="0x120 0+3x120 360x360"),
        {"10m": [], "19m": low("payment", "75%", "98%", URGENT), "35m": []},
    ),
    Case(
        "BusinessSuccessCritical",
        "business",
        "fires when the few payments of an hour all fail, and resolves when they succeed again",
        events(
            "payment",
            success="0x720 0+1x240",
            failed=" ".join(f"{failures}x59" for failures in range(10)) + " 9x400",
        ),
        {"15m": [], "50m": low("payment", "0%", "98%", URGENT), "75m": []},
    ),
    Case(
        "BusinessSuccessCritical",
        "business",
        "is silent about three declined cards of twenty, about what was given up, and about other events",
        {
            **events("payment", success="0x60 0+0.25x60 15x200", failed="0x60 0+0.05x60 3x200"),
            **events("registration", success="0+9x300", failed="0+1x300", abandoned="0+90x300"),
            **events("mail_delivery", success="0+1x300", failed="0+9x300"),
        },
        {"5m": [], "8m": [], "11m": [], "20m": []},
    ),
    Case(
        "BusinessSuccessLow",
        "business",
        "fires for any event with an objective and resolves",
        events("mail_delivery", success="0+9x600", failed="0x120 0+1x120 120x360"),
        {"10m": [], "19m": low("mail_delivery", "90%", "97%"), "35m": []},
    ),
    Case(
        "BusinessSuccessLow",
        "business",
        "is silent at what is promised, about one failure, and about an event without an objective",
        {
            **events("mail_delivery", success="0+97x300", failed="0+3x300"),
            **events("payment", success="0x300", failed="0x60 1x240"),
            **events("feature_use", success="0x300", failed="0+9x300"),
        },
        {"5m": [], "12m": [], "24m": []},
    ),
]


def stopped(event: str) -> list[Firing]:
    return [
        Firing(
            {"service": "shop", "event": event},
            f"{event} hardly happens any more",
            f"0 {event} events of shop succeeded, where a day and a week ago at this time at least 20 did; "
            "expected at least 10% as many as then.",
            symptom=f"business_traffic_{event}",
        )
    ]


def at(samples: int) -> str:
    return f"{5 * samples}m"


def stops(event: str) -> dict[str, str]:
    """Return ten events every five minutes for a week and an hour, none for two hours, then ten again."""
    total = 10 * (WEEK + HOUR)
    return events(event, success=f"0+10x{WEEK + HOUR} {total}x{2 * HOUR} {total}+10x{HOUR}")


def rests_at_night() -> str:
    """Return ten events every five minutes, and none in the last hour of each of nine days."""
    by_day = DAY - HOUR
    days = [f"{10 * by_day * day}+10x{by_day - 1} {10 * by_day * (day + 1)}x{HOUR - 1}" for day in range(9)]
    return " ".join(days)


TRAFFIC = [
    Case(
        "BusinessEventStoppedCritical",
        "business",
        "fires within half an hour and resolves",
        stops("payment"),
        {
            at(WEEK + HOUR): [],
            at(WEEK + HOUR + 6): stopped("payment"),
            at(WEEK + 3 * HOUR): stopped("payment"),
            at(WEEK + 3 * HOUR + 8): [],
        },
        "5m",
    ),
    Case(
        "BusinessEventStopped",
        "business",
        "fires for an event that is not critical, and not in the first week or where it rests every day",
        {
            **stops("daily_checkin"),
            **events("mail_delivery", success=rests_at_night()),
            **events("community_vote", success=f"_x{WEEK - DAY} 0+10x{DAY + HOUR} {10 * (DAY + HOUR)}x{DAY}"),
        },
        {
            at(WEEK + HOUR): [],
            at(WEEK + HOUR + 6): stopped("daily_checkin"),
            at(WEEK + 3 * HOUR + 8): [],
            at(WEEK + DAY - 1): [],
        },
        "5m",
    ),
    Case(
        "BusinessEventsTooFew",
        "business",
        "fires below the promise of an hour and resolves",
        {
            **events("payment", success="0+1x120 120x120 120+1x120"),
            'specter_business_objective_events_per_second{service="shop",event="payment"}': (
                "0.001388888888888889x400"
            ),
        },
        {
            "130m": [],
            "200m": [
                Firing(
                    {"service": "shop", "event": "payment"},
                    "payment happens less often than promised",
                    "0 payment events of shop succeeded in the last hour; promised are at least 5.",
                    symptom="business_traffic_payment",
                )
            ],
            "270m": [],
        },
        "1m",
    ),
    Case(
        "BusinessEventsTooFew",
        "business",
        "is silent in the first hour",
        {
            **events("payment", success="0x55 1+1x100"),
            'specter_business_objective_events_per_second{service="shop",event="payment"}': (
                "0.001388888888888889x400"
            ),
        },
        {"30m": [], "55m": [], "80m": []},
        "1m",
    ),
]


def step(event: str, position: str, values: str, funnel: str = "onboarding") -> dict[str, str]:
    labels = f'service="shop",funnel="{funnel}",position="{position}",event="{event}"'
    return {f"specter_business_funnel_steps_total{{{labels}}}": values}


FUNNELS = [
    Case(
        "FunnelConversionDropped",
        "business",
        "fires when those who register are not activated any more, and resolves",
        {
            **step("registration", "01", "0+3x830"),
            **step("activation", "02", "0+3x700 2100x33 2100+3x100"),
        },
        {
            "10500m": [],
            "10890m": [
                Firing(
                    {"service": "shop", "funnel": "onboarding", "event": "activation"},
                    "Fewer users come through to activation",
                    "Within 6h there were 0% as many activation events of shop as of the step before it in "
                    "the funnel onboarding; expected at least 50% of what was usual a day and a week ago.",
                    symptom="business_funnel_activation",
                )
            ],
            "11400m": [],
        },
        "15m",
    ),
    Case(
        "FunnelConversionDropped",
        "business",
        "is silent where nobody comes to the step before, and about a handful",
        {
            **step("registration", "01", "0+3x700 2100x33"),
            **step("activation", "02", "0+3x700 2100x33"),
            **step("registration", "01", "0+0.5x733", "purchase"),
            **step("coaching_session", "02", "0+0.5x700 350x33", "purchase"),
        },
        {"10500m": [], "10890m": []},
        "15m",
    ),
]


def rejected(reason: str) -> str:
    return f'specter_business_rejected_total{{service="shop",reason="{reason}"}}'


def requests(code: str, sender: str = "shop") -> str:
    return f'specter_business_requests_total{{service="shop",sender="{sender}",code="{code}"}}'


def refused(code: str, said: str, labels: dict[str, str]) -> list[Firing]:
    return [
        Firing(
            {"service": "shop", "code": code, **labels},
            f"The events' endpoint answers {code}",
            f"60 requests with business events got the status {code} within 15m{said}; expected fewer than "
            "10. Their events are lost unless sent again.",
        )
    ]


SAVED = 'specter_business_state_saves_total{service="shop",instance="a",outcome="error"}'
ENDPOINT = [
    Case(
        "BusinessEventsRejected",
        "business",
        "fires for events that the catalogue does not know and resolves",
        {rejected("unknown_event"): "0x180 0+1x60 60x400", rejected("unknown_outcome"): "3x180 4x400"},
        {
            "15m": [],
            "24m": [
                Firing(
                    {"service": "shop", "reason": "unknown_event"},
                    "Business events are not counted: unknown_event",
                    "60 events were refused within 15m as unknown_event by the catalogue of shop; expected "
                    "fewer than 10. They are in no count and no ratio.",
                )
            ],
            "42m": [],
        },
    ),
    Case(
        "BusinessRequestsRefused",
        "business",
        "fires without a sender where the token is wrong, and resolves",
        {requests("401", ""): "0x180 0+1x60 60x400"},
        {"15m": [], "24m": refused("401", "", {}), "42m": []},
    ),
    Case(
        "BusinessRequestsRefused",
        "business",
        "fires with the sender where it sends too much",
        {requests("429"): "0x180 0+1x60 60x400"},
        {"15m": [], "24m": refused("429", " (sender shop)", {"sender": "shop"})},
    ),
    Case(
        "BusinessRequestsRefused",
        "business",
        "is silent about what is taken, sent twice, or answered for each event",
        {requests(code): "0+5x300" for code in ("200", "409", "422")},
        {"5m": [], "20m": []},
    ),
    Case(
        "BusinessStateNotSaved",
        "business",
        "fires at the second failure and resolves",
        {SAVED: "0x120 1x11 2x11 3x400"},
        {
            "10m30s": [],
            "14m": [
                Firing(
                    {"service": "shop", "instance": "a"},
                    "The users' counts cannot be saved",
                    "a failed 3 times within 10m to save active users and retention; expected 0. A restart "
                    "loses what came since the last time.",
                )
            ],
            "25m": [],
        },
    ),
]

CASES = [*SUCCESS, *TRAFFIC, *FUNNELS, *ENDPOINT]
