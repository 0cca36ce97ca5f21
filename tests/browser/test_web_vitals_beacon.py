"""The beacon and a real Chromium: what its CORS checks make of an allowed and of another site."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from tests.browser.chromium import chromium, console, until
from tests.browser.shop_site import shop_site
from tests.exporters.browser_setup import LCP, Running, example, exporter
from tests.exporters.serving import until as eventually

pytestmark = pytest.mark.integration
DOCUMENTED = "https://shop.example.org/beacon"
REQUESTS = "specter_beacon_requests_total"
OTHER_ORIGIN = 'specter_beacon_refused_total{reason="origin"}'
PRODUCT = '{device="desktop",page="/product/{id}"}'


@dataclass(frozen=True)
class Sites:
    """Origins of two sites with the documented script, and the exporter that allows one of them."""

    allowed: str
    other: str
    beacon: Running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[Sites]:
    script = [""]
    with shop_site(script) as allowed, shop_site(script) as other:
        config = f'allowed_origins: ["{allowed}"]\npages: ["/product/{{id}}"]\nhold_seconds: 0\n'
        with exporter(tmp_path, config) as running:
            snippet = example("js", "sendBeacon")
            assert DOCUMENTED in snippet
            script.append(snippet.replace(DOCUMENTED, f"{running.beacon_url}/beacon"))
            yield Sites(allowed, other, running)


def visit(browser: Chrome, url: str) -> None:
    """Open a page, and leave it when its script has run."""
    browser.get(url)
    until(browser, lambda it: it.execute_script("return document.readyState") == "complete", "loaded")
    browser.get("about:blank")


def arrived(sites: Sites, series: str) -> dict[str, float]:
    """Return what is counted, once `series` is."""

    def counted() -> dict[str, float] | None:
        found = sites.beacon.counted()
        return found if series in found else None

    found: dict[str, float] = eventually(counted, series)
    return found


def fetched(browser: Chrome, sites: Sites, origin: str) -> Any:
    """Return the status that a page of `origin` gets for JSON, or the name of the error."""
    browser.get(f"{origin}/product/7")
    console(browser)
    script = """
        const [url, body, done] = arguments;
        fetch(url, {method: "POST", body, credentials: "omit", keepalive: true,
                    headers: {"Content-Type": "application/json"}})
          .then((answer) => done(answer.status), (error) => done(error.name));"""
    return browser.execute_async_script(script, f"{sites.beacon.beacon_url}/beacon", json.dumps(LCP))


def test_the_documented_script_reports_when_the_page_is_left(browser: Chrome, sites: Sites) -> None:
    visit(browser, f"{sites.allowed}/product/7?from=mail")
    counted = arrived(sites, f"specter_web_vitals_ttfb_seconds_count{PRODUCT}")
    expected = {
        "lcp_seconds": 1.8342,
        "inp_seconds": 0.12,
        "cls": 0.05,
        "fcp_seconds": 0.9,
        "ttfb_seconds": 0.25,
    }
    for name, value in expected.items():
        assert counted[f"specter_web_vitals_{name}_count{PRODUCT}"] == 1
        assert counted[f"specter_web_vitals_{name}_sum{PRODUCT}"] == pytest.approx(value)
    # One request without a preflight, and nothing refused.
    assert counted[REQUESTS] == 1
    assert not [series for series in counted if "refused" in series]


def test_the_same_script_on_another_site_counts_nothing(browser: Chrome, sites: Sites) -> None:
    visit(browser, f"{sites.other}/product/7")
    counted = arrived(sites, OTHER_ORIGIN)
    assert counted == {REQUESTS: 1, OTHER_ORIGIN: 1}


def test_a_preflight_lets_json_of_an_allowed_site_through(browser: Chrome, sites: Sites) -> None:
    assert fetched(browser, sites, sites.allowed) == 204
    counted = sites.beacon.counted()
    assert counted[REQUESTS] == 1  # the POST; the OPTIONS before it is none
    assert counted['specter_web_vitals_lcp_seconds_count{device="mobile",page="/product/{id}"}'] == 1
    assert console(browser) == []


def test_a_preflight_stops_json_of_another_site(browser: Chrome, sites: Sites) -> None:
    assert fetched(browser, sites, sites.other) == "TypeError"
    # The OPTIONS was refused, and Chromium sent no POST.
    assert sites.beacon.counted() == {REQUESTS: 1, OTHER_ORIGIN: 1}
    assert any("blocked by CORS policy" in said for said in console(browser))


def test_a_beacon_of_json_needs_credentials_and_is_dropped(browser: Chrome, sites: Sites) -> None:
    browser.get(f"{sites.allowed}/product/7")
    console(browser)
    script = 'navigator.sendBeacon(arguments[0], new Blob([arguments[1]], {type: "application/json"}))'
    browser.execute_script(script, f"{sites.beacon.beacon_url}/beacon", json.dumps(LCP))
    said = until(browser, console, "a message on the console")
    assert any("Access-Control-Allow-Credentials" in one for one in said)
    assert sites.beacon.counted() == {}  # the OPTIONS was answered, and no POST followed
