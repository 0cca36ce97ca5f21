"""What a schema does not see: overlaps, thresholds, units, PromQL, variables, honesty about missing data."""

import itertools
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest

from specter_alerts.families import all_groups
from specter_core import metrics
from specter_dashboards.queries import SERVICES
from specter_dashboards.writer import DASHBOARDS, build
from tests.dashboards.board import VARIABLE, charts, expressions, panels, substitute

RUNBOOKS = Path(__file__).parents[2] / "alert_rules" / "runbooks"
BOARDS = {name: build(name) for name in DASHBOARDS}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"none", "short", "reqps", "cps", "percentunit", "s", "bytes", "Bps"}
# What a board's variable chooses by.
CHOSEN_BY = {
    "main-status": "service",
    "sign-in": "service",
    "logs": "service",
    "frontend": "page",
    "third-parties": "dependency",
    "database": "server",
    "data-integrity": "database",
    "queues": "server",
    "jobs": "job_name",
    "application": "service",
    "business": "event",
    "detector": "instance",
    "hosts": "instance",
}
BUILT_IN = {
    "__rate_interval",
    "__interval",
    "__range",
    "__dashboard",
    "__field",
    "__data",
    "__url_time_range",
}
HEALTHY = {"green"}


@pytest.fixture(params=BOARDS, ids=str)
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    return BOARDS[request.param]


def selectors(expr: str) -> list[Any]:
    found: list[Any] = []
    pending: list[Any] = [promql_parser.parse(substitute(expr))]
    while pending:
        node = pending.pop()
        name = type(node).__name__
        if name == "VectorSelector":
            found.append(node)
        elif name == "MatrixSelector":
            pending.append(node.vector_selector)
        elif name == "BinaryExpr":
            pending += [node.lhs, node.rhs]
        elif name == "Call":
            pending += node.args
        elif hasattr(node, "expr"):
            pending.append(node.expr)
    return found


def test_uids_and_tags(board: dict[str, Any]) -> None:
    assert board["uid"].startswith("specter-")
    assert "specter" in board["tags"]
    assert BOARDS["main-status"]["uid"] == metrics.DASHBOARD_MAIN_STATUS
    assert BOARDS["sign-in"]["uid"] == metrics.DASHBOARD_SIGNIN
    assert BOARDS["logs"]["uid"] == metrics.DASHBOARD_LOGS
    assert BOARDS["third-parties"]["uid"] == metrics.DASHBOARD_DEPENDENCIES
    assert BOARDS["database"]["uid"] == metrics.DASHBOARD_DATABASE
    assert BOARDS["data-integrity"]["uid"] == metrics.DASHBOARD_INTEGRITY
    assert BOARDS["queues"]["uid"] == metrics.DASHBOARD_QUEUES
    assert BOARDS["jobs"]["uid"] == metrics.DASHBOARD_JOBS
    assert BOARDS["application"]["uid"] == metrics.DASHBOARD_APPLICATION
    assert BOARDS["business"]["uid"] == metrics.DASHBOARD_BUSINESS
    assert BOARDS["detector"]["uid"] == metrics.DASHBOARD_DETECTOR
    assert BOARDS["frontend"]["uid"] == metrics.DASHBOARD_FRONTEND
    assert BOARDS["hosts"]["uid"] == metrics.DASHBOARD_HOSTS
    assert len({b["uid"] for b in BOARDS.values()}) == len(BOARDS)


def test_no_two_panels_overlap(board: dict[str, Any]) -> None:
    boxes = [(p["title"], p["gridPos"]) for p in panels(board)]
    for (one, a), (two, b) in itertools.combinations(boxes, 2):
        apart = (
            a["x"] + a["w"] <= b["x"]
            or b["x"] + b["w"] <= a["x"]
            or a["y"] + a["h"] <= b["y"]
            or b["y"] + b["h"] <= a["y"]
        )
        assert apart, f"{one} and {two}"
    assert all(box["x"] >= 0 and box["x"] + box["w"] <= 24 for _, box in boxes)


def test_ids_and_ref_ids_are_unique(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in panels(board)]
    assert len(set(ids)) == len(ids)
    for panel in charts(board):
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)


def test_every_panel_has_title_description_unit_and_targets(board: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in charts(board)]
    assert len(set(titles)) == len(titles)
    for panel in charts(board):
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["targets"], panel["title"]


