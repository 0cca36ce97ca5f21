"""What the tests of the browser exporter share: its beacon with a clock that is told the time."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from werkzeug.test import Client, TestResponse

from specter_exporters.browser.config import BrowserSchema, configure
from specter_exporters.browser.endpoint import beacon_app
from specter_exporters.browser.recorder import Vitals
from tests.exporters.serving import until
from tests.exporters.signin_driving import ManualClock

PAGE = Path(__file__).parents[2] / "docs" / "exporters-browser.md"
SHOP = "https://shop.example.org"
PAGES = ["/", "/product/{id}", "/docs/{rest:path}", "/product/new"]
WITHIN = 30.0
LCP = {"name": "LCP", "value": 1234.5, "id": "v5-1", "page": "/product/7", "device": "mobile"}


class Site:
    """A beacon; its values count at once unless `hold_seconds` says otherwise."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        given = {"allowed_origins": [SHOP], "pages": PAGES, "hold_seconds": 0} | settings
        self.config = configure(BrowserSchema.model_validate(given))
        templates = self.config.beacon.pages.templates
        self.vitals = Vitals(hold_seconds=self.config.hold_seconds, clock=self.clock, templates=templates)
        self.app = beacon_app(self.vitals, self.config.beacon, self.clock)
        self.client = Client(self.app)

    def post(
        self,
        sent: Any,
        *,
        origin: str | None = SHOP,
        content_type: str = "text/plain;charset=UTF-8",
        **more: Any,
    ) -> TestResponse:
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        headers = {} if origin is None else {"Origin": origin}
        headers |= more.pop("headers", {})
        return self.client.post("/beacon", data=body, headers=headers, content_type=content_type, **more)

    def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """Return the values of a sample by its labels' values, of vitals' views those that are not 0."""
        return {
            tuple(sample.labels.values()): sample.value
            for family in self.vitals.registry.collect()
            for sample in family.samples
            if sample.name == name and (sample.value or not name.endswith(("_count", "_sum")))
        }

    def counted(self, vital: str = "lcp_seconds") -> dict[tuple[str, ...], float]:
        """Return how many views are counted by page and device."""
        return self.samples(f"specter_web_vitals_{vital}_count")

    def refused(self, what: str = "") -> dict[str, float]:
        """Return the reasons for which requests, or `measurements`, were refused, with how many."""
        found = self.samples(f"specter_beacon_{what and f'{what}_'}refused_total")
        return {reason: value for (reason,), value in found.items() if value}


def problem(response: TestResponse, status: int) -> dict[str, Any]:
    """Return the problem that an answer tells; it has to be the one expected."""
    assert (response.status_code, response.content_type) == (status, "application/problem+json")
    content: dict[str, Any] = json.loads(response.data)
    assert content["status"] == status
    assert content["detail"]
    assert content["action"]
    return content


@dataclass(frozen=True)
class Running:
    """A process that runs the exporter."""

    metrics_url: str
    beacon_url: str

    def scrape(self) -> dict[str, float]:
        """Return the scraped samples of the exporter's own metrics by series."""
        lines = requests.get(f"{self.metrics_url}/metrics", timeout=WITHIN).text.splitlines()
        found = (line.rpartition(" ") for line in lines if line.startswith("specter_"))
        return {series: float(number) for series, _, number in found}

    def counted(self) -> dict[str, float]:
        """Return what is not 0, of histograms the count and the sum."""
        return {series: value for series, value in self.scrape().items() if value and "_bucket" not in series}


@contextmanager
def exporter(folder: Path, config: str, *flags: str) -> Iterator[Running]:
    """Run the installed command in `folder`, on ports that the system chooses."""
    (folder / "browser.yml").write_text(config, encoding="utf-8")
    command = [sys.executable, "-m", "specter_core", "exporter", "browser", "--config", "browser.yml",
               "--web.listen-address", "127.0.0.1:0", "--beacon.listen-address", "127.0.0.1:0",
               *flags]  # fmt: skip
    log = folder / "exporter.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stderr=output)

    def listening() -> tuple[str, str] | None:
        assert process.poll() is None, log.read_text()
        found = re.search(r"metrics: (\S+)\nbeacon: (\S+)\n", log.read_text())
        return (found[1], found[2]) if found else None

    try:
        yield Running(*until(listening, "listening"))
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN) == 0, log.read_text()
    assert "Traceback" not in log.read_text()


def example(language: str, marker: str) -> str:
    """Return the one example of the documentation in `language` that has `marker` in it."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (found,) = [block for kind, block in blocks if kind == language and marker in block]
    return str(found)
