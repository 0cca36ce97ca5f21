"""The sign-in API: what it takes, what it refuses and says of it, and whom it tells of breaches."""

import json
from collections.abc import Iterable
from io import BytesIO
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from werkzeug.test import Client, EnvironBuilder, TestResponse

from specter_exporters.signin import (
    ApiOptions,
    EventError,
    Settings,
    SignIns,
    TrustedProxies,
    ingest,
    signin_api,
)
from specter_exporters.token_bucket import TokenBucket
from tests.exporters.signin_driving import NOON, ManualClock, driven, exposed

WRITE = {"Authorization": "Bearer write-token"}
READ = {"Authorization": "Bearer read-token"}
SIGNINS, BREACHES, DOCUMENT = "/api/v1/signins", "/api/v1/suspected-breaches", "/api/v1/openapi.json"
ATTEMPT = {"event": "attempt", "source": "203.0.113.7", "account": "u-1", "outcome": "failed"}


class Api:
    """The API of a recorder, with a clock that stands still."""

    def __init__(self, **options: Any) -> None:
        self.signins, self.clock = driven(Settings(show_addresses=True))
        tokens = {"write_token": "write-token", "read_token": "read-token"} | options
        self.client = Client(signin_api(self.signins, ApiOptions(**tokens), self.clock))

    def post(self, events: Any, headers: dict[str, str] | None = None, **more: Any) -> TestResponse:
        body = events if isinstance(events, bytes) else json.dumps(events).encode()
        more.setdefault("content_type", "application/json")
        return self.client.post(SIGNINS, data=body, headers=WRITE if headers is None else headers, **more)

    def breaches(self, query: str = "", headers: dict[str, str] | None = None) -> TestResponse:
        return self.client.get(f"{BREACHES}?{query}", headers=READ if headers is None else headers)

    def refused(self) -> dict[str, float]:
        found = exposed(self.signins, "specter_auth_events_refused_total")
        return {reason: value for (reason,), value in found.items() if value}

    def attempts(self) -> float:
        return sum(exposed(self.signins, "specter_auth_attempts_total").values())


def problem(response: TestResponse, status: int) -> dict[str, Any]:
    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    content: dict[str, Any] = response.get_json(force=True)
    assert content["status"] == status
    assert content["action"]
    return content


def test_a_batch_of_events_is_recorded() -> None:
    api = Api()
    events = [
        *[ATTEMPT] * 5,
        {**ATTEMPT, "outcome": "success", "user_agent": "curl/8", "time": NOON - 5},
        {"event": "request", "source": "203.0.113.7", "user_agent": "curl/8"},
        {"event": "captcha_challenge"},
        {"event": "captcha_success"},
        {"event": "lockout"},
    ]
    response = api.post(events)
    assert (response.status_code, response.get_json()) == (202, {"accepted": 10})
    assert exposed(api.signins, "specter_auth_attempts_total")["failed",] == 5
    assert exposed(api.signins, "specter_auth_source_failures")["address", "203.0.113.7"] == 5
    assert exposed(api.signins, "specter_http_user_agent_requests_total")["script",] == 1
    for name in ("captcha_challenges", "captcha_successes", "lockouts"):
        assert exposed(api.signins, f"specter_auth_{name}_total") == {(): 1}
    assert api.refused() == {}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([{**ATTEMPT, "outcome": "fialed"}], "[0].attempt.outcome: Input should be 'success', 'failed'"),
        ([ATTEMPT, {"event": "sign-in"}], "'attempt', 'request'"),
        ([{**ATTEMPT, "password": "hunter2"}], "[0].attempt.password: Extra inputs are not permitted"),
        ([{"event": "attempt"}], "[0].attempt.source: Field required"),
        ([{**ATTEMPT, "time": -1}], "[0].attempt.time"),
        ([{**ATTEMPT, "time": "soon"}], "[0].attempt.time"),
        ([{**ATTEMPT, "time": "5"}], "[0].attempt.time"),
        ([{**ATTEMPT, "time": True}], "[0].attempt.time"),
        ([{**ATTEMPT, "source": "x" * 65}], "[0].attempt.source"),
        ([{**ATTEMPT, "account": "x" * 129}], "[0].attempt.account"),
        ([{**ATTEMPT, "source": None}], "[0].attempt.source"),
        ([], "body: List should have at least 1 item"),
        ([ATTEMPT] * 1001, "body: List should have at most 1000 items"),
        ({"events": []}, "body: Input should be a valid array"),
        (b"{", "body: Invalid JSON"),
        (b" ", "body: Invalid JSON"),
        (b"\xff\xfe", "body: Invalid JSON"),
        (b'[{"event": "attempt", "source": "\\ud800", "outcome": "failed"}]', "body: Invalid JSON"),
        (b"[" * 100_000, "body: Invalid JSON"),
        ([1, None, "x"], "[2]"),
    ],
)
def test_an_invalid_batch_is_refused_whole_with_its_places(events: Any, said: str) -> None:
    api = Api()
    detail = problem(api.post(events), 422)
    assert said in detail["detail"]
    assert "hunter2" not in json.dumps(detail)
    assert "u-1" not in json.dumps(detail)
    assert len(json.dumps(detail)) < 8000
    assert api.attempts() == 0
    assert api.refused() == {"invalid": 1}


