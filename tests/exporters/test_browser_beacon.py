"""The beacon: what it counts, whom it refuses and says why, and that no request makes a label or an error."""

import itertools
import json
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest
from schemathesis.core.result import Ok

from specter_core import metrics
from specter_exporters.browser.clients import MAX_CLIENTS, ClientLimits
from specter_exporters.vitals import VITALS
from tests.exporters.browser_setup import LCP, PAGES, SHOP, Site, problem
from tests.exporters.signin_driving import ManualClock

BUCKET = "specter_web_vitals_lcp_seconds_bucket"


def test_a_measurement_is_counted_by_template_and_device_in_seconds() -> None:
    site = Site()
    response = site.post(LCP)
    assert (response.status_code, response.data) == (204, b"")
    assert site.samples("specter_web_vitals_lcp_seconds_sum") == {("/product/{id}", "mobile"): 1.2345}
    buckets = site.samples(BUCKET)
    assert buckets["/product/{id}", "mobile", "1.0"] == 0
    assert buckets["/product/{id}", "mobile", "1.5"] == 1
    assert site.samples("specter_beacon_requests_total") == {(): 1}
    assert (site.refused(), site.refused("measurements")) == ({}, {})


def test_all_vitals_come_in_one_list_and_a_shift_has_no_unit() -> None:
    site = Site()
    sent = [{**LCP, "name": name, "value": 250} for name in ("LCP", "INP", "FCP", "TTFB")]
    # As the package's own objects are: with fields that nothing here reads.
    sent.append({**LCP, "name": "CLS", "value": 0.25, "delta": 0.25, "rating": "poor", "entries": [{}],
                 "navigationType": "reload"})  # fmt: skip
    assert site.post(sent, content_type="application/json").status_code == 204
    where = ("/product/{id}", "mobile")
    for name in ("lcp_seconds", "inp_seconds", "fcp_seconds", "ttfb_seconds", "cls"):
        assert site.samples(f"specter_web_vitals_{name}_sum") == {where: 0.25}
    assert site.samples("specter_beacon_requests_total") == {(): 1}


def test_the_limits_between_good_and_poor_are_those_of_web_dev_and_edges_of_buckets() -> None:
    assert {name: metrics.WEB_VITALS_LIMITS[vital.metric] for name, vital in VITALS.items()} == {
        "LCP": (2.5, 4.0),
        "INP": (0.2, 0.5),
        "CLS": (0.1, 0.25),
        "FCP": (1.8, 3.0),
        "TTFB": (0.8, 1.8),
    }
    for metric, limits in metrics.WEB_VITALS_LIMITS.items():
        assert set(limits) <= set(metric.buckets)


def test_a_value_at_the_limit_is_good() -> None:
    site = Site()
    site.post([{**LCP, "id": "at", "value": 2500}, {**LCP, "id": "above", "value": 2500.1}])
    assert site.samples(BUCKET)["/product/{id}", "mobile", "2.5"] == 1


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        ({"name": "FID"}, "name", "name must be one of LCP, INP, CLS, FCP, TTFB"),
        ({"name": ["LCP"]}, "name", "name must be"),
        ({"value": -1}, "value", "value of LCP must be a number from 0 to 600000"),
        ({"value": 600_000.1}, "value", "from 0 to 600000"),
        ({"value": "1234"}, "value", "must be a number"),
        ({"value": True}, "value", "must be a number"),
        ({"value": None}, "value", "must be a number"),
        ({"name": "CLS", "value": 100.1}, "value", "value of CLS must be a number from 0 to 100"),
        ({"id": ""}, "id", "id must be a text of 1 to 100 characters"),
        ({"id": 7}, "id", "id must be"),
        ({"id": "x" * 101}, "id", "id must be"),
        ({"page": "https://shop.example.org/"}, "page", "page must be a path"),
        ({"page": "/" + "x" * 2048}, "page", "page must be a path"),
        ({"page": None}, "page", "page must be a path"),
        ({"device": 1}, "device", "device must be one of desktop, mobile, tablet, other"),
    ],
)
def test_a_wrong_field_is_named_and_what_is_right_beside_it_counts(
    change: dict[str, Any], reason: str, said: str
) -> None:
    site = Site()
    told = problem(site.post([{**LCP, **change}, LCP]), 422)
    assert said in told["detail"]
    assert told["accepted"] == 1
    assert [(one["index"], one["reason"]) for one in told["refused"]] == [(0, reason)]
    assert site.counted() == {("/product/{id}", "mobile"): 1}
    assert (site.refused(), site.refused("measurements")) == ({"invalid": 1}, {reason: 1})


