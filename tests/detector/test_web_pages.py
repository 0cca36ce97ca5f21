"""The pages as HTML: what is escaped, what is said of each state, headers, files; see tests/browser too."""

import gzip
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import specter_detector.web
from specter_detector.jobs import Job
from specter_detector.series import Labels
from specter_detector.web.assets import OWN
from tests.detector.web_watch import (
    CHECKOUT,
    GONE,
    HOSTILE,
    INVALID,
    NEW,
    NOW,
    SHOP,
    FixedClock,
    GeneratedReader,
    feedback_store,
    live_watch,
    make_app,
    running_jobs,
)


@pytest.fixture(scope="module")
def jobs() -> list[Job]:
    return running_jobs(GeneratedReader())


@pytest.fixture
def client(jobs: list[Job], tmp_path: Path) -> FlaskClient:
    return client_of(jobs, tmp_path)


def client_of(jobs: list[Job], folder: Path) -> FlaskClient:
    feedback = feedback_store(folder)
    return make_app(live_watch(jobs, GeneratedReader(days=1), feedback), feedback).test_client()


def series_page(client: FlaskClient, labels: Labels, query: str = "request_rate") -> str:
    answer = client.get("/series", query_string={"query": query, "labels": json.dumps(dict(labels))})
    assert answer.status_code == 200
    return answer.text