def thresholds_of(panel: dict[str, Any]) -> list[list[dict[str, Any]]]:
    config = panel["fieldConfig"]
    found = [config["defaults"]["thresholds"]["steps"]]
    for override in config["overrides"]:
        found += [p["value"]["steps"] for p in override["properties"] if p["id"] == "thresholds"]
    return found


def test_thresholds_start_open_and_rise(board: dict[str, Any]) -> None:
    for panel in charts(board):
        for steps in thresholds_of(panel):
            assert steps[0]["value"] is None, panel["title"]
            values = [step["value"] for step in steps[1:]]
            assert values == sorted(set(values)), panel["title"]
            assert all(set(step) == {"color", "value"} for step in steps)


def test_missing_data_is_named_and_never_in_healths_colour(board: dict[str, Any]) -> None:
    for panel in charts(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["noValue"] not in {"", "none", "0"}, panel["title"]
        if panel["type"] in {"stat", "state-timeline"}:
            assert defaults["thresholds"]["steps"][0]["color"] not in HEALTHY, panel["title"]
            [special] = [m for m in defaults["mappings"] if m["type"] == "special"]
            assert special["options"]["match"] == "null+nan"
            assert special["options"]["result"]["text"] == "No data"
            assert special["options"]["result"]["color"] not in HEALTHY


def test_every_expression_parses_and_reads_the_vocabulary(board: dict[str, Any]) -> None:
    families = [value for value in vars(metrics).values() if isinstance(value, metrics.Metric)]
    known = {name for m in families for name in (m.name, m.bucket, m.count, m.sum)}
    known |= {value for value in vars(metrics).values() if isinstance(value, str)}
    known |= {*metrics.SERVICE_DURATION.values(), *metrics.ROUTE_DURATION.values()}
    known |= {*metrics.WEB_VITALS_P75.values(), *metrics.WEB_VITALS_VIEWS.values()}
    known |= {*metrics.WEB_VITALS_GOOD.values(), *metrics.WEB_VITALS_POOR.values()}
    for where, expr, _ in expressions(board):
        names = {selector.name for selector in selectors(expr)}
        assert names, where
        assert names <= known, where


def test_rates_use_the_interval_that_fits_the_scrapes(board: dict[str, Any]) -> None:
    for where, expr, _ in expressions(board):
        for function in ("rate(", "increase(", "irate("):
            if function in expr:
                assert "[$__rate_interval]" in expr, where


def unlimited(board: dict[str, Any], label: str) -> set[str]:
    """Return the metrics that are read without a matcher of `label`."""
    return {
        selector.name
        for _, expr, _ in expressions(board)
        for selector in selectors(expr)
        if label not in {matcher.name for matcher in selector.matchers.matchers}
    }


@pytest.mark.parametrize("name", ["main-status", "application", "business"])
def test_series_of_services_are_limited_to_the_chosen_ones(name: str) -> None:
    of_everything = unlimited(BOARDS[name], "service")
    assert all(name.startswith(("specter_detector_", "ALERTS")) for name in of_everything)
    assert unlimited(BOARDS["sign-in"], "service") == unlimited(BOARDS["logs"], "service") == set()
    assert SERVICES == 'service=~"$service"'


def test_what_detectors_say_is_limited_to_the_chosen_ones() -> None:
    # Scores carry the labels of what is watched, and not those of the detector.
    assert unlimited(BOARDS["detector"], "instance") == {metrics.ANOMALY_SCORE}


def test_web_vitals_are_limited_to_the_chosen_services_pages_and_devices() -> None:
    board = BOARDS["frontend"]
    assert unlimited(board, "service") == set()
    for label in ("page", "device"):
        assert not {name for name in unlimited(board, label) if name.startswith("service_page_device:")}


def test_what_is_said_of_hosts_is_limited_to_the_chosen_ones() -> None:
    of_services = {metrics.ALERTS, metrics.ANOMALY_SCORE, metrics.SERVICE_DEPLOYED}
    assert unlimited(BOARDS["hosts"], "service") == set()
    assert unlimited(BOARDS["hosts"], "instance") <= of_services


def test_every_vital_is_drawn_against_its_limits() -> None:
    drawn = {
        panel["title"]: [step["value"] for step in thresholds_of(panel)[0]][-2:]
        for panel in charts(BOARDS["frontend"])
        if panel["type"] == "timeseries" and "p75" in panel["targets"][0]["expr"]
    }
    assert drawn == {
        "Largest Contentful Paint": [2.5, 4],
        "Interaction to Next Paint": [0.2, 0.5],
        "Cumulative Layout Shift": [0.1, 0.25],
        "First Contentful Paint": [1.8, 3],
        "Time to First Byte": [0.8, 1.8],
    }


def test_what_is_said_of_third_parties_is_limited_to_the_chosen_ones() -> None:
    assert unlimited(BOARDS["third-parties"], "dependency") == set()


@pytest.mark.parametrize("name", ["database", "queues"])
def test_what_is_said_of_servers_is_limited_to_the_chosen_ones(name: str) -> None:
    of_services = {metrics.SERVICE_DEPLOYED, metrics.ALERTS, metrics.ANOMALY_SCORE}
    assert unlimited(BOARDS[name], "service") == set()
    assert unlimited(BOARDS[name], "server") <= of_services


def test_what_is_said_of_data_is_limited_to_the_chosen_databases() -> None:
    of_services = {metrics.SERVICE_DEPLOYED, metrics.ALERTS, metrics.ANOMALY_SCORE}
    assert unlimited(BOARDS["data-integrity"], "service") == set()
    assert unlimited(BOARDS["data-integrity"], "database") <= of_services


def test_what_is_said_of_jobs_is_limited_to_the_chosen_ones() -> None:
    of_services = {metrics.SERVICE_DEPLOYED, metrics.ALERTS, metrics.ANOMALY_SCORE}
    of_exporter = {
        *(metrics.JOB_PINGS.name, metrics.JOB_PINGS_UP.name, metrics.JOB_STORE_UP.name),
        *(metrics.JOB_COMMITS.sum, metrics.JOB_COMMITS.count, metrics.DELIVERY_EVENTS.name),
        metrics.SERVICE_JOB_SUCCESS_RATIO,
    }
    assert unlimited(BOARDS["jobs"], "service") == set()
    assert unlimited(BOARDS["jobs"], "job_name") <= of_services | of_exporter


def test_the_datasource_variable_is_used_everywhere(board: dict[str, Any]) -> None:
    for panel in charts(board):
        assert panel["datasource"] == DATASOURCE
        assert all(target["datasource"] == DATASOURCE for target in panel["targets"])
    assert all(annotation["datasource"] == DATASOURCE for annotation in board["annotations"]["list"])
    for variable in board["templating"]["list"]:
        assert variable.get("datasource") == (DATASOURCE if variable["type"] == "query" else None)


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def test_no_variable_is_undefined_or_unused(board: dict[str, Any]) -> None:
    defined = {variable["name"] for variable in board["templating"]["list"]}
    used = {name for text in strings(board) for name in VARIABLE.findall(text.replace("$__all", ""))}
    assert used - BUILT_IN == defined


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("main-status", "label_values(up, service)"),
        ("sign-in", "label_values(up, service)"),
        ("logs", "label_values(up, service)"),
        ("third-parties", "label_values(specter_dependency_info, dependency)"),
        (
            "database",
            'label_values({__name__=~"specter_pg_up|specter_pgbouncer_up", service=~"$service"}, server)',
        ),
        ("data-integrity", 'label_values(specter_sql_check_info{service=~"$service"}, database)'),
        ("queues", 'label_values(specter_queue_up{service=~"$service"}, server)'),
        ("jobs", 'label_values(specter_job_info{service=~"$service"}, job_name)'),
        ("application", "label_values(up, service)"),
        ("business", 'label_values(specter_business_events_total{service=~"$service"}, event)'),
        ("detector", "label_values(specter_detector_build_info, instance)"),
        ("hosts", 'label_values(up{job=~"node|process|pm2"}, instance)'),
        (
            "frontend",
            "label_values(service_page_device:specter_web_vitals_lcp_seconds:count_increase5m, page)",
        ),
    ],
)
def test_what_is_chosen_takes_many_and_refreshes_with_the_time_range(name: str, query: str) -> None:
    [chosen] = [v for v in BOARDS[name]["templating"]["list"] if v["name"] == CHOSEN_BY[name]]
    assert chosen["multi"] is True
    assert chosen["includeAll"] is True
    assert chosen["allValue"] == ".+"
    assert chosen["refresh"] == 2
    assert chosen["query"]["query"] == query
    assert chosen["current"]["value"] == ["$__all"]


