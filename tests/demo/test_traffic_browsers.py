"""Visitors' browsers: what they measure depends on what the shop's page really makes them load."""

import logging
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import flask
import pytest
import requests
import yaml

from specter_core.web import WebOptions, WebServer
from specter_demo.traffic.browsers import Browsers, PageLoader, View
from specter_demo.traffic.client import ShopClient
from specter_demo.traffic.page import blocking_scripts
from specter_demo.traffic.visitors import BROWSERS, Request
from specter_demo.traffic.vitals import DESKTOP, MOBILE, Device, Load, device_of, measure
from tests.demo.shop_server import free_port
from tests.exporters.browser_setup import exporter
from tests.exporters.serving import until

STACK = Path(__file__).parents[2] / "stack" / "exporters" / "browser.yml"
PHONE = next(browser for browser in BROWSERS if "iPhone" in browser)
LIGHT = Load(seconds=0.003, page_bytes=3_000, script_bytes=0)
HEAVY = replace(LIGHT, script_bytes=8_000_000)
MEGABYTE = 1_000_000
PAGE = """<!doctype html><html><head><title>shop</title>
<script src="/assets/first.js"></script>
<script>let inline;</script>
<script src="/assets/deferred.js" defer></script><script async src="/assets/async.js"></script>
<script type="module" src="/assets/module.js"></script>
<script src="second.js" type="text/javascript"></script>
</head><body><h1>Shop</h1><script src="/assets/last.js"></script></body></html>"""


# --- what blocks a page ---


def test_scripts_of_the_head_block_unless_they_wait_themselves() -> None:
    assert blocking_scripts(PAGE) == ("/assets/first.js", "second.js")


@pytest.mark.parametrize("html", ["", "<p>no head</p>", "<script src", "<!--<script src='a.js'></script>-->"])
def test_a_page_without_scripts_waits_for_none(html: str) -> None:
    assert blocking_scripts(html) == ()


# --- what is measured ---


def upper_quartiles(load: Load, device: Device, seed: int = 1) -> dict[str, float]:
    source = random.Random(seed)
    played = [measure(load, device, source) for _ in range(2000)]
    return {name: statistics.quantiles([view[name] for view in played])[2] for name in played[0]}


@pytest.mark.parametrize("device", [DESKTOP, MOBILE], ids=lambda device: device.name)
def test_a_light_page_is_good_on_three_views_of_four(device: Device) -> None:
    seen = upper_quartiles(LIGHT, device)
    limits = {"LCP": 2500.0, "INP": 200.0, "CLS": 0.1, "FCP": 1800.0, "TTFB": 800.0}
    assert seen.keys() == limits.keys()
    assert all(0.0 < seen[name] < limit for name, limit in limits.items()), seen
    assert seen["FCP"] < seen["LCP"]


def test_a_heavy_script_makes_a_page_poor_although_the_server_is_as_fast_as_before() -> None:
    for device in (DESKTOP, MOBILE):
        light, heavy = upper_quartiles(LIGHT, device), upper_quartiles(HEAVY, device)
        assert heavy["LCP"] > 4000.0
        assert heavy["FCP"] > 3000.0
        assert heavy["INP"] > 2 * light["INP"]
        assert heavy["TTFB"] == light["TTFB"] == pytest.approx(3.0)
        assert heavy["CLS"] == pytest.approx(light["CLS"], rel=0.1)
    assert upper_quartiles(HEAVY, MOBILE)["INP"] > 500.0


def test_a_slow_answer_is_in_what_comes_after_it() -> None:
    fast, slow = (measure(replace(LIGHT, seconds=s), DESKTOP, random.Random(3)) for s in (0.0, 1.5))
    for name in ("TTFB", "FCP", "LCP"):
        assert slow[name] - fast[name] == pytest.approx(1500.0)
    assert slow["INP"] == fast["INP"]


def test_browsers_are_told_apart_by_their_user_agents() -> None:
    assert [device_of(browser) for browser in BROWSERS] == [DESKTOP, MOBILE, DESKTOP]


# --- loading ---


