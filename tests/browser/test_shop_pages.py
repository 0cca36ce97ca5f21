"""The demo shop's pages in a real Chromium: what it measures, also with the fault frontend-slow."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import flask
import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from specter_core.web import WebOptions, WebServer
from specter_demo.shop.catalog import catalog
from specter_demo.shop.database import Connection, Pool
from specter_demo.shop.defects import FRONTEND_SLOW, NONE, introduce
from specter_demo.shop.scripts import page_scripts, serve_scripts
from tests.browser.chromium import chromium, console, until
from tests.demo.shop_server import free_port
from tests.exporters.browser_setup import Running, exporter
from tests.exporters.serving import until as eventually

pytestmark = pytest.mark.integration
FRONT = '{device="desktop",page="/"}'
PRODUCT = '{device="desktop",page="/products/{product}"}'


def visit(browser: Chrome, url: str) -> None:
    """Open a page, click into it as a visitor would, and leave it."""
    browser.get(url)
    until(browser, lambda it: it.execute_script("return document.readyState") == "complete", "loaded")
    browser.find_element(By.TAG_NAME, "h1").click()
    # Events are told of after the frame that they lead to.
    browser.execute_async_script("const done = arguments[0]; setTimeout(done, 200);")
    browser.get("about:blank")


def measured(beacon: Running, labels: str, views: int) -> dict[str, float]:
    """Return the sums of each vital of a page in its metric's unit, once so many views are counted."""
    names = ("lcp_seconds", "inp_seconds", "cls", "fcp_seconds", "ttfb_seconds")

    def counted() -> dict[str, float] | None:
        found = beacon.counted()
        if any(found.get(f"specter_web_vitals_{name}_count{labels}") != views for name in names):
            return None
        assert not [series for series in found if "refused" in series]
        return {name: found.get(f"specter_web_vitals_{name}_sum{labels}", 0.0) for name in names}

    result: dict[str, float] = eventually(counted, f"{views} views of {labels}")
    return result


def test_pages_report_what_chromium_measures_and_a_blocking_script_makes_them_slow(tmp_path: Path) -> None:
    usual, faulty = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    origins = f'allowed_origins: ["{usual}", "{faulty}"]\n'
    pages = 'pages: [/, "/products/{product}"]\nhold_seconds: 0\n'
    with (
        chromium(tmp_path / "profile") as browser,
        exporter(tmp_path, origins + pages) as beacon,
        shop(usual, NONE, beacon),
        shop(faulty, FRONTEND_SLOW, beacon),
    ):
        visit(browser, f"{usual}/")
        fast = measured(beacon, FRONT, 1)
        visit(browser, f"{usual}/products/7")
        assert measured(beacon, PRODUCT, 1)["lcp_seconds"] > 0.0
        visit(browser, f"{faulty}/")
        both = measured(beacon, FRONT, 2)
        assert console(browser) == []
    slow = {name: both[name] - fast[name] for name in fast}
    assert 0.0 < fast["ttfb_seconds"] < fast["fcp_seconds"] <= fast["lcp_seconds"]
    # On loopback the script is there at once: what is left is the work of it.
    assert after_first_byte(slow) > 3 * after_first_byte(fast)
    assert slow["inp_seconds"] > 0.04
    assert slow["inp_seconds"] > 2 * fast["inp_seconds"]


def after_first_byte(view: dict[str, float]) -> float:
    return view["lcp_seconds"] - view["ttfb_seconds"]


class Products:
    """Stands in for the pool and its connections: every query finds one product."""

    @contextmanager
    def connection(self) -> Iterator["Products"]:
        yield self

    def execute(self, statement: str, _parameters: object) -> "Products":
        described = ("A lamp.",) if "description" in statement else ()
        self._row = (7, "Amber Lamp 1", *described, 1250)
        return self

    def fetchone(self) -> tuple[object, ...]:
        return self._row

    def fetchall(self) -> list[tuple[object, ...]]:
        return [self._row]


def no_database() -> Connection:
    raise AssertionError("the defects of pages ask no database")


@contextmanager
def shop(url: str, defect: str, beacon: Running) -> Iterator[None]:
    """Serve the shop's own catalog at `url`, with a defect."""
    app = flask.Flask("shop", static_folder=None)
    serve_scripts(app, page_scripts(app, "1.4.0", beacon.beacon_url))
    introduce(app, defect, no_database)
    app.register_blueprint(catalog(cast("Pool", Products())))
    server = WebServer(app, WebOptions("127.0.0.1", int(url.rpartition(":")[2])))
    server.start()
    try:
        yield
    finally:
        server.stop()