def test_the_address_of_the_pages_has_a_default_that_a_reader_may_change() -> None:
    [pages] = [v for v in BOARDS["detector"]["templating"]["list"] if v["name"] == "pages"]
    assert (pages["type"], pages["query"]) == ("textbox", "http://localhost:9845")
    assert pages["current"] == {"text": "http://localhost:9845", "value": "http://localhost:9845"}
    links = [
        link["url"]
        for panel in charts(BOARDS["detector"])
        for change in panel["fieldConfig"]["overrides"]
        for one in change["properties"]
        if one["id"] == "links"
        for link in one["value"]
    ]
    assert links == [
        "${pages}/?query=${__data.fields.query}",
        "${pages}/?query=${__data.fields.query}&text=${__data.fields.service}",
    ]


def test_links_and_annotations(board: dict[str, Any]) -> None:
    of_services = ["Deployments", "Alerts firing", "Anomalies"]
    names = {
        metrics.DASHBOARD_SIGNIN: of_services,
        metrics.DASHBOARD_LOGS: of_services,
        metrics.DASHBOARD_DEPENDENCIES: ["Alerts firing"],
        metrics.DASHBOARD_DATABASE: of_services,
        metrics.DASHBOARD_INTEGRITY: of_services,
        metrics.DASHBOARD_QUEUES: of_services,
        metrics.DASHBOARD_JOBS: of_services,
        metrics.DASHBOARD_MAIN_STATUS: of_services,
        metrics.DASHBOARD_APPLICATION: of_services,
        metrics.DASHBOARD_BUSINESS: of_services,
        metrics.DASHBOARD_DETECTOR: ["Alerts firing", "Configuration read"],
        metrics.DASHBOARD_FRONTEND: of_services,
        metrics.DASHBOARD_HOSTS: of_services,
    }
    assert board["links"][0]["type"] == "dashboards"
    assert [a["name"] for a in board["annotations"]["list"]] == names[board["uid"]]
    assert all(a["enable"] for a in board["annotations"]["list"])


