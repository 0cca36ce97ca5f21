"""What entries are counted as, and that labels stay bounded whatever is in the log."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from specter_exporters.logs.routes import Router
from specter_exporters.logs.rules.signin import Outcome
from specter_exporters.logs.rules.traffic import cache_status
from tests.exporters.logs.reading import Reading

Lines = list[dict[str, object]]


@pytest.fixture
def count(tmp_path: Path) -> Callable[[str, Lines], Reading]:
    """Return what counts JSON lines with the settings given as YAML."""

    def reading(settings: str, lines: Lines) -> Reading:
        log = tmp_path / "x.log"
        log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
        body = "".join(f"    {line}\n" for line in settings.strip().splitlines())
        config = f"logs:\n  - name: x\n    files: ['{log}']\n    start: beginning\n    format: json\n{body}"
        return Reading(config).read()

    return reading


Count = Callable[[str, Lines], Reading]


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/products/17", "/products/{id}"),
        ("/products/17?x=1#y", "/products/{id}"),
        ("/users/550e8400-e29b-41d4-a716-446655440000/orders", "/users/{id}/orders"),
        ("/v1/objects/5f2b6c9d8e", "/v1/objects/{id}"),
        ("/v12/jobs/job-12345", "/v12/jobs/{id}"),
        ("/u/jane@example.com", "/u/{id}"),
        ("/t/eyJhbGciOiJIUzI1NiJ9", "/t/{id}"),
        ("/static/main-8f3b2c1a.js", "/static/main-{hash}.js"),
        ("/images/12345.png", "/images/{id}.png"),
        ("/a%20b/c", "/{id}/c"),
        ("http://shop.example.com/cart?x", "/cart"),
        ("/x" * 100, "/x/x/x/x/x/x/x/x/x/x/x/x/{...}"),
        ("/" + "a" * 5000, "/{id}"),
        ("*", ""),
        ("", ""),
        ("\x16\x03\x01", ""),
    ],
)
def test_identifiers_in_paths_collapse(path: str, route: str) -> None:
    assert Router().route(path) == (route, False)


def test_rules_name_routes_first() -> None:
    router = Router(["/shop/{category}/{product}", "/files/{path...}", "/health"])
    assert router.route("/shop/shoes/trainers?x=1") == ("/shop/{category}/{product}", True)
    assert router.route("/files/a/b/c.txt") == ("/files/{path...}", True)
    assert router.route("/files") == ("/files", False)
    assert router.route("/health/") == ("/health", True)
    assert router.route("/shop/shoes") == ("/shop/shoes", False)


def request(path: str, status: object = 200, **more: object) -> dict[str, object]:
    """Return an access line."""
    return {"method": "GET", "path": path, "status": status, **more}


def routes(reading: Reading) -> dict[str, float]:
    """Return the requests by route."""
    found: dict[str, float] = {}
    for key, value in reading.series("specter_log_http_requests_total").items():
        found[dict(key)["http_route"]] = found.get(dict(key)["http_route"], 0) + value
    return found


def test_routes_are_bounded(count: Count) -> None:
    word = "abcdefghij"
    lines = [request(f"/{word[n // 10]}{word[n % 10]}") for n in range(100)]
    reading = count("requests: {max_routes: 20}", lines)
    by_route = routes(reading)
    assert len(by_route) == 21
    assert by_route["other"] == 80
    assert reading.value("specter_log_label_overflow_total", metric="specter_log_http_requests_total") == 80


def test_what_scanners_ask_for_gets_no_routes(count: Count) -> None:
    lines = [request("/orders/1", 404), request("/wp-login.php", 404), request("/orders/2")]
    lines += [request("/orders/3", 404)]
    reading = count("requests: {routes: [/cart]}", [*lines, request("/cart", 404)])
    # A route that has been served keeps its 404s; a rule's has them from the start.
    assert routes(reading) == {"": 2, "/orders/{id}": 2, "/cart": 1}


def test_requests_can_stand_in_for_the_services_own_metrics(count: Count) -> None:
    reading = count("requests: {as_server: true}", [request("/a", 200, duration=0.2), request("/a", "500")])
    labels = {"http_request_method": "GET", "http_route": "/a", "http_response_status_code": "200"}
    assert reading.value("http_server_request_duration_seconds_count", **labels) == 1
    assert reading.value("http_server_request_duration_seconds_bucket", le="0.25", **labels) == 1
    assert reading.value("specter_log_http_requests_total", **labels) == 1


@pytest.mark.parametrize("status", [None, "", "x", 20, 2000, True, [200], {"a": 1}, 200.5])
def test_what_is_no_request_is_not_counted_as_one(count: Count, status: object) -> None:
    assert routes(count("requests: true", [request("/a", status)])) == {}


@pytest.mark.parametrize("duration", ["x", -1, [], True, "1e400", "nan"])
def test_a_duration_that_is_none_is_counted_as_an_error(count: Count, duration: object) -> None:
    reading = count("requests: true", [request("/a", duration=duration)])
    name = "specter_log_http_request_duration_seconds"
    assert reading.value("specter_log_field_errors_total", metric=name) == 1
    assert routes(reading) == {"/a": 1}


CUSTOM = """
counters:
  - name: orders_total
    labels: {country: geo.country, plan: {field: plan, values: [free, pro]}}
    when: {event: order}
  - {name: revenue_euros_total, value: amount, when: {event: [order, renewal], amount: {min: 1}}}
  - {name: tenants_total, labels: {tenant: {field: tenant, max_values: 3}}}
