"""Promtool cases of the alerts on the detector."""

from tests.alert_rules.promtool import Case, Firing

QUIET = ("latency_p95",)
TICK = 'specter_detector_last_tick_timestamp_seconds{job="detector",instance="d",query="request_rate"}'
DETECTOR_UP = 'up{job="detector",instance="d",service="detector"}'


DETECTOR = {"job": "detector", "instance": "d"}


def of_detector(name: str, **labels: str) -> str:
    selected = ",".join(f'{key}="{value}"' for key, value in {**DETECTOR, **labels}.items())
    return f"{name}{{{selected}}}"


def reads(query: str, outcome: str) -> str:
    return of_detector("specter_detector_reads_total", query=query, outcome=outcome)


def fits(outcome: str) -> str:
    return of_detector("specter_detector_fits_total", query="request_rate", outcome=outcome)


def series(query: str, state: str) -> str:
    return of_detector("specter_detector_series", query=query, state=state)


def detector_down(extra: dict[str, str], at: str, value: str) -> list[Firing]:
    return [
        Firing(
            {"job": "detector", **extra},
            "The anomaly detector is down or not scraped: no new scores known",
            f"Job detector {at}does not answer its scrape, has no target, or is not in Prometheus' scrape "
            f"configuration (value {value}); expected `up` 1. Anomalies may go unnoticed; thresholds still "
            "alert.",
        )
    ]


def stale(query: str, age: str) -> list[Firing]:
    return [
        Firing(
            {**DETECTOR, "query": query},
            f"Scores of {query} have stopped coming",
            f"The newest accepted scores of query {query} are {age} old; expected at most 120s. Its "
            "anomalies go unnoticed.",
        )
    ]


def missing(query: str = "") -> Firing:
    return Firing(
        {**DETECTOR, "query": query} if query else DETECTOR,
        f"The detector has written no score{f' of {query}' if query else ''} since it started",
        f"d is up and has written no score {f'of query {query} ' if query else ''}since it started (value "
        "1); expected the first within minutes.",
    )


def failing(count: int) -> list[Firing]:
    return [
        Firing(
            {**DETECTOR, "query": "request_rate"},
            "Fits of request_rate fail",
            f"{count} fits of query request_rate failed within 3h and none worked within 2h; expected 0. "
            "Its models grow old, and new series get none.",
        )
    ]