@pytest.mark.parametrize("name", ["main-status", "sign-in", "logs", "application"])
def test_panels_of_services_drill_down(name: str) -> None:
    board = BOARDS[name]
    texts = {
        panel["title"]: " ".join(strings(panel["fieldConfig"]))
        for panel in charts(board)
        if panel["type"] in {"timeseries", "table"} and "$service" in panel["targets"][0]["expr"]
    }
    assert texts
    for title, text in texts.items():
        assert "var-service=${__" in text, title


def test_transformations_and_reducers_are_known(board: dict[str, Any]) -> None:
    known = {"merge", "filterFieldsByName", "organize"}
    for panel in charts(board):
        assert {t["id"] for t in panel.get("transformations", [])} <= known
        reduce = panel["options"].get("reduceOptions", {"calcs": ["lastNotNull"]})
        assert reduce["calcs"] == ["lastNotNull"]


def heads(board: dict[str, Any]) -> list[str]:
    return [p["title"] for p in sorted(panels(board), key=lambda p: p["gridPos"]["y"]) if p["type"] == "row"]


def test_what_is_wrong_now_comes_first() -> None:
    assert heads(BOARDS["main-status"]) == [
        "What is wrong now",
        "Requests, errors, duration: $service",
        "Routes",
        "Deployments",
        "Detector",
    ]
    assert heads(BOARDS["sign-in"]) == [
        "What is wrong now",
        "Attempts",
        "Sources",
        "Lock-outs and CAPTCHAs",
        "Traffic",
    ]
    assert heads(BOARDS["logs"]) == [
        "What is wrong now",
        "Errors",
        "Requests in access logs",
        "Databases, caches, gateways",
        "Reading",
    ]
    assert heads(BOARDS["frontend"]) == [
        "Worst page now",
        "75th percentile by page and device",
        "Good, needs improvement, poor",
        "Beacon",
    ]
    assert heads(BOARDS["third-parties"]) == [
        "What is wrong now",
        "Probes",
        "Checks of several steps",
        "Vendors' status pages",
        "Ends and schedule",
    ]
    assert heads(BOARDS["application"]) == [
        "Saturation",
        "Exceptions",
        "Calls to other servers",
        "Health checks",
        "Processes",
    ]
    assert heads(BOARDS["business"]) == [
        "What happened within the last hour",
        "Funnels",
        "Users",
        "Endpoint",
        "Event: $event",
    ]
    assert heads(BOARDS["hosts"]) == [
        "What is wrong now",
        "CPU and memory",
        "Disks",
        "Network and clock",
        "systemd",
        "Process groups",
        "PM2",
    ]
    assert heads(BOARDS["detector"]) == ["Health", "Data", "Scoring", "Writing", "Learning", "Resources"]


