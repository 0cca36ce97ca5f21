"""The detector's pages on a real server, and how a test finds its way on them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from specter_core.web import WebOptions, WebServer
from specter_detector.series import Labels
from specter_detector.web.feedback import FeedbackStore
from tests.browser.chromium import until
from tests.detector.web_watch import (
    SHOP,
    GeneratedReader,
    feedback_store,
    live_watch,
    make_app,
    replay_worker,
    running_jobs,
)


@dataclass(frozen=True)
class Site:
    """A running detector's pages."""

    url: str
    feedback: FeedbackStore


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """Serve the pages of a detector whose data are in `folder`."""
    reader, feedback = GeneratedReader(), feedback_store(folder)
    with replay_worker() as worker:
        watch = live_watch(running_jobs(reader), reader, feedback, worker)
        server = WebServer(make_app(watch, feedback), WebOptions("127.0.0.1", 0))
        server.start()
        try:
            yield Site(server.url, feedback)
        finally:
            server.stop()


def open_series(browser: Chrome, site: Site, labels: Labels = SHOP, **more: str) -> None:
    """Open the page of a series and wait until its stretch is drawn, or the reason why not is said."""
    query = {"query": "request_rate", "labels": json.dumps(dict(labels)), **more}
    browser.get(f"{site.url}/series?{urlencode(query)}")
    until(browser, lambda _: "Replaying" not in text(browser, "status"), "the stretch is drawn")


def by_id(browser: Chrome, name: str) -> WebElement:
    """Return the element called `name`."""
    return browser.find_element(By.ID, name)


def text(browser: Chrome, name: str) -> str:
    """Return the text of the element called `name`."""
    return by_id(browser, name).text