def test_errors_are_listed_up_to_ten_and_unknown_names_cut() -> None:
    detail = problem(Api().post([{"event": "x" * 20_000}] * 20), 422)["detail"]
    assert "and 10 more" in detail
    assert len(detail) < 4000


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic write-token"}, READ,
     {"Authorization": "Bearer"}, {"Authorization": "Bearer \xe4"}],
)  # fmt: skip
def test_a_wrong_token_is_told_and_counted(headers: dict[str, str]) -> None:
    api = Api()
    response = api.post([ATTEMPT], headers)
    problem(response, 401)
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert api.attempts() == 0
    assert api.refused() == {"unauthorized": 1}


def test_a_writer_may_not_read_and_nobody_may_without_a_token_set() -> None:
    problem(Api().breaches(headers=WRITE), 401)
    closed = Api(write_token=None, read_token=None)
    assert "api.read_token_file" in problem(closed.breaches(), 403)["action"]
    assert "api.write_token_file" in problem(closed.post([ATTEMPT]), 403)["action"]


def test_a_body_that_is_too_large_is_not_read() -> None:
    class Unread:
        def read(self, _size: int = -1) -> bytes:
            raise AssertionError("the body was read")

        def readline(self, _size: int = -1) -> bytes:
            raise AssertionError("the body was read")

        def readlines(self, _hint: int = -1) -> list[bytes]:
            raise AssertionError("the body was read")

        def __iter__(self) -> Iterable[bytes]:
            raise AssertionError("the body was read")

    api = Api()
    environ = {"CONTENT_LENGTH": str(2**20 + 1), "CONTENT_TYPE": "application/json", "wsgi.input": Unread()}
    problem(api.client.post(SIGNINS, headers=WRITE, environ_overrides=environ), 413)
    assert api.refused() == {"too_large": 1}


def test_a_body_in_chunks_is_taken_and_one_that_ends_early_refused() -> None:
    api = Api()
    chunked = {"CONTENT_TYPE": "application/json", "wsgi.input": BytesIO(json.dumps([ATTEMPT]).encode())}
    assert api.client.post(SIGNINS, headers=WRITE, environ_overrides=chunked).status_code == 202
    short = {**chunked, "wsgi.input": BytesIO(b"["), "CONTENT_LENGTH": "2"}
    problem(api.client.post(SIGNINS, headers=WRITE, environ_overrides=short), 400)
    large = {**chunked, "wsgi.input": BytesIO(b" " * (2**20 + 1))}
    problem(api.client.post(SIGNINS, headers=WRITE, environ_overrides=large), 413)
    assert api.refused() == {"unreadable": 1, "too_large": 1}
    assert api.attempts() == 1


def test_a_body_of_another_type_or_compressed_is_refused() -> None:
    api = Api()
    problem(api.post([ATTEMPT], content_type="text/plain"), 415)
    problem(api.post([ATTEMPT], {**WRITE, "Content-Encoding": "gzip"}), 415)
    assert api.post([ATTEMPT], content_type="application/json; charset=utf-8").status_code == 202


def test_a_flood_is_answered_with_when_to_come_back() -> None:
    api = Api(requests_per_second=2)
    statuses = [api.post([ATTEMPT]).status_code for _ in range(5)]
    assert statuses == [202] * 4 + [429]
    response = api.post([ATTEMPT])
    problem(response, 429)
    assert response.headers["Retry-After"] == "1"
    # Who has no token takes no place away from those who have.
    for _ in range(10):
        problem(api.post([ATTEMPT], {}), 401)
    api.clock.sleep(1)
    assert api.post([ATTEMPT]).status_code == 202
    assert api.refused() == {"rate_limited": 2, "unauthorized": 10}
    assert api.attempts() == 5


def test_a_bucket_fills_up_to_its_burst() -> None:
    clock = ManualClock()
    bucket = TokenBucket(10, clock.monotonic)
    assert bucket.take(20) == 0
    assert bucket.take(5) == pytest.approx(0.5)
    clock.sleep(100)
    assert bucket.take(20) == 0
    assert bucket.take(1) == pytest.approx(0.1)


def test_a_slow_limit_lets_one_through_at_a_time() -> None:
    api = Api(requests_per_second=0.1)
    assert api.post([ATTEMPT]).status_code == 202
    problem(api.post([ATTEMPT]), 429)
    api.clock.sleep(10)
    assert api.post([ATTEMPT]).status_code == 202


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", SIGNINS, 405), ("POST", BREACHES, 405), ("GET", "/", 404), ("GET", "/api/v1/\ud83d\ude00", 404)],
)
def test_other_paths_and_methods_are_told(method: str, path: str, status: int) -> None:
    response = Api().client.open(path.encode("utf-8", "replace").decode(), method=method)
    problem(response, status)