histograms:
  - {name: job_duration_seconds, value: took, unit: ms, buckets: [0.1, 1], when: {task: {matches: ^mail}}}
"""


def test_counters_and_histograms_out_of_fields(count: Count) -> None:
    lines: Lines = [
        {"event": "order", "geo": {"country": "DE"}, "plan": "pro", "amount": 10},
        {"event": "order", "geo": {"country": "DE"}, "plan": "secret", "amount": "2.5"},
        {"event": "order", "geo": "none", "amount": 0.5},
        {"event": "renewal", "amount": 100},
        {"event": "renewal", "amount": "much"},
        {"task": "mailing", "took": 50},
        {"task": "mailing", "took": 500},
        {"task": "other", "took": 500},
    ]
    reading = count(CUSTOM, lines)
    assert reading.value("orders_total", country="DE", plan="pro") == 1
    assert reading.value("orders_total", country="DE", plan="other") == 1
    assert reading.value("orders_total", country="", plan="other") == 1
    assert reading.value("revenue_euros_total") == 112.5
    assert reading.value("job_duration_seconds_bucket", le="0.1") == 1
    assert reading.value("job_duration_seconds_count") == 2
    assert reading.value("job_duration_seconds_sum") == pytest.approx(0.55)


@pytest.mark.parametrize("number", [1e308, "1e308", 2**64 - 1, 10**18])
def test_numbers_beyond_measure_spoil_neither_sums_nor_what_is_saved(tmp_path: Path, number: object) -> None:
    log = tmp_path / "x.log"
    log.write_text((json.dumps({"level": "info", "paid": number}) + "\n") * 30, encoding="utf-8")
    config = f"""
logs:
  - name: x
    files: ['{log}']
    start: beginning
    format: json
    counters: [{{name: paid_total, value: paid}}]
"""
    for _ in range(2):  # a restart reads what was saved
        reading = Reading(config, tmp_path / "state").read()
        expected = (3e19, 0.0) if number == 10**18 else (0.0, 30.0)
        errors = reading.value("specter_log_field_errors_total", metric="paid_total")
        assert (reading.value("paid_total"), errors) == expected
        reading.exporter.close()


def test_a_slow_condition_is_given_up_and_told_of(count: Count) -> None:
    settings = """
counters:
  - name: slow_total
    when: {path: {matches: '.*error.*timeout.*'}}
"""
    paths = ["error" * 800] * 50 + ["error, timeout"]
    lines: Lines = [{"level": "info", "path": path} for path in paths]
    started = time.process_time()
    reading = count(settings, lines)
    assert time.process_time() - started < 5  # each by itself takes 0.2 s
    assert reading.value("slow_total") == 1
    assert reading.value("specter_log_malformed_lines_total", reason="time_limit") == 50
    assert reading.value("specter_log_lines_total", level="info") == 51


def test_labels_out_of_fields_are_bounded(count: Count) -> None:
    reading = count(CUSTOM, [{"tenant": f"t{n % 10}"} for n in range(100)])
    tenants = reading.series("tenants_total")
    assert {dict(key)["tenant"]: value for key, value in tenants.items()} == {
        "t0": 10,
        "t1": 10,
        "t2": 10,
        "other": 70,
    }
    assert reading.value("specter_log_label_overflow_total", metric="tenants_total") == 70


def test_label_values_are_short_and_printable(count: Count) -> None:
    reading = count(CUSTOM, [{"tenant": "a\nb\x00" + "x" * 10_000}])
    ((labels, _),) = reading.series("tenants_total").items()
    assert dict(labels)["tenant"] == "a?b?" + "x" * 196


class Told:
    """Remembers attempts."""

    def __init__(self) -> None:
        self.attempts: list[tuple[str, str, str, str]] = []

    def attempt(self, source: str, account: str, outcome: Outcome, *, user_agent: str) -> None:
        """Take one attempt."""
        self.attempts.append((source, account, outcome, user_agent))


SIGNIN = """
signin:
  - when: {path: /login, method: POST}
    failed: {status: {min: 400}}
