"""Promtool cases of the alerts on logs."""

from tests.alert_rules.promtool import Case, Firing

WEB = {"service": "shop", "log": "web"}
OWN_METRICS = 'service:http_server_requests:rate1m{service="shop"}'
LINES = "specter_log_lines_total"
BURST = "0x119 1+1x119 120x300"  # 0.2 a second for ten minutes


def of_web(name: str, **labels: str) -> str:
    pairs = ",".join(f'{label}="{value}"' for label, value in {**WEB, **labels}.items())
    return f"{name}{{{pairs}}}"


def case(
    alert: str,
    name: str,
    series: dict[str, str],
    expected: dict[str, list[Firing]],
    interval: str = "5s",
) -> Case:
    return Case(alert, "logs", name, series, expected, interval)


def requests(ok: str, failed: str) -> dict[str, str]:
    name, labels = "specter_log_http_requests_total", {"http_route": "/a", "http_request_method": "GET"}
    return {
        of_web(name, **labels, http_response_status_code="200"): ok,
        of_web(name, **labels, http_response_status_code="502"): failed,
    }


def failing(share: str, most: str) -> list[Firing]:
    return [
        Firing(
            WEB,
            f"shop fails {share} of its requests",
            f"{share} of the requests in shop (log web) ended in a 5xx in the last 5m; expected at most "
            f"{most}.",
        )
    ]


def cache(hit: str, miss: str) -> dict[str, str]:
    name = "specter_log_cdn_requests_total"
    return {
        of_web(name, cache_status="hit"): hit,
        of_web(name, cache_status="miss"): miss,
        of_web(name, cache_status="bypass"): "0+600x240",
    }


TEMPLATE = {"template_id": "c9c693b27f"}
NEW_ERROR = {
    of_web("specter_log_template_lines_total", **TEMPLATE): "_x120 1+1x599",
    of_web("specter_log_template_first_seen_timestamp_seconds", **TEMPLATE): "_x120 600x600",
}

CONTENT = [
    case(
        "LogErrorTemplateNew",
        "fires with the first new form and resolves",
        {of_web("specter_log_new_templates_total"): "0x119 1x300"},
        {
            "9m55s": [],
            "12m": [
                Firing(
                    WEB,
                    "shop logs errors of a form never seen before",
                    "New forms of error messages in shop (log web) within 15m: 1; expected 0. One more, or "
                    "one after a deployment, is where to look first.",
                )
            ],
            "26m": [],
        },
    ),
    case(
        "LogNewErrorFrequent",
        "fires while the form is young and comes often, and resolves when it is known",
        {**NEW_ERROR, of_web("specter_log_new_templates_total"): "0x119 1x600"},
        {
            "10m": [],
            "16m": [
                Firing(
                    {**WEB, **TEMPLATE},
                    "A new error comes again and again in shop",
                    "0.20 lines a second in shop (log web) are of the form c9c693b27f, first seen within the "
                    "last 1800s; expected at most 0.1.",
                )
            ],
            "42m": [],
        },
    ),
    case(
        "LogNewErrorFrequent",
        "is silent in the warm-up, when every form is young and none counts as new",
        {**NEW_ERROR, of_web("specter_log_new_templates_total"): "0x720"},
        {"16m": [], "25m": []},
    ),
    case(
        "LogErrorsHigh",
        "fires when errors become many and resolves",
        {
            of_web(LINES, level="error"): "0x119 5+5x119 600x300",
            of_web(LINES, level="info"): "0+50x540",
        },
        {
            "10m": [],
            "18m": [
                Firing(
                    WEB,
                    "shop logs 1.00 errors a second",
                    "1.00 error lines a second in shop (log web) in the last 5m; expected at most 0.2, or 5 "
                    "times the mean of the last day.",
                )
            ],
            "27m": [],
        },
    ),
    case(
        "LogErrorsHigh",
        "is silent where there are as many all the time",
        {of_web(LINES, level="error"): "0+60x240"},
        {"2h": [], "4h": []},
        "1m",
    ),
    case(
        "AccessLogErrorRatioCritical",
        "fires above 5 % and resolves",
        requests("0+9x540", BURST),
        {"9m": [], "16m": failing("10%", "5%"), "28m": []},
    ),
    case(
        "AccessLogErrorRatioCritical",
        "is silent for a service with metrics of its own",
        {**requests("0+9x540", BURST), OWN_METRICS: "2x540"},
        {"16m": []},
    ),
    case(
        "AccessLogErrorRatioHigh",
        "fires above 1 % and resolves",
        requests("0+49x540", BURST),
        {"9m": [], "16m": failing("2%", "1%"), "28m": []},
    ),
    case(
        "AccessLogErrorRatioHigh",
        "is silent for one failure of hardly any requests",
        requests("0+0.1x540", "0x119 1x400"),
        {"11m": [], "14m": []},
    ),
    case(
        "SlowQueriesRising",
        "fires when they become many and resolves",
        {of_web("specter_log_slow_query_duration_seconds_count", command="select"): BURST},
        {
            "10m": [],
            "18m": [
                Firing(
                    WEB,
                    "The database of shop logs more slow queries",
                    "0.20 slow queries a second in shop (log web) in the last 5m; expected at most 0.1, or 3 "
                    "times the mean of the last day.",
                )
            ],
            "27m": [],
        },
    ),
    case(
        "CdnHitRatioLow",
        "fires when the cache is missed, and resolves; what may not be cached does not count",
        cache("0+480x119 57240+120x59 64800+480x60", "0+120x119 14760+480x59 43200+120x60"),
        {
            "1h59m": [],
            "2h30m": [
                Firing(
                    WEB,
                    "The cache of shop answers 20% only",
                    "20% of the cacheable requests in shop (log web) were hits within 15m; expected at least "
                    "80% of the mean of the last day. The rest reaches the origin.",
                )
            ],
            "3h20m": [],
        },
        "1m",
    ),
    case(
        "CdnHitRatioLow",
        "is silent with hardly any request",
        cache("0+4.8x119 572.4+1.2x120", "0+1.2x119 147.6+4.8x120"),
        {"2h30m": []},
        "1m",
    ),
]