@pytest.mark.parametrize("field", ["name", "value", "id", "page"])
def test_a_missing_field_is_named(field: str) -> None:
    site = Site()
    told = problem(site.post({key: value for key, value in LCP.items() if key != field}), 422)
    assert told["refused"][0]["reason"] == field


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "the body is not JSON: Expecting value at character 0"),
        (b"{", 400, "the body is not JSON"),
        (b"\xff", 400, "it is not UTF-8"),
        (b"[" * 50_000, 400, "it nests too deep"),
        (json.dumps({**LCP, "value": float("nan")}).encode(), 400, "a number is none of JSON's"),
        (b'{"name": "LCP", "value": 1e999, "id": "a", "page": "/"}', 422, "must be a number from 0"),
        (b'{"name": "LCP", "value": 1%b, "id": "a", "page": "/"}' % (b"0" * 4000), 422, "must be a number"),
        (b"[]", 422, "there is no measurement in the list"),
        (b"7", 422, "a measurement must be an object"),
        (json.dumps([LCP] * 21).encode(), 413, "21 measurements, at most 20"),
        (b" " * (64 * 1024 + 1), 413, "the body may have 65536 bytes"),
    ],
)
def test_a_body_that_cannot_be_taken_is_told_why(body: bytes, status: int, said: str) -> None:
    site = Site()
    assert said in problem(site.post(body), status)["detail"]
    assert site.counted() == {}
    assert sum(site.refused().values()) == 1


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [("application/x-www-form-urlencoded", {}), ("", {}), ("text/plain", {"Content-Encoding": "gzip"})],
)
def test_another_kind_of_body_is_refused(content_type: str, headers: dict[str, str]) -> None:
    site = Site()
    problem(site.post(LCP, content_type=content_type, headers=headers), 415)
    assert site.refused() == {"content_type": 1}


@pytest.mark.parametrize(
    "origin",
    [None, "", "null", "*", "https://evil.example.org", "http://shop.example.org", f"{SHOP}:8443",
     f"{SHOP}.evil.org", f"{SHOP}/"],
)  # fmt: skip
def test_another_sites_page_is_refused_and_may_not_read_why(origin: str | None) -> None:
    site = Site()
    response = site.post(LCP, origin=origin)
    problem(response, 403)
    assert "Access-Control-Allow-Origin" not in response.headers
    headers = {"Access-Control-Request-Method": "POST"} | ({} if origin is None else {"Origin": origin})
    preflight = site.client.options("/beacon", headers=headers)
    problem(preflight, 403)
    assert "Access-Control-Allow-Origin" not in preflight.headers
    assert site.refused() == {"origin": 2}
    assert site.counted() == {}


def test_a_preflight_allows_a_post_of_json_and_no_credentials() -> None:
    site = Site()
    response = site.client.options(
        "/beacon",
        headers={
            "Origin": SHOP,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        },
    )
    assert response.status_code == 204
    cors = {name: value for name, value in response.headers.items() if name.startswith("Access-Control-")}
    assert cors == {
        "Access-Control-Allow-Origin": SHOP,
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Content-Type",
        "Access-Control-Max-Age": "7200",
    }
    assert response.headers["Vary"] == "Origin"


def test_an_allowed_page_may_read_what_was_wrong() -> None:
    response = Site().post(b"{")
    assert response.status_code == 400
    assert response.headers["Access-Control-Allow-Origin"] == SHOP


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/beacon", 405), ("PUT", "/beacon", 405), ("HEAD", "/beacon", 405), ("POST", "/metrics", 404),
     ("GET", "/metrics", 404), ("GET", "/", 404), ("POST", "/openapi.json", 405)],
)  # fmt: skip
def test_other_paths_and_methods_are_told(method: str, path: str, status: int) -> None:
    assert Site().client.open(path, method=method, headers={"Origin": SHOP}).status_code == status