"""


def test_attempts_to_sign_in(count: Count, tmp_path: Path) -> None:
    lines: Lines = [
        {"method": "POST", "path": "/login", "status": 302, "ip": "203.0.113.9", "user": "jane"},
        {"method": "POST", "path": "/login", "status": 401, "ip": "203.0.113.9", "user_agent": "curl/8"},
        {"method": "GET", "path": "/login", "status": 200},
    ]
    reading = count(SIGNIN, lines)
    assert reading.value("specter_auth_attempts_total", outcome="success") == 1
    assert reading.value("specter_auth_attempts_total", outcome="failed") == 1
    told = Told()
    settings = "".join(f"    {line}\n" for line in SIGNIN.strip().splitlines())
    config = f"logs:\n  - name: x\n    files: ['{tmp_path}/x.log']\n    start: beginning\n    format: json\n"
    other = Reading(config + settings, attempts=told).read()
    assert told.attempts == [
        ("203.0.113.9", "jane", "success", ""),
        ("203.0.113.9", "", "failed", "curl/8"),
    ]
    assert other.series("specter_auth_attempts_total") == {}


@pytest.mark.parametrize(
    ("text", "status"),
    [("HIT", "hit"), ("TCP_MEM_HIT", "hit"), ("MISS, HIT", "hit"), ("DYNAMIC", "bypass"), ("Error", "error")],
)
def test_caches_have_words_of_their_own(text: str, status: str) -> None:
    assert cache_status(text) == status


def test_cdn_hit_ratio_and_bytes(count: Count) -> None:
    lines: Lines = [{"cache_status": "HIT", "bytes": 100}] * 3 + [{"cache_status": "weird", "bytes": "x"}]
    reading = count("cdn: true", [*lines, {"cache_status": "-"}, {}])
    assert reading.series("specter_log_cdn_requests_total") == {
        (("cache_status", "hit"),): 3,
        (("cache_status", "unknown"),): 1,
    }
    assert reading.value("specter_log_cdn_bytes_total", cache_status="hit") == 300
    assert reading.value("specter_log_field_errors_total", metric="specter_log_cdn_bytes_total") == 1


def test_web_vitals(count: Count) -> None:
    lines: Lines = [
        {"name": "LCP", "value": 2400, "page": "/products/17?x", "device": "mobile"},
        {"name": "LCP", "value": 2600.5, "page": "/products/18", "device": "toaster"},
        {"name": "CLS", "value": 0.09, "page": "/", "device": "desktop"},
        {"name": "INP", "value": -3, "page": "/", "device": "desktop"},
        {"name": "LCP", "value": 1e9, "page": "/", "device": "desktop"},
        {"name": "nothing", "value": 1},
    ]
    reading = count("web_vitals: true", lines)
    page = "/products/{id}"
    name = "specter_web_vitals_lcp_seconds"
    assert reading.value(f"{name}_bucket", page=page, device="mobile", le="2.5") == 1
    assert reading.value(f"{name}_bucket", page=page, device="other", le="2.5") == 0
    assert reading.value(f"{name}_bucket", page=page, device="other", le="3.0") == 1
    assert reading.value("specter_web_vitals_cls_sum", page="/", device="desktop") == 0.09
    assert reading.value("specter_log_field_errors_total", metric="specter_web_vitals_inp_seconds") == 1
    assert reading.value("specter_log_field_errors_total", metric=name) == 1


def test_a_restart_with_other_settings_keeps_what_fits(tmp_path: Path) -> None:
    log, state = tmp_path / "x.log", tmp_path / "state"
    head = f"logs:\n  - name: x\n    files: ['{log}']\n    start: beginning\n    format: json\n"

    def settings(labels: str, buckets: str) -> str:
        counter = f"    counters: [{{name: a_total, labels: {{{labels}}}}}]\n"
        return head + counter + f"    histograms: [{{name: h, value: v, buckets: {buckets}}}]\n"

    log.write_text('{"a": "1", "b": "2", "v": 3}\n', encoding="utf-8")
    first = Reading(settings("a: a", "[1, 5]"), state).read()
    assert first.lines == 1
    first.kill()
    second = Reading(settings("b: b", "[1, 9]"), state).read()
    assert second.lines == 1
    assert second.series("a_total") == {}
    assert second.series("h_count") == {}
    assert sum(second.series("specter_log_lines_total").values()) == 1