@pytest.mark.parametrize(("path", "status"), [(SIGNINS, "405"), (BREACHES, "405"), ("/", "404")])
def test_head_is_answered_without_a_body(path: str, status: str) -> None:
    # A test client leaves a body out by itself.
    said: list[str] = []
    environ = EnvironBuilder(path=path, method="HEAD").get_environ()
    body = signin_api(driven()[0], ApiOptions())(environ, lambda line, *_: said.append(line))  # type: ignore[arg-type]
    assert b"".join(body) == b""
    assert said[0].startswith(status)


def breached(api: Api, count: int) -> None:
    for number in range(30):
        api.signins.attempt("198.51.100.7", f"leaked-{number}", "failed")
    for number in range(count):
        api.clock.sleep(1)
        api.signins.attempt(f"198.51.100.{7 + number}", "x", "success")
        for each in range(30):
            api.signins.attempt(f"198.51.100.{8 + number}", f"leaked-{each}", "failed")


def test_breaches_are_listed_newest_first_in_pages() -> None:
    api = Api()
    breached(api, 5)
    first = api.breaches("limit=2")
    assert first.headers["Cache-Control"] == "no-store"
    content = first.get_json()
    assert content["breaches"][0] == {
        "number": 5, "time": NOON + 5, "account": "x", "source": "198.51.100.11", "kind": "many_accounts",
        "failures": 30, "accounts_tried": 30,
    }  # fmt: skip
    assert [each["number"] for each in content["breaches"]] == [5, 4]
    second = api.breaches(f"limit=2&before={content['next']}").get_json()
    assert [each["number"] for each in second["breaches"]] == [3, 2]
    last = api.breaches(f"limit=2&before={second['next']}").get_json()
    assert ([each["number"] for each in last["breaches"]], last["next"]) == ([1], None)
    assert api.breaches().get_json()["next"] is None


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "before=0", "before=", "limit=1&who=me", f"before={2**80}"]
)
def test_a_wrong_parameter_is_named(query: str) -> None:
    api = Api()
    breached(api, 1)
    assert "invalid: " in problem(api.breaches(query), 422)["detail"]


def test_the_client_behind_a_trusted_proxy_is_the_source() -> None:
    api = Api(proxies=TrustedProxies(["10.0.0.0/8"]))
    event = {**ATTEMPT, "source": "10.0.0.1", "forwarded_for": "8.8.8.8, 198.51.100.7"}
    untrusted = {**ATTEMPT, "source": "203.0.113.9", "forwarded_for": "8.8.8.8"}
    assert api.post([event] * 6 + [untrusted] * 5).status_code == 202
    found = exposed(api.signins, "specter_auth_source_failures")
    assert {source for grouping, source in found if grouping == "address"} == {
        "198.51.100.7", "203.0.113.9", "other",
    }  # fmt: skip


def test_ingest_takes_decoded_events_for_another_server() -> None:
    signins, _ = driven()
    assert ingest(signins, [ATTEMPT, {"event": "lockout"}]) == 2
    with pytest.raises(EventError, match=r"\[1\]\.attempt\.outcome"):
        ingest(signins, [ATTEMPT, {**ATTEMPT, "outcome": ""}])
    assert exposed(signins, "specter_auth_attempts_total")["failed",] == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NEARLY = st.fixed_dictionaries(
    {"event": st.sampled_from(["attempt", "request", "lockout", "?"]) | JSON},
    optional=dict.fromkeys(("source", "account", "outcome", "user_agent", "time"), JSON),
)


@given(body=st.one_of(st.binary(min_size=1, max_size=200), st.lists(st.one_of(NEARLY, JSON), max_size=3)))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_body_is_taken_or_refused_and_never_an_error(body: Any) -> None:
    api = Api()
    assert api.post(body).status_code in {202, 422}
    exposed(api.signins, "specter_auth_attempts_total")


@pytest.mark.parametrize("operation", ["POST /api/v1/signins", "GET /api/v1/suspected-breaches"])
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_the_api_keeps_to_its_document(operation: str, mode: schemathesis.GenerationMode) -> None:
    signins = SignIns(clock=ManualClock())
    app = signin_api(signins, ApiOptions("token", "token", requests_per_second=1e6), ManualClock())
    document = schemathesis.openapi.from_wsgi(DOCUMENT, app)
    found = {each.ok().label: each.ok() for each in document.get_all_operations() if isinstance(each, Ok)}
    assert len(found) == 2

    @given(case=found[operation].as_strategy(generation_mode=mode))
    @settings(max_examples=25, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    def keeps_to_it(case: "schemathesis.Case[Any]") -> None:
        case.call_and_validate(headers={"Authorization": "Bearer token"})

    keeps_to_it()