def test_a_flood_of_one_client_leaves_room_for_others() -> None:
    site = Site(client_requests_per_second=2, requests_per_second=100)

    def send(address: str) -> Any:
        return site.post(LCP, environ_overrides={"REMOTE_ADDR": address})

    assert [send("192.0.2.1").status_code for _ in range(6)] == [204] * 4 + [429] * 2
    response = send("192.0.2.1")
    problem(response, 429)
    assert response.headers["Retry-After"] == "1"
    assert send("192.0.2.2").status_code == 204
    site.clock.sleep(1)
    assert [send("192.0.2.1").status_code for _ in range(3)] == [204, 204, 429]
    assert site.refused() == {"client_rate": 4}


@pytest.mark.parametrize("limit", ["client_requests_per_second", "requests_per_second"])
def test_a_limit_of_less_than_one_request_in_two_seconds_lets_one_through_at_a_time(limit: str) -> None:
    site = Site(**{limit: 0.1})
    assert [site.post(LCP).status_code for _ in range(2)] == [204, 429]
    site.clock.sleep(10)
    assert [site.post(LCP).status_code for _ in range(2)] == [204, 429]


def test_a_flood_of_many_clients_meets_the_limit_for_all() -> None:
    site = Site(requests_per_second=5)
    statuses = [
        site.post(LCP, environ_overrides={"REMOTE_ADDR": f"192.0.2.{n}"}).status_code for n in range(15)
    ]
    assert statuses == [204] * 10 + [429] * 5
    assert site.refused() == {"total_rate": 5}


def test_a_client_behind_a_trusted_proxy_is_told_from_others_and_cannot_choose_its_address() -> None:
    site = Site(client_requests_per_second=1, trusted_proxies=["10.0.0.0/8"])

    def send(peer: str, forwarded: str) -> int:
        return site.post(
            LCP, environ_overrides={"REMOTE_ADDR": peer}, headers={"X-Forwarded-For": forwarded}
        ).status_code

    assert [send("10.0.0.1", f"8.8.8.{n}, 192.0.2.1") for n in range(3)] == [204, 204, 429]
    assert send("10.0.0.1", "192.0.2.2") == 204
    # Not from the proxy: the header is the client's own invention.
    assert [send("192.0.2.3", f"192.0.2.{n}") for n in range(10, 13)] == [204, 204, 429]