class Tags(HTMLParser):
    """Collects what a browser would see: tags with their attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_hostile_labels_are_text_on_every_page(client: FlaskClient) -> None:
    for page in (client.get("/").text, series_page(client, HOSTILE)):
        seen = Tags(page)
        for _, value in HOSTILE:
            assert value in seen.text
        assert all(set(script) <= {"src", "defer"} and script["src"] for script in seen.attributes("script"))
        handlers = [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]
        assert (handlers, seen.attributes("style")) == ([], [])
        assert not any("style" in attributes for _, attributes in seen.tags)
    (main,) = Tags(series_page(client, HOSTILE)).attributes("main")
    assert json.loads(main["data-labels"] or "") == dict(HOSTILE)


def test_a_hostile_filter_is_text_too(client: FlaskClient) -> None:
    attack = '"><script>alert(1)</script>{{7*7}}<b>'
    page = client.get("/", query_string={"text": attack}).text
    (field,) = [each for each in Tags(page).attributes("input") if each.get("name") == "text"]
    assert field["value"] == attack
    assert html.escape(attack, quote=False) in page.replace("&#34;", '"')
    assert "No series matches" in Tags(page).text
    wrong = client.get("/", query_string={"query": "<i>x</i>"})
    assert (wrong.status_code, "<i>" in wrong.text) == (404, False)
    assert "there is no query '<i>x</i>'" in Tags(wrong.text).text


SAID = [
    (SHOP, "alarm", "Anomalous: 213.8/s is higher than expected"),
    (CHECKOUT, "calm", "As expected: 32.66/s just now"),
    (GONE, "alarm", "Absent: the series used to be there"),
    (INVALID, "unknown", "is not a number: nothing can be said"),
    (NEW, "unknown", "Still learning: 3/s just now, and no judgement yet."),
    ((("service", "unheard-of"),), "unknown", "This series is not watched now"),
]


@pytest.mark.parametrize(("labels", "tone", "text"), SAID)
def test_every_state_is_said_and_only_health_is_shown_as_healthy(
    client: FlaskClient, labels: Labels, tone: str, text: str
) -> None:
    page = Tags(series_page(client, labels))
    (said,) = [each for each in page.attributes("section") if (each.get("class") or "").startswith("say")]
    assert said["class"] == f"say {tone}"
    assert text in page.text


def test_the_overview_counts_states_and_lists_the_most_anomalous_first(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "1 anomalous, 1 absent" in Tags(page).text
    rows = re.findall(r'<span class="state (\w+)">', page)
    assert rows[:2] == ["absent", "anomalous"]
    assert set(rows[-2:]) == {"invalid", "warming"}
    assert "latency_p95 (upper)" in page
    narrowed = client.get("/", query_string={"query": "latency_p95", "text": "checkout"}).text
    assert narrowed.count('<span class="state') == 2


def test_pages_of_a_long_list_lead_on_and_back(client: FlaskClient) -> None:
    first = Tags(client.get("/?limit=4&text=e").text)
    links = {each.get("rel"): each["href"] for each in first.attributes("a") if each.get("rel")}
    assert links == {"next": "/?limit=4&text=e&offset=4"}
    assert "1\u20134 of 10" in first.text
    middle = Tags(client.get(links["next"] or "").text)
    links = {each.get("rel"): each["href"] for each in middle.attributes("a") if each.get("rel")}
    assert links == {"prev": "/?limit=4&text=e&offset=0", "next": "/?limit=4&text=e&offset=8"}


def test_before_the_first_tick_and_without_an_answer_nothing_looks_healthy(tmp_path: Path) -> None:
    jobs = running_jobs(GeneratedReader(days=1), days=0.2)
    for job in jobs:
        job.close(NOW)
    client = client_of(jobs, tmp_path)
    page = Tags(client.get("/").text)
    assert "Nothing is known yet" in page.text
    assert "no answer from the data source" in page.text
    assert "say unknown" in [each.get("class") for each in page.attributes("section")]
    assert "This series is not watched now" in series_page(client, SHOP)


def test_a_tick_that_is_old_is_marked(
    jobs: list[Job], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(jobs, tmp_path)
    assert "stale" not in client.get("/").text
    monkeypatch.setattr(FixedClock, "time", lambda _self: NOW + 3700)
    page = client.get("/").text
    assert '<td class="after stale">1h1m ago</td>' in page


def test_no_page_may_be_framed_or_run_what_is_not_ours(client: FlaskClient) -> None:
    for path in ("/", "/series?query=quiet", "/nowhere", "/api/v1/queries", "/-/healthy", "/metrics"):
        headers = client.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_files_are_kept_for_good_at_an_address_with_their_version(client: FlaskClient) -> None:
    page = Tags(series_page(client, SHOP))
    addresses = [each["src"] for each in page.attributes("script")]
    addresses += [each["href"] for each in page.attributes("link")]
    assert len(addresses) == 6
    for address in addresses:
        assert address is not None
        assert re.fullmatch(r"/static/[0-9a-f.]+/[a-z.]+", address)
        packed = client.get(address, headers={"Accept-Encoding": "gzip"})
        plain = client.get(address, headers={"Accept-Encoding": "identity"})
        assert gzip.decompress(packed.data) == plain.data
        assert "immutable" in packed.headers["Cache-Control"]
        assert client.get(address.replace("/static/", "/static/0")).status_code == 404
    assert client.get("/static/../app.py").status_code == 404
    plotly = next(address for address in addresses if address and "plotly.min.js" in address)
    assert b"plotly.js" in client.get(plotly, headers={"Accept-Encoding": "identity"}).data[:200]


def test_every_file_beside_the_pages_is_served(client: FlaskClient) -> None:
    folder = Path(specter_detector.web.__file__).parent / "static"
    assert {file.name for file in folder.iterdir()} == set(OWN)


def rgb(colour: str) -> tuple[float, ...]:
    short = colour.lstrip("#")
    wide = "".join(char * 2 for char in short) if len(short) == 3 else short
    return tuple(int(wide[at : at + 2], 16) / 255 for at in (0, 2, 4))


def luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2.1."""
    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb(colour)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_every_text_colour_stands_out_from_every_ground_in_light_and_dark() -> None:
    text = (Path(specter_detector.web.__file__).parent / "static" / "specter.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
    for block in (light, dark):
        colours: dict[str, Any] = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6});", block))
        for ground in ("surface", "back"):
            for ink in ("text", "muted", "blue", "red", "green", "yellow", "orange", "purple"):
                low, high = sorted((luminance(colours[ink]), luminance(colours[ground])))
                assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)
        for ground in ("red-back", "purple-back", "green-back", "hover"):
            low, high = sorted((luminance(colours["text"]), luminance(colours[ground])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, ground


def test_tables_and_fields_have_names_for_those_who_hear_the_page(client: FlaskClient) -> None:
    for page in (Tags(client.get("/").text), Tags(series_page(client, SHOP))):
        assert page.attributes("html") == [{"lang": "en"}]
        assert all(each.get("scope") in {"col", "row"} for each in page.attributes("th"))
        assert all(each.get("aria-label") and each.get("tabindex") == "0"
                   for each in page.attributes("div") if each.get("class") == "scroll")  # fmt: skip
        fields = [each for tag in ("input", "select") for each in page.attributes(tag)]
        assert len(page.attributes("label")) == len([each for each in fields if each.get("type") != "hidden"])
