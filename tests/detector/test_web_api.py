"""The JSON API: what it says, what it refuses, and who may change something."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import schemathesis
import yaml
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import booleans
from prometheus_client import CollectorRegistry
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import positive_data_acceptance
from werkzeug.test import Client

from specter_core.errors import UsageError
from specter_core.web import WebConfig, WebOptions, secured
from specter_detector.schema import DetectorSchema
from specter_detector.series import Vector, labels_of
from specter_detector.web.app import create_app, is_protected
from specter_detector.web.feedback import FeedbackStore
from specter_detector.web.live import LiveWatch
from tests.detector.web_watch import (
    CHECKOUT,
    DAY,
    GONE,
    HOSTILE,
    INVALID,
    NEW,
    NOW,
    SHOP,
    STEP,
    FixedClock,
    GeneratedReader,
    Reloads,
    feedback_store,
    live_watch,
    make_app,
    running_jobs,
)

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
BASIC = {"Authorization": "Basic " + base64.b64encode(b"ada:right").decode()}
SHOP_LABELS = dict(SHOP)
SERIES = {"query": "request_rate", "labels": dict(SHOP)}
MARK = {**SERIES, "start": NOW - 600, "end": NOW, "kind": "incident"}
SETTINGS = {
    "class": "seasonal",
    "detection_direction": "below_expected",
    "min_dev_from_expected": [0, 0],
    "min_rel_dev_from_expected": [0.5, 0.1],
    "data_range": [0, None],
    "tz": "UTC",
}


@pytest.fixture(scope="module")
def reader() -> GeneratedReader:
    return GeneratedReader()


@pytest.fixture(scope="module")
def jobs(reader: GeneratedReader) -> list[Any]:
    return list(running_jobs(reader))


@pytest.fixture
def feedback(tmp_path: Path) -> FeedbackStore:
    return feedback_store(tmp_path)


@pytest.fixture
def watch(jobs: list[Any], reader: GeneratedReader, feedback: FeedbackStore) -> LiveWatch:
    return live_watch(jobs, reader, feedback)


@pytest.fixture
def app(watch: LiveWatch, feedback: FeedbackStore) -> Flask:
    return make_app(watch, feedback, reload=Reloads())


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def get(client: FlaskClient, path: str, **arguments: Any) -> Any:
    query = {name: json.dumps(value) if name == "labels" else value for name, value in arguments.items()}
    answer = client.get(f"/api/v1/{path}", query_string=query)
    assert answer.status_code == 200, answer.text
    return answer.json


# --- what it says ---


def test_queries_come_with_the_number_of_series_in_each_state(client: FlaskClient) -> None:
    rates, latencies, quiet = get(client, "queries")["queries"]
    assert (rates["alias"], rates["unit"], rates["tz"]) == ("request_rate", "1/s", "Europe/Berlin")
    assert rates["states"] == {"anomalous": 1, "normal": 2, "warming": 1, "absent": 1, "invalid": 1}
    assert (rates["last_tick"], rates["last_tick_age_seconds"], rates["step_seconds"]) == (NOW, 0, STEP)
    assert latencies["models"] == ["default", "upper"]
    assert latencies["states"]["normal"] == 4
    assert sum(quiet["states"].values()) == 0


def test_series_come_by_score_with_the_unknown_last_and_can_be_filtered_and_paged(
    client: FlaskClient,
) -> None:
    listed = get(client, "series", query="request_rate")
    assert listed["total"] == 6
    states = [row["state"] for row in listed["series"]]
    assert states == ["absent", "anomalous", "normal", "normal", "invalid", "warming"]
    assert [row["labels"] for row in listed["series"][:2]] == [dict(GONE), dict(SHOP)]
    assert [row["labels"] for row in listed["series"][4:]] == [dict(INVALID), dict(NEW)]
    assert listed["series"][1]["score"] > 1
    assert listed["series"][1]["lower"] < listed["series"][1]["yhat"] < listed["series"][1]["value"]
    assert [row["score"] for row in listed["series"][4:]] == [None, None]
    assert get(client, "series", query="request_rate", offset=1, limit=2)["series"] == listed["series"][1:3]
    by_name = get(client, "series", order="name", text="CHECKOUT eu-")["series"]
    assert [(row["query"], row["model"]) for row in by_name] == [
        ("latency_p95", "default"),
        ("latency_p95", "upper"),
        ("request_rate", "default"),
    ]


def test_a_series_is_explained_in_words_with_the_settings_in_use(client: FlaskClient) -> None:
    said = get(client, "explain", **SERIES)
    assert said["tone"] == "alarm"
    assert said["headline"].startswith("Anomalous: 213.8/s is higher than expected (2.55 times the usual)")
    assert "deployment" in said["advice"]
    assert said["settings"]["data_range"] == [0, None]
    assert (
        get(client, "explain", query="latency_p95", labels=dict(SHOP), model="upper")["settings"][
            "detection_direction"
        ]
        == "above_expected"
    )
    tones = {
        labels: get(client, "explain", query="request_rate", labels=dict(labels))["tone"]
        for labels in (GONE, CHECKOUT, INVALID, NEW)
    }
    assert tones == {GONE: "alarm", CHECKOUT: "calm", INVALID: "unknown", NEW: "unknown"}
    assert get(client, "explain", query="quiet", labels={"a": "b"})["series"] is None


def test_a_history_has_band_score_parts_alarms_deployments_and_marks(
    client: FlaskClient, feedback: FeedbackStore
) -> None:
    window = feedback.add("request_rate", SHOP, NOW - 3 * DAY, NOW - 3 * DAY + 2400, "incident")
    feedback.add("request_rate", CHECKOUT, NOW - 600, NOW, "normal")
    said = get(client, "history", **SERIES, start=NOW - 4 * DAY, end=NOW)
    columns = [column for column in said.values() if isinstance(column, list) and len(column) > 9]
    assert [len(column) for column in columns] == 10 * [4 * 288 + 1]
    assert (said["times"][0], said["times"][-1]) == (NOW - 4 * DAY, NOW)
    assert said["utc_offset_seconds"] == 3600
    assert said["observed"].count(None) == 5
    parts = zip(said["observed"], said["trend"], said["seasonal"], said["remainder"], strict=True)
    assert all(whole == pytest.approx(sum(rest), rel=1e-5) for whole, *rest in parts if whole is not None)
    reasons = [alarm["reason"] for alarm in said["alarms"]]
    assert {"drop", "absent", "spike"} <= set(reasons)
    assert reasons[-1] == "spike"
    assert said["alarms"][-1]["end"] == NOW
    assert [each["id"] for each in said["windows"]] == [window.id]
    assert said["events"] == [{"at": NOW - 1200, "text": "2.4.0"}]


def test_what_is_said_of_the_last_tick_ends_the_history(
    reader: GeneratedReader, feedback: FeedbackStore
) -> None:
    jobs = running_jobs(reader)
    watch = live_watch(jobs, reader, feedback, clock=FixedClock(NOW + 75))
    client = make_app(watch, feedback).test_client()
    (job,) = (each for each in jobs if each.query.alias == "request_rate")
    job.observe(NOW + 60, Vector({SHOP: 900.0}))
    said = get(client, "history", **SERIES, start=NOW - 3600)
    assert said["times"][-3:] == [NOW - 300, NOW, NOW + 60]
    columns = [column for column in said.values() if isinstance(column, list) and len(column) > 9]
    assert [len(column) for column in columns] == 10 * [14]
    assert said["observed"][-1] == 900.0
    assert said["score"][-1] == pytest.approx(get(client, "explain", **SERIES)["series"]["score"])
    assert said["alarms"][-1]["end"] == NOW + 60
    assert [said[part][-1] for part in ("trend", "seasonal", "remainder")] == [None, None, None]
    # A stretch that ended before the tick has no part in it.
    assert get(client, "history", **SERIES, start=NOW - 3600, end=NOW + 30)["times"][-1] == NOW


def test_other_settings_are_tried_and_the_running_ones_stay(client: FlaskClient, jobs: list[Any]) -> None:
    before = [job.options for job in jobs]
    body = {**SERIES, "start": NOW - DAY, "end": NOW, "settings": SETTINGS}
    answer = client.post("/api/v1/try", json=body)
    assert answer.status_code == 200, answer.text
    said: Any = answer.json
    now = get(client, "history", **SERIES, start=NOW - DAY, end=NOW)
    assert [alarm["reason"] for alarm in now["alarms"]] == ["absent", "spike"]
    assert [alarm["reason"] for alarm in said["stretch"]["alarms"]] == ["absent"]
    assert said["samples_in_alarm"] == 4
    assert said["stretch"]["tz"] == "UTC"
    assert [job.options for job in jobs] == before
    assert "leave request_rate out of the queries of model default" in said["yaml"]


def test_a_mark_is_stored_listed_and_withdrawn(client: FlaskClient, feedback: FeedbackStore) -> None:
    answer = client.post("/api/v1/feedback", json=MARK)
    stored: Any = answer.json
    assert (answer.status_code, stored["kind"], stored["labels"]) == (201, "incident", dict(SHOP))
    assert [each["id"] for each in get(client, "feedback")["windows"]] == [stored["id"]]
    assert get(client, "feedback", query="quiet")["windows"] == []
    assert (feedback.windows()[0].start, feedback.windows()[0].end) == (NOW - 600, NOW)
    metrics = client.get("/metrics").text
    assert 'specter_detector_feedback_windows{kind="incident",query="request_rate"} 1.0' in metrics
    assert client.delete(f"/api/v1/feedback/{stored['id']}").status_code == 200
    assert feedback.windows() == ()
    assert client.delete(f"/api/v1/feedback/{stored['id']}").status_code == 404


class NamedReader(GeneratedReader):
    """Answers for a bare selector of two metrics: its series keep their names."""

    def __init__(self) -> None:
        super().__init__()
        values = self._rows["request_rate"][CHECKOUT]
        self._rows["request_rate"] = {
            labels_of({**labels, "__name__": name}): values
            for name, labels in (("orders", dict(SHOP)), ("orders", {"a": "b"}), ("carts", {"a": "b"}))
        }


def test_labels_of_an_output_mean_the_series_that_has_a_name_too(feedback: FeedbackStore) -> None:
    reader = NamedReader()
    jobs = running_jobs(reader)
    client = make_app(live_watch(jobs, reader, feedback), feedback).test_client()
    named = {**SHOP_LABELS, "__name__": "orders"}
    said = get(client, "explain", **SERIES)
    assert said["labels"] == named
    assert said["series"]["labels"] == named
    page = client.get("/series", query_string={"query": "request_rate", "labels": json.dumps(SHOP_LABELS)})
    assert "is not watched" not in page.text
    assert get(client, "history", **SERIES, start=NOW - DAY)["labels"] == named
    tried = client.post("/api/v1/try", json={**SERIES, "settings": SETTINGS})
    assert tried.status_code == 200, tried.text
    marked: Any = client.post("/api/v1/feedback", json=MARK)
    assert (marked.status_code, marked.json["labels"]) == (201, named)
    assert [each["id"] for each in get(client, "history", **SERIES)["windows"]] == [marked.json["id"]]
    # Another name is another series, and of two without one neither is meant.
    for labels in ({**SHOP_LABELS, "__name__": "rides"}, {"a": "b"}):
        refused: Any = client.post("/api/v1/feedback", json={**MARK, "labels": labels})
        assert refused.status_code == 404
        assert "no series {" in refused.json["detail"]
        assert "between 2026-01-20T13:45:00Z and 2026-01-20T14:00:00Z; near it is {" in refused.json["detail"]
    assert len(feedback.windows()) == 1


def test_a_mark_of_no_series_is_refused(client: FlaskClient, feedback: FeedbackStore) -> None:
    for labels, near in (
        ({"service": "shop", "region": "us"}, '; near it is {region="eu-central-1", service="shop"}'),
        ({"x": "y"}, "14:00:00Z"),
    ):
        refused: Any = client.post("/api/v1/feedback", json={**MARK, "labels": labels})
        assert (refused.status_code, refused.json["title"]) == (404, "Not Found")
        assert refused.json["detail"].endswith(near)
    # It is not there now, and was.
    gone = client.post("/api/v1/feedback", json={**MARK, "labels": dict(GONE)})
    assert gone.status_code == 201
    assert [window.labels for window in feedback.windows()] == [GONE]


def test_health_readiness_and_reload(watch: LiveWatch, feedback: FeedbackStore) -> None:
    reloads = Reloads()
    ready = [False]
    client = make_app(watch, feedback, reload=reloads, ready=lambda: ready[0]).test_client()
    assert client.get("/-/healthy").status_code == 200
    assert client.get("/-/ready").status_code == 503
    ready[0] = True
    assert client.get("/-/ready").status_code == 200
    assert client.post("/-/reload").json == {"status": "reloaded"}
    reloads.error = "detector.yml:3: reader.queries: is required"
    refused = client.post("/-/reload")
    assert (refused.status_code, reloads.count) == (422, 1)
    assert refused.json is not None
    assert refused.json["detail"] == reloads.error
    assert "old configuration stays" in refused.json["action"]
    assert client.get("/-/reload").status_code == 405


# --- what it refuses ---

BAD_REQUESTS: list[tuple[str, dict[str, Any], int, str]] = [
    ("history", {"query": "nope"}, 404, "there is no query 'nope'"),
    ("history", {}, 422, "query: Field required"),
    ("history", {"query": "request_rate", "labels": {"service": "nope"}}, 404, 'no series {service="nope"}'),
    ("history", {**SERIES, "model": "nope"}, 404, "expected one of default"),
    ("history", {**SERIES, "start": "NaN"}, 422, "start: Input should be a finite number"),
    ("history", {**SERIES, "start": NOW, "end": NOW - 1}, 422, "start must be before end"),
    ("history", {**SERIES, "start": NOW - 60 * DAY, "end": NOW}, 422, "choose at most"),
    ("history", {**SERIES, "odd": "1"}, 422, "odd: Extra inputs are not permitted"),
    ("series", {"limit": "0"}, 422, "limit: Input should be greater than or equal to 1"),
    ("series", {"order": "size"}, 422, "order: Input should be 'score' or 'name'"),
    ("queries", {"odd": "1"}, 422, "odd: is not a known parameter"),
    ("nowhere", {}, 404, ""),
]


@pytest.mark.parametrize(("path", "arguments", "status", "detail"), BAD_REQUESTS)
def test_what_is_wrong_is_said_with_what_to_do(
    client: FlaskClient, path: str, arguments: dict[str, Any], status: int, detail: str
) -> None:
    query = {name: json.dumps(value) if name == "labels" else value for name, value in arguments.items()}
    answer = client.get(f"/api/v1/{path}", query_string=query)
    problem: Any = answer.json
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert detail in problem["detail"]
    assert problem["action"]


JSON = "application/json"
BAD_BODIES: list[tuple[str, bytes, str, int, str]] = [
    ("try", b"{}", JSON, 422, "settings: Field required"),
    ("try", b"{", JSON, 422, "Invalid JSON"),
    ("try", b"\xff", JSON, 422, "request: "),
    ("try", b"{}", "text/plain", 415, "the body must be JSON"),
    ("feedback", b"[" * 60_000, JSON, 422, ""),
    ("feedback", b" " * 70_000, JSON, 413, ""),
    ("feedback", json.dumps({**MARK, "kind": "odd"}).encode(), JSON, 422, "kind: "),
    ("feedback", json.dumps({**MARK, "start": "1"}).encode(), JSON, 422, "start: "),
    ("feedback", json.dumps({**MARK, "end": NOW - 700}).encode(), JSON, 422, "start must be"),
    ("feedback", json.dumps({**MARK, "start": NOW - 40 * DAY}).encode(), JSON, 422, "28 days"),
    ("feedback", json.dumps({**MARK, "start": NOW + 5, "end": NOW + 9}).encode(), JSON, 422, "future"),
    ("feedback", json.dumps({**MARK, "query": "nope"}).encode(), JSON, 404, "no query"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "body", "kind", "status", "detail"), BAD_BODIES)
def test_a_bad_body_changes_nothing(
    client: FlaskClient, feedback: FeedbackStore, path: str, body: bytes, kind: str, status: int, detail: str
) -> None:
    answer = client.post(f"/api/v1/{path}", data=body, content_type=kind)
    problem: Any = answer.json
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert detail in problem["detail"]
    assert feedback.windows() == ()


@pytest.mark.parametrize("path", ["/", "/series", "/api/v1/x", "/-/healthy", "/static/x"])
def test_metrics_cannot_take_the_place_of_a_page(
    watch: LiveWatch, feedback: FeedbackStore, path: str
) -> None:
    with pytest.raises(UsageError, match=r"--web\.telemetry-path"):
        create_app(
            watch,
            registry=CollectorRegistry(),
            ready=lambda: True,
            reload=None,
            feedback=feedback,
            telemetry_path=path,
        )


# --- who may change something ---

CHANGES = [("POST", "/api/v1/feedback"), ("POST", "/api/v1/try"), ("DELETE", "/api/v1/feedback/w1"),
           ("POST", "/-/reload")]  # fmt: skip
FOREIGN: list[dict[str, str]] = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Origin": "http://localhost.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://localhost"},  # ours, but without the token of a page
    {"Origin": "http://localhost", "X-Specter-Token": "guessed"},
    {"X-Specter-Token": "é"},
]


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize("headers", FOREIGN)
def test_a_page_of_somebody_else_changes_nothing(
    client: FlaskClient, feedback: FeedbackStore, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = client.open(path, method=method, json=MARK, headers=headers)
    assert answer.status_code == 403
    assert answer.headers.get("Access-Control-Allow-Origin") is None
    assert feedback.windows() == ()


def token(client: FlaskClient) -> str:
    page = client.get("/series", query_string={"query": "quiet"}).text
    return page.partition('name="specter-token" content="')[2].partition('"')[0]


def test_our_own_page_may_with_its_token_and_so_may_a_script_without_a_browser(client: FlaskClient) -> None:
    ours = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin", "X-Specter-Token": token(client)}
    assert client.post("/api/v1/feedback", json=MARK, headers=ours).status_code == 201
    assert client.post("/-/reload").status_code == 200


def test_without_credentials_only_this_machine_changes_something(
    watch: LiveWatch, feedback: FeedbackStore
) -> None:
    open_app, protected = make_app(watch, feedback), make_app(watch, feedback, protected=True)
    elsewhere = [{"REMOTE_ADDR": "10.0.0.9"}, {"HTTP_HOST": "evil.example"}, {"REMOTE_ADDR": ""}]
    for environ in elsewhere:
        refused = open_app.test_client().post("/api/v1/feedback", json=MARK, environ_overrides=environ)
        assert refused.status_code == 403
        assert refused.json is not None
        assert "basic_auth_users" in refused.json["action"]
        allowed = protected.test_client().post("/api/v1/feedback", json=MARK, environ_overrides=environ)
        assert allowed.status_code == 201
    assert open_app.test_client().get("/api/v1/queries", environ_overrides=elsewhere[0]).status_code == 200


def test_another_site_may_not_make_us_replay(client: FlaskClient) -> None:
    query = {"query": "request_rate", "labels": json.dumps(dict(SHOP))}
    answer = client.get("/api/v1/history", query_string=query, headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


def rules(app: Flask) -> Iterator[tuple[str, str]]:
    for rule in app.url_map.iter_rules():
        values = dict.fromkeys(rule.arguments, "x")
        reads = "GET" if "GET" in (rule.methods or ()) else None
        path = app.url_map.bind("localhost").build(rule.endpoint, values, method=reads)
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield method, path


def test_nothing_but_the_health_checks_is_let_in_without_credentials(
    watch: LiveWatch, feedback: FeedbackStore
) -> None:
    options = WebOptions("127.0.0.1", 0, config=WebConfig(basic_auth_users={"ada": HASH}))
    assert is_protected(options)
    assert not is_protected(WebOptions("127.0.0.1", 0))
    app = make_app(watch, feedback, reload=Reloads(), protected=True)
    client = Client(secured(app, options))
    walked = list(rules(app))
    assert len(walked) > 20
    let_in = {
        path for method, path in walked if client.open(path, method=method, json=MARK).status_code != 401
    }
    assert let_in == {"/-/healthy", "/-/ready"}
    assert feedback.windows() == ()
    assert client.get("/", headers=BASIC).status_code == 200
    stored = client.post("/api/v1/feedback", json=MARK, headers=BASIC)
    assert stored.status_code == 201
    assert feedback.windows()[0].author == "ada"


# --- as the document says ---


NOTHING_TO_BREAK = {
    ("GET /api/v1/queries", schemathesis.GenerationMode.NEGATIVE),
    ("POST /-/reload", schemathesis.GenerationMode.NEGATIVE),
    ("DELETE /api/v1/feedback/{window_id}", schemathesis.GenerationMode.NEGATIVE),
}
OPERATIONS = {
    *("GET /api/v1/queries", "GET /api/v1/series", "GET /api/v1/explain", "GET /api/v1/history"),
    *("POST /api/v1/try", "GET /api/v1/feedback", "POST /api/v1/feedback"),
    *("DELETE /api/v1/feedback/{window_id}", "POST /-/reload"),
}


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_every_endpoint_keeps_to_the_document_whatever_it_is_sent(
    app: Flask, operation: str, mode: schemathesis.GenerationMode
) -> None:
    document = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app)
    found = [each.ok() for each in document.get_all_operations() if isinstance(each, Ok)]
    operations = {each.label: each for each in found}
    assert operations.keys() == OPERATIONS

    @given(case=operations[operation].as_strategy(generation_mode=mode), known=booleans())
    @settings(max_examples=20, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    def keeps_to_it(case: "schemathesis.Case[Any]", known: bool) -> None:
        if known and mode is schemathesis.GenerationMode.POSITIVE:
            _of_a_series_that_there_is(case)
        # No schema can say that a start is before an end, or how much may be replayed.
        case.call_and_validate(excluded_checks=[positive_data_acceptance])

    try:
        keeps_to_it()
    except Unsatisfiable:
        # Nothing can be wrong with a request that has no parts.
        assert (operation, mode) in NOTHING_TO_BREAK


def _of_a_series_that_there_is(case: "schemathesis.Case[Any]") -> None:
    """Let the request reach what stands behind the look-up of the series."""
    if isinstance(case.body, dict):
        case.body.update({"query": "request_rate", "labels": {**dict(SHOP)}, "model": "default"})
    elif case.query and "query" in case.query:
        real = {"query": "request_rate", "model": "default", "labels": json.dumps(dict(SHOP))}
        case.query.update({name: value for name, value in real.items() if name in case.query})


def test_the_document_names_every_endpoint(app: Flask, client: FlaskClient) -> None:
    text: Any = client.get("/api/v1/openapi.json").json
    assert text["openapi"] == "3.1.0"
    named = {
        (method.upper(), path.replace("{window_id}", "x"))
        for path, operations in text["paths"].items()
        for method in operations
    }
    ours = {(method, path) for method, path in rules(app) if path.startswith("/api/") and method != "HEAD"}
    assert ours - named == {("GET", "/api/v1/openapi.json")}


def test_the_yaml_of_tried_settings_is_a_configuration(client: FlaskClient) -> None:
    body = {**SERIES, "start": NOW - DAY, "end": NOW, "settings": SETTINGS}
    answer: Any = client.post("/api/v1/try", json=body).json
    part = yaml.safe_load(answer["yaml"])
    part["reader"]["queries"]["request_rate"]["expr"] = "up"
    model = DetectorSchema.model_validate(part).models["request_rate"]
    assert (model.detection_direction, model.min_rel_dev_from_expected) == ("below_expected", (0.5, 0.1))
    assert part["reader"]["queries"]["request_rate"]["data_range"] == [0, float("inf")]


def test_hostile_labels_come_back_as_they_are(client: FlaskClient) -> None:
    said = get(client, "history", query="request_rate", labels=dict(HOSTILE), start=NOW - DAY / 4, end=NOW)
    assert said["labels"] == dict(HOSTILE)