READING = [
    case(
        "LogUnreadable",
        "fires after five minutes and resolves",
        {of_web("specter_log_up", instance="l"): "1x11 0x119 1x60"},
        {
            "5m55s": [],
            "6m": [
                Firing(
                    {**WEB, "instance": "l"},
                    "Log web of shop cannot be read",
                    "l finds nothing to read for shop (log web) (`specter_log_up` is 0); expected 1. What it "
                    "says is in no metric.",
                )
            ],
            "11m": [],
        },
    ),
    case(
        "LogSilent",
        "fires when a log that wrote round the clock writes no more, and resolves",
        {
            of_web(LINES, level="info"): "0+120x779 93480x29 93600+120x60",
            of_web("specter_log_up", instance="l"): "1x900",
        },
        {
            "25h": [],
            "26h10m": [],
            "26h30m": [
                Firing(
                    WEB,
                    "Log web of shop is silent",
                    "Lines of shop (log web) within 15m: 0; expected some, as it wrote round the clock the "
                    "day before.",
                )
            ],
            "27h30m": [],
        },
        "2m",
    ),
    case(
        "LogSilent",
        "is silent where the nights are, and where the log cannot be read",
        {
            of_web(LINES, level="info"): "0+120x359 43080x359 43200+120x359 86280x60",
            'specter_log_lines_total{service="a",log="b",level="info"}': "0+120x779 93480x120",
            'specter_log_up{service="a",log="b",instance="l"}': "1x779 0x120",
        },
        {"12h40m": [], "26h30m": [], "36h40m": []},
        "2m",
    ),
    case(
        "LogBacklogGrowing",
        "fires when it is never small and becomes more, and resolves",
        {of_web("specter_log_backlog_bytes", instance="l"): "0x59 2097152x119 4194304x119 0x60"},
        {
            "19m55s": [],
            "21m": [
                Firing(
                    {**WEB, "instance": "l"},
                    "The log exporter falls behind in web of shop",
                    "At least 2MiB of shop (log web) were unread for 10m, and it has become more; expected "
                    "at most 1MiB. Metrics of its lines come late.",
                )
            ],
            "26m": [],
        },
    ),
    case(
        "LogBacklogGrowing",
        "is silent while what was missed is caught up",
        {of_web("specter_log_backlog_bytes", instance="l"): "9e9-3e7x240"},
        {"16m": [], "19m": []},
    ),
    case(
        "LogLinesMalformed",
        "fires after ten minutes and resolves",
        {
            of_web(LINES, level="info"): "0+9x720",
            of_web(LINES, level="unknown"): "0x119 1+1x299 300x300",
            of_web("specter_log_malformed_lines_total", reason="no_match"): "0x119 1+1x299 300x300",
            of_web("specter_log_malformed_lines_total", reason="binary"): "0x720",
        },
        {
            "20m": [],
            "32m": [
                Firing(
                    WEB,
                    "Lines of log web of shop are not of its format",
                    "10% of the lines of shop (log web) within 15m could not be taken apart; expected at "
                    "most 5%. They are counted with level unknown and in no other rule.",
                )
            ],
            "50m": [],
        },
    ),
    case(
        "LogLabelOverflow",
        "fires when it goes on and resolves",
        {
            'specter_log_label_overflow_total{service="shop",metric="orders_total"}': "0x59 1+1x299 300x300",
        },
        {
            "19m55s": [],
            "25m": [
                Firing(
                    {"service": "shop", "metric": "orders_total"},
                    "orders_total of shop has more label values than allowed",
                    "Entries of shop that were counted as `other` in orders_total within 15m: 180; expected "
                    "0.",
                )
            ],
            "46m": [],
        },
    ),
    case(
        "LogStateNotSaved",
        "fires with the first failure and resolves",
        {'specter_log_state_errors_total{service="shop",instance="l"}': "0x119 1x200"},
        {
            "9m55s": [],
            "12m": [
                Firing(
                    {"service": "shop", "instance": "l"},
                    "The log exporter of shop cannot save how far it has read",
                    "Times that l could not save offsets and counters within 10m: 1; expected 0. After a "
                    "restart lines would count twice.",
                )
            ],
            "21m": [],
        },
    ),
]

CASES = [*CONTENT, *READING]