def test_a_network_of_ipv6_is_one_client_and_memory_is_bounded() -> None:
    clock = ManualClock()
    limits = ClientLimits(1, 1e9, clock.monotonic)
    assert [limits.client_wait(f"2001:db8::{n}") > 0 for n in range(3)] == [False, False, True]
    assert limits.client_wait("2001:db8:0:1::1") == 0
    for number in range(MAX_CLIENTS + 100):
        limits.client_wait(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(limits) == MAX_CLIENTS
    assert limits.client_wait("no address") == 0


def test_the_last_value_of_an_id_counts_once_when_it_has_settled() -> None:
    site = Site(hold_seconds=60)
    for value in (0.02, 0.05, 0.3):
        site.post({**LCP, "name": "CLS", "value": value})
        site.clock.sleep(20)
    assert site.samples("specter_web_vitals_cls_sum") == {("/product/{id}", "mobile"): 0.3}
    assert site.counted("cls") == {("/product/{id}", "mobile"): 1}
    site.post({**LCP, "name": "CLS", "value": 0.9})
    site.post({**LCP, "value": 900})  # the same id of another vital
    assert site.samples("specter_beacon_held_measurements") == {(): 1}
    site.clock.sleep(60)
    assert site.counted("cls") == {("/product/{id}", "mobile"): 1}
    assert site.counted() == {("/product/{id}", "mobile"): 1}
    assert site.samples("specter_beacon_replaced_total") == {(): 2}
    assert site.samples("specter_beacon_late_total") == {(): 1}
    assert site.samples("specter_beacon_held_measurements") == {(): 0}


def test_the_series_of_every_template_and_device_are_there_before_the_first_view() -> None:
    exposed = generate_latest(Site().vitals.registry).decode()
    for page in (*PAGES, "other"):
        for device in ("desktop", "mobile", "tablet", "other"):
            assert f'specter_web_vitals_lcp_seconds_count{{device="{device}",page="{page}"}} 0.0\n' in exposed


def test_requests_count_without_their_preflights_and_apart_what_was_taken() -> None:
    site = Site()
    for origin in (SHOP, "https://evil.example.org"):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        site.client.options("/beacon", headers=headers)
    for sent in (LCP, [LCP, {}], {}, []):
        site.post(sent)
    assert site.samples("specter_beacon_requests_total") == {(): 5}
    assert site.samples("specter_beacon_taken_total") == {(): 2}
    assert site.refused() == {"origin": 1, "invalid": 3}


def test_a_path_of_no_template_and_an_unknown_device_count_as_other() -> None:
    site = Site()
    site.post([
        {**LCP, "id": "1", "page": "/secret/7"},
        {**LCP, "id": "2", "device": "fridge"},
        {key: value for key, value in LCP.items() if key != "device"} | {"id": "3"},
    ])  # fmt: skip
    assert site.counted() == {("other", "mobile"): 1, ("/product/{id}", "other"): 2}
    assert site.samples("specter_beacon_unknown_pages_total") == {(): 1}


def test_a_hundred_thousand_paths_and_devices_make_no_series() -> None:
    site = Site(requests_per_second=1e5, client_requests_per_second=1e5, hold_seconds=60)
    numbers = itertools.count()
    where = ("/{}", "/product/{}", "/docs/a/{}", "/product/{}/x")
    for _ in range(5_000):
        sent = [
            {"name": name, "value": n % 5000 / 100, "id": f"i{n}", "page": where[n % 4].format(n),
             "device": ("mobile", f"d{n}")[n // 4 % 2]}
            for name in ("LCP", "CLS", "INP", "FCP", "TTFB") for n in itertools.islice(numbers, 4)
        ]  # fmt: skip
        assert site.post(sent).status_code == 204
    assert next(numbers) == 100_000
    site.clock.sleep(60)
    assert {page for page, _ in site.counted()} == {"other", "/product/{id}", "/docs/{rest:path}"}
    assert {device for _, device in site.counted()} == {"mobile", "other"}
    counted = sum(
        sum(site.counted(name).values())
        for name in ("lcp_seconds", "cls", "inp_seconds", "fcp_seconds", "ttfb_seconds")
    )
    # What is held is bounded by settling early, so nothing is lost.
    assert counted == 100_000
    exposed = generate_latest(site.vitals.registry).decode().splitlines()
    # Five vitals of at most 17 lines for each page and device, and a fixed rest.
    assert len(exposed) <= 5 * 17 * (len(PAGES) + 1) * 4 + 80


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NEARLY = st.fixed_dictionaries(
    {"name": st.sampled_from(["LCP", "CLS", "?"]) | JSON, "value": st.floats() | JSON},
    optional={"id": st.text() | JSON, "page": st.text().map("/".__add__) | JSON, "device": JSON},
)


@given(body=st.one_of(st.binary(max_size=200), NEARLY, st.lists(NEARLY | JSON, max_size=25)))
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_body_is_taken_or_refused_and_never_an_error(body: Any) -> None:
    site = Site()
    response = site.post(body)
    assert response.status_code in {204, 400, 413, 422}
    if response.status_code != 204:
        problem(response, response.status_code)
    assert {page for page, _ in site.counted()} <= {"other", *PAGES}
    assert {device for _, device in site.counted()} <= {"mobile", "tablet", "desktop", "other"}


@given(origin=st.text(st.characters(max_codepoint=255)), forwarded=st.text(st.characters(max_codepoint=255)))
@settings(max_examples=100, deadline=None)
def test_any_header_is_refused_or_read_and_never_an_error(origin: str, forwarded: str) -> None:
    site = Site(trusted_proxies=["127.0.0.0/8"])
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": forwarded}
    assert site.post(LCP, environ_overrides={**environ, "HTTP_ORIGIN": origin}).status_code == 403
    assert site.post(LCP, environ_overrides=environ).status_code == 204


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_the_beacon_keeps_to_its_document(mode: schemathesis.GenerationMode) -> None:
    site = Site(requests_per_second=1e5, client_requests_per_second=1e5)
    document = schemathesis.openapi.from_wsgi("/openapi.json", site.app)
    (operation,) = (each.ok() for each in document.get_all_operations() if isinstance(each, Ok))

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=50, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    def keeps_to_it(case: "schemathesis.Case[Any]") -> None:
        case.call_and_validate(headers={"Origin": SHOP})

    keeps_to_it()
