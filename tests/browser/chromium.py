"""A real headless Chromium, driven by its own chromedriver."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from specter_stack.programs import find_program

T = TypeVar("T")
FLAGS = (
    *(
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-dev-shm-usage",
    ),
    *(
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--force-device-scale-factor=1",
    ),
    *("--lang=en-GB", "--hide-scrollbars"),
)
PATIENCE = 60.0


@contextmanager
def chromium(folder: Path, *, dark: bool = False, width: int = 1280, height: int = 900) -> Iterator[Chrome]:
    """Start a browser with a profile of its own in `folder`."""
    options = ChromeOptions()
    options.binary_location = str(find_program("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={folder}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    if dark:
        options.add_argument("--force-dark-mode")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(str(find_program("chromedriver"))))
    # The window of an old headless mode is smaller than asked for; this is the page's own size.
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
    try:
        yield driver
    finally:
        driver.quit()


def until(driver: Chrome, condition: Callable[[Chrome], T], what: str) -> T:
    """Wait until `condition` holds and return what it returned."""
    return WebDriverWait(driver, PATIENCE, poll_frequency=0.05).until(condition, f"never: {what}")


def console(driver: Chrome) -> list[str]:
    """Return the errors and warnings that the console has said since the last call."""
    said = _log(driver, "browser")
    return [f"{entry['level']}: {entry['message']}" for entry in said if entry["level"] != "INFO"]


def requested(driver: Chrome) -> list[str]:
    """Return the addresses of the pages' requests since the last call."""
    messages = [json.loads(entry["message"])["message"] for entry in _log(driver, "performance")]
    sent = [message["params"] for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [params["request"]["url"] for params in sent]


def _log(driver: Chrome, name: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = driver.get_log(name)  # type: ignore[no-untyped-call]
    return entries


def whole_page(driver: Chrome, file: Path) -> None:
    """Save a picture of the page, all of its length."""
    size = driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": clip, "captureBeyondViewport": True})
    file.write_bytes(base64.b64decode(shot["data"]))