CASES = [
    Case(
        "DetectorDown",
        "detector",
        "fires after a minute and resolves",
        {DETECTOR_UP: "1x11 0x23 1x60"},
        {
            "1m55s": [],
            "2m": detector_down({"instance": "d", "service": "detector"}, "at d ", "0"),
            "4m": [],
        },
    ),
    Case(
        "DetectorDown",
        "detector",
        "fires without any target",
        {'up{job="shop"}': "1x60"},
        {"55s": [], "1m": detector_down({}, "", "1")},
    ),
    Case(
        "DetectorScoresStale",
        "detector",
        "fires two minutes after the last tick and resolves",
        {TICK: "0+5x24 120x35 305+5x60", TICK.replace("request_rate", "error_ratio"): "0+5x150"},
        {"4m": [], "5m": stale("request_rate", "3m 0s"), "6m": []},
    ),
    Case(
        "DetectorScoresStale",
        "detector",
        "fires when a query that is never quiet answers with no series",
        {TICK: "0+5x24 120x60", reads("request_rate", "empty"): "0x24 0+1x60"},
        {"4m": [], "5m": stale("request_rate", "3m 0s")},
    ),
    Case(
        "DetectorScoresStale",
        "detector",
        "is silent for a latency without traffic, and fires when its query fails",
        {
            TICK.replace("request_rate", "latency_p95"): "0+5x24 120x120",
            reads("latency_p95", "empty"): "0x24 0+1x60 60x60",
        },
        {"5m": [], "8m55s": [], "10m": stale("latency_p95", "8m 0s")},
    ),
    Case(
        "DetectorScoresMissing",
        "detector",
        "fires when no tick has come five minutes after the start and resolves with the first",
        {DETECTOR_UP: "1x120", TICK: "_x84 420+5x40", series("request_rate", "scored"): "_x84 1x40"},
        {"4m55s": [], "5m": [missing()], "8m": []},
    ),
    Case(
        "DetectorScoresMissing",
        "detector",
        "fires for the one query that has no score",
        {
            DETECTOR_UP: "1x120",
            TICK: "0+5x120",
            TICK.replace("request_rate", "own"): "_x84 420+5x40",
            series("request_rate", "scored"): "1x120",
            series("own", "scored"): "0x120",
            series("own", "warming"): "3x120",
        },
        {"4m55s": [], "5m": [missing("own")], "8m": []},
    ),
    Case(
        "DetectorScoresMissing",
        "detector",
        "is silent while a query is new and its fits go well, and fires after three hours",
        {
            DETECTOR_UP: "1x300",
            TICK: "0+60x300",
            series("request_rate", "scored"): "1x300",
            series("own", "warming"): "3x300",
            of_detector("specter_detector_last_fit_timestamp_seconds", query="own"): "10x60 3600x60 7200x180",
        },
        {"10m": [], "2h55m": [], "3h10m": [missing("own")]},
        interval="1m",
    ),
    Case(
        "DetectorScoresMissing",
        "detector",
        "is silent for a latency that had no traffic yet",
        {
            DETECTOR_UP: "1x120",
            TICK: "0+5x120",
            series("request_rate", "scored"): "1x120",
            series("latency_p95", "scored"): "0x120",
            reads("latency_p95", "empty"): "0+1x120",
        },
        {"5m": [], "9m": []},
    ),
    Case(
        "DetectorFitsFailing",
        "detector",
        "fires two hours after the last good fit and resolves with the next",
        {fits("error"): "0x719 1x719 2x719 3x2000", fits("ok"): "0x9 1x2879 2x1000"},
        {"1h50m": [], "2h": [], "2h10m": failing(2), "3h30m": failing(3), "4h5m": []},
    ),
    Case(
        "DetectorFitsFailing",
        "detector",
        "fires when every fit since the start has failed",
        {fits("error"): "0x9 1x60 2x60 3x60", fits("ok"): "0x300"},
        {"5m55s": [], "10m55s": failing(2), "11m30s": failing(3)},
    ),
    Case(
        "DetectorFitsFailing",
        "detector",
        "is silent after one failed fit",
        {fits("error"): "0x719 1x1500", fits("ok"): "1x1439 2x1500"},
        {"1h10m": [], "1h55m": [], "3h": []},
    ),
    Case(
        "LearntSeriesAbsent",
        "detector",
        "fires after two minutes and resolves",
        {
            series("request_rate", "absent"): "0x11 2x40 0x60",
            series("request_rate", "scored"): "7x120",
        },
        {
            "2m55s": [],
            "3m": [
                Firing(
                    {**DETECTOR, "query": "request_rate", "state": "absent"},
                    "2 series of request_rate are missing",
                    "2 series that the detector has learnt for query request_rate no longer arrive; "
                    "expected 0. "
                    "Missing data is not known to be healthy.",
                )
            ],
            "5m": [],
        },
    ),
    Case(
        "LearntSeriesAbsent",
        "detector",
        "is silent for quantiles of a quiet service and of a quiet route",
        {series(f"{level}{name}", "absent"): "4x120" for level in ("", "route_") for name in QUIET},
        {"2m": [], "9m": []},
    ),
    Case(
        "LearntSeriesAbsent",
        "detector",
        "fires for routes without a rate and for a query of the user's own",
        {series("route_request_rate", "absent"): "1x120", series("own", "absent"): "3x120"},
        {
            "1m55s": [],
            "2m": [
                Firing(
                    {**DETECTOR, "query": query, "state": "absent"},
                    f"{count} series of {query} are missing",
                    f"{count} series that the detector has learnt for query {query} no longer arrive; "
                    "expected 0. Missing data is not known to be healthy.",
                )
                for query, count in (("route_request_rate", 1), ("own", 3))
            ],
        },
    ),
]