def test_runbooks_name_panels_that_are_there() -> None:
    titles = {name: {panel["title"] for panel in panels(board)} for name, board in BOARDS.items()}
    for name in ("sign-in", "logs", "hosts"):
        runbooks = [
            rule.alert
            for group in all_groups()
            for rule in group.alerts
            if f"/d/{BOARDS[name]['uid']}/" in rule.annotations["dashboard"]
        ]
        assert runbooks
        for alert in runbooks:
            text = (RUNBOOKS / f"{alert}.md").read_text(encoding="utf-8")
            assert set(re.findall(r"\*([A-Z][^*]+)\*", text)) <= titles[name], alert


def left_out(board: str, *prefixes: str) -> set[str]:
    """Return the metrics of a family that are neither on their dashboard nor recorded for it."""
    shown = {selector.name for _, expr, _ in expressions(BOARDS[board]) for selector in selectors(expr)}
    for rule in (rule for group in all_groups() for rule in group.recordings if rule.record in shown):
        shown |= {selector.name for selector in selectors(rule.expr)}
    family = {
        metric.name: {metric.name, metric.bucket, metric.count}
        for metric in vars(metrics).values()
        if isinstance(metric, metrics.Metric) and metric.name.startswith(prefixes)
    }
    assert family
    return {name for name, series in family.items() if not series & shown}


def test_each_event_of_the_catalogue_has_its_row() -> None:
    [row] = [p for p in panels(BOARDS["business"]) if p["type"] == "row" and p["title"] == "Event: $event"]
    assert row["repeat"] == "event"
    below = [p for p in charts(BOARDS["business"]) if p["gridPos"]["y"] > row["gridPos"]["y"]]
    assert len(below) == 6
    for panel in below:
        assert all('event=~"$event"' in target["expr"] for target in panel["targets"]), panel["title"]


@pytest.mark.parametrize(
    ("name", "prefixes"),
    [
        ("application", ("specter_threadpool_", "specter_health_check_", "specter_http_server_")),
        ("business", ("specter_business_",)),
    ],
)
def test_every_metric_of_an_exporter_is_on_its_dashboard_or_in_what_is_recorded_for_it(
    name: str, prefixes: tuple[str, ...]
) -> None:
    shown = {selector.name for _, expr, _ in expressions(BOARDS[name]) for selector in selectors(expr)}
    exposed = {
        metric.name: {metric.name, metric.bucket, metric.count, metric.sum}
        for metric in vars(metrics).values()
        if isinstance(metric, metrics.Metric) and metric.name.startswith(prefixes)
    }
    # The wait for a worker is recorded. The other two say that the setup is wrong, and not how it does.
    elsewhere = {
        metrics.HTTP_SERVER_QUEUE_DURATION.name,
        metrics.HTTP_SERVER_QUEUE_UNUSABLE.name,
        metrics.HTTP_SERVER_ROUTE_OVERFLOW.name,
    }
    missing = {metric for metric, series in exposed.items() if not series & shown}
    assert missing == (elsewhere if name == "application" else set())


def test_every_metric_of_a_detector_is_on_its_dashboard() -> None:
    # How often it saves is seen by the age of what is saved, marks by people on the detector's own pages.
    elsewhere = {metrics.DETECTOR_SAVES.name, metrics.DETECTOR_FEEDBACK_WINDOWS.name}
    assert left_out("detector", "specter_detector_") == elsewhere


def test_every_metric_of_sign_ins_and_logs_is_on_its_dashboard() -> None:
    of_sources = ("specter_http_source", "specter_http_user_agent", "specter_http_surge")
    assert left_out("sign-in", "specter_auth_", *of_sources) == set()
    # By file, and so many series: for whoever looks for one file.
    assert left_out("logs", "specter_log_") == {metrics.LOG_FILE_LAST_READ.name}


def test_every_metric_of_third_parties_is_on_their_dashboard() -> None:
    shown = {
        selector.name for _, expr, _ in expressions(BOARDS["third-parties"]) for selector in selectors(expr)
    }
    declared = {
        metric.name
        for metric in vars(metrics).values()
        if isinstance(metric, metrics.Metric) and metric.name.startswith("specter_dependency_")
    }
    assert declared <= shown