@contextmanager
def shop(scripts: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """Serve `PAGE` everywhere but at the paths of `scripts`; yield the URL and the scripts asked for."""
    app = flask.Flask("shop", static_folder=None)
    asked: list[str] = []

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def serve(path: str) -> flask.typing.ResponseReturnValue:
        if not path.endswith(".js"):
            return PAGE
        asked.append(f"/{path}")
        found = scripts.get(f"/{path}")
        return ("", 404) if found is None else flask.Response(found, mimetype="text/javascript")

    server = WebServer(app, WebOptions("127.0.0.1", 0))
    server.start()
    try:
        yield server.url, asked
    finally:
        server.stop()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        yield opened


def test_a_page_weighs_what_its_blocking_scripts_weigh_and_each_is_loaded_once(
    session: requests.Session,
) -> None:
    with shop({"/assets/first.js": b"x" * 1000, "/products/second.js": b"y" * 200}) as (url, asked):
        loader = PageLoader(session)
        view = View(f"{url}/products/7", PHONE, "198.18.0.1", PAGE.encode(), 0.25)
        assert loader.load(view) == loader.load(view) == Load(0.25, len(PAGE), 1200)
    assert asked == ["/assets/first.js", "/products/second.js"]


def test_a_script_that_went_with_its_release_weighs_nothing_and_is_asked_for_again(
    session: requests.Session,
) -> None:
    scripts = {"/second.js": b"y" * 200}
    with shop(scripts) as (url, _):
        loader = PageLoader(session)
        view = View(f"{url}/", PHONE, "198.18.0.1", PAGE.encode(), 0.25)
        assert loader.load(view).script_bytes == 200
        scripts["/assets/first.js"] = b"x" * 1000
        assert loader.load(view).script_bytes == 1200


# --- reporting ---


@contextmanager
def reporting(
    url: str | None, *, count: Callable[[str], None] = lambda _: None, share: float = 1.0
) -> Iterator[Browsers]:
    browsers = Browsers(url, random.Random(5), count, share=share)
    browsers.start()
    try:
        yield browsers
    finally:
        browsers.stop()


@pytest.mark.integration
def test_a_real_beacon_counts_views_of_the_stack_s_pages_by_device(tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    with shop({"/assets/first.js": b"x" * 8 * MEGABYTE}) as (url, _):
        config = yaml.safe_load(STACK.read_text(encoding="utf-8"))
        text = yaml.safe_dump(config | {"allowed_origins": [url], "hold_seconds": 0})
        with (
            exporter(tmp_path, text) as beacon,
            reporting(beacon.beacon_url, count=lambda outcome: outcomes.update([outcome])) as browsers,
        ):
            client = ShopClient(url, viewed=browsers.view)
            for path, agent in (("/?page=2", BROWSERS[0]), ("/products/7", PHONE), ("/products/9", PHONE)):
                assert client.send(Request("GET", path, user_agent=agent, source="198.18.0.1")) == 200
            client.close()
            until(lambda: outcomes["beacon"] == 3, "reported")
            counted = beacon.counted()
    assert outcomes == {"beacon": 3}
    front, product = '{device="desktop",page="/"}', '{device="mobile",page="/products/{product}"}'
    for vital in ("lcp_seconds", "inp_seconds", "cls", "fcp_seconds", "ttfb_seconds"):
        assert counted[f"specter_web_vitals_{vital}_count{front}"] == 1
        assert counted[f"specter_web_vitals_{vital}_count{product}"] == 2
    assert counted[f"specter_web_vitals_lcp_seconds_sum{product}"] > 2 * 4.0
    assert not [series for series in counted if "refused" in series or 'page="other"' in series]


def test_a_beacon_that_is_away_is_named_once_and_delays_nobody(caplog: pytest.LogCaptureFixture) -> None:
    outcomes: Counter[str] = Counter()
    url = f"http://127.0.0.1:{free_port()}"
    view = View("http://127.0.0.1:8080/", PHONE, "198.18.0.1", b"<p>page</p>", 0.1)
    with (
        caplog.at_level(logging.WARNING),
        reporting(url, count=lambda outcome: outcomes.update([outcome])) as browsers,
    ):
        for _ in range(3):
            browsers.view(view)
        until(lambda: outcomes["beacon failed"] == 3, "failed")
    assert caplog.text.count(f"{url}/beacon takes no measurements: ConnectionError") == 1


def test_views_beyond_those_that_may_wait_are_dropped() -> None:
    outcomes: Counter[str] = Counter()
    browsers = Browsers("http://x", random.Random(5), lambda outcome: outcomes.update([outcome]), share=1.0)
    for _ in range(103):
        browsers.view(View("http://x/", PHONE, "198.18.0.1", b"", 0.1))
    assert outcomes == {"beacon failed": 3}


def test_half_of_the_views_are_reported_and_none_without_a_beacon() -> None:
    outcomes: Counter[str] = Counter()
    view = View("http://x/", PHONE, "198.18.0.1", b"", 0.1)
    for url, dropped in (("http://x", 400), (None, 0)):
        outcomes.clear()
        browsers = Browsers(url, random.Random(5), lambda outcome: outcomes.update([outcome]))
        for _ in range(1000):
            browsers.view(view)
        assert outcomes["beacon failed"] == pytest.approx(dropped, abs=50)
