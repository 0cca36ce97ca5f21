"""Templates, settling and the configuration file of the browser exporter."""

import string
import tracemalloc
from pathlib import Path
from unicodedata import normalize
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from specter_core.config import ConfigError
from specter_core.errors import UsageError
from specter_exporters.browser.config import MAX_PAGES, load
from specter_exporters.browser.pages import OTHER, Pages, template_error
from specter_exporters.browser.settling import Settling
from specter_exporters.cli import exporter
from tests.exporters.signin_driving import ManualClock

TEMPLATES = ["/", "/cart", "/product/{id}", "/product/new", "/docs/{rest:path}", "/{lang}/about", "/a.b/{x}"]


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("/?utm=1", "/"),
        ("/cart", "/cart"),
        ("/cart/", "/cart"),
        ("/cart#total", "/cart"),
        ("/product/7", "/product/{id}"),
        ("/product/7/?size=3/4", "/product/{id}"),
        ("/product/{id}", "/product/{id}"),
        ("/product/new", "/product/new"),
        ("/product/", OTHER),
        ("/product/7/reviews", OTHER),
        ("/docs/a/b/c", "/docs/{rest:path}"),
        ("/docs", OTHER),
        ("/de/about", "/{lang}/about"),
        ("/docs/about", "/docs/{rest:path}"),
        ("/a.b/1", "/a.b/{x}"),
        ("/axb/1", OTHER),
        ("/Cart", OTHER),
        ("//", "/"),
        ("", "/"),
    ],
)
def test_the_template_of_a_path(path: str, template: str) -> None:
    assert Pages(TEMPLATES).find(path) == template


@given(st.text())
def test_every_path_has_a_known_label(path: str) -> None:
    assert Pages(TEMPLATES).find("/" + path) in {OTHER, *TEMPLATES}


@given(st.lists(st.text(string.ascii_letters + string.digits + "-._~%", min_size=1), min_size=1, max_size=5))
def test_a_template_of_plain_text_finds_itself(segments: list[str]) -> None:
    template = "/" + "/".join(segments)
    assert template_error(template) is None
    assert Pages([template]).find(template) == template


COMPOSED, TAKEN_APART = "caf\u00e9", "cafe\u0301"
BEYOND_ASCII = ["/caf\u00e9", "/\u5546\u54c1/{id}", "/o%CC%88l/{rest:path}", "/a%20b", "/%7Bid%7D/x"]


@pytest.mark.parametrize(
    ("path", "template"),
    [
        (f"/{COMPOSED}", "/caf\u00e9"),
        (f"/{TAKEN_APART}", "/caf\u00e9"),
        ("/caf%C3%A9", "/caf\u00e9"),
        ("/caf%c3%a9/?x=%C3", "/caf\u00e9"),
        ("/cafe%CC%81", "/caf\u00e9"),
        ("/caf%E9", OTHER),
        ("/caf%25C3%25A9", OTHER),
        ("/%E5%95%86%E5%93%81/7", "/\u5546\u54c1/{id}"),
        ("/\u5546\u54c1/a%2Fb", "/\u5546\u54c1/{id}"),
        ("/\u5546\u54c1%2F7", OTHER),
        ("/\u5546\u54c1/%FF%0A%3F", "/\u5546\u54c1/{id}"),
        ("/\u00f6l/a/b", "/o%CC%88l/{rest:path}"),
        ("/a%20b", "/a%20b"),
        ("/a b", "/a%20b"),
        ("/%7bid%7d/x", "/%7Bid%7D/x"),
        ("/7/x", OTHER),
    ],
)
def test_letters_beyond_ascii_match_raw_and_encoded_however_they_are_composed(
    path: str, template: str
) -> None:
    assert Pages(BEYOND_ASCII).find(path) == template


@given(st.text(st.characters(exclude_categories=("Cs", "Z", "Cc"), exclude_characters="/{}?#%"), min_size=1))
def test_a_template_of_any_letters_finds_what_a_browser_makes_of_it(segment: str) -> None:
    template = f"/{segment}/{{id}}"
    assert template_error(template) is None
    pages = Pages([template])
    for form in ("NFC", "NFD"):
        assert pages.find(quote(normalize(form, f"/{segment}/7"))) == template


def test_without_templates_everything_is_other() -> None:
    assert Pages([]).find("/cart") == OTHER


@pytest.mark.parametrize(
    "template",
    ["", "cart", "/cart/", "//", "/a//b", "/{Id}", "/{id}x", "/{rest:path}/a", "/a?b", "/a b", "/{}"],
)
def test_what_is_no_template(template: str) -> None:
    assert template_error(template) is not None


def settling(
    hold: float = 60, capacity: int = 3, remembered: int = 3
) -> tuple[Settling[str], list[str], ManualClock]:
    clock = ManualClock()
    settled: list[str] = []
    return (
        Settling(
            settled.append,
            hold_seconds=hold,
            remember_seconds=100,
            capacity=capacity,
            remembered=remembered,
            monotonic=clock.monotonic,
        ),
        settled,
        clock,
    )


def test_seconds_are_counted_from_the_first_value() -> None:
    held, settled, clock = settling()
    held.add(1, "a")
    clock.sleep(59)
    held.add(1, "b")
    held.settle_due()
    assert settled == []
    clock.sleep(1)
    held.settle_due()
    assert settled == ["b"]


def test_an_id_is_forgotten_after_its_time() -> None:
    held, settled, clock = settling(hold=0)
    held.add(1, "a")
    held.add(1, "late")
    clock.sleep(100)
    held.add(1, "again")
    assert settled == ["a", "again"]
    assert held.counts() == (0, 0, 1, 0, 0)


def test_beyond_the_capacity_the_oldest_is_settled_early_and_none_is_lost() -> None:
    held, settled, _clock = settling(capacity=2)
    for number in range(5):
        held.add(number, str(number))
    assert settled == ["0", "1", "2"]
    assert (held.counts().held, held.counts().early) == (2, 3)


def test_ids_are_remembered_apart_from_what_is_held_and_forgotten_ones_are_counted() -> None:
    held, settled, _clock = settling(hold=0, capacity=1, remembered=3)
    for number in range(4):
        held.add(number, str(number))
    for number in (1, 0):
        held.add(number, "again")
    assert settled == ["0", "1", "2", "3", "again"]
    assert held.counts() == (0, 0, 1, 0, 2)


def test_memory_is_bounded_under_any_number_of_ids() -> None:
    held, _settled, _clock = settling(capacity=1000, remembered=1000)
    tracemalloc.start()
    try:
        for number in range(3_000):
            held.add(number, "x")
        before = tracemalloc.get_traced_memory()[0]
        for number in range(3_000, 50_000):
            held.add(number, "x")
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # The list of what was settled holds a reference each.
    assert grown < 47_000 * 12 + 100_000


def written(folder: Path, text: str) -> Path:
    file = folder / "browser.yml"
    file.write_text(text, encoding="utf-8")
    return file


def test_everything_can_be_set(tmp_path: Path) -> None:
    config = load(
        written(
            tmp_path,
            """
            allowed_origins: [https://shop.example.org, "http://localhost:8080", "http://[::1]:3000"]
            pages: [/, "/product/{id}"]
            hold_seconds: 5
            requests_per_second: 50
            client_requests_per_second: 5
            trusted_proxies: [10.0.0.0/8]
            """,
        )
    )
    assert config.hold_seconds == 5
    beacon = config.beacon
    assert beacon.origins.allows("http://[::1]:3000")
    assert not beacon.origins.allows("http://localhost")
    assert beacon.pages.find("/product/7") == "/product/{id}"
    assert (beacon.requests_per_second, beacon.client_requests_per_second) == (50, 5)
    assert beacon.proxies.client("10.0.0.1", "192.0.2.1") == "192.0.2.1"


def test_every_error_of_the_file_is_told_at_once(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        'allowed_origins: [https://shop.example.org, "*", https://shop.example.org/, https://shop.example.org:443]\n'
        "pages: [cart]\nhold_seconds: 1800\ntrusted_proxies: [proxy]\npage: []\n",
    )
    with pytest.raises(ConfigError) as caught:
        load(file)
    told = {problem.path: problem.message for problem in caught.value.problems}
    assert set(told) == {
        "allowed_origins[1]", "allowed_origins[2]", "allowed_origins[3]", "pages[0]", "hold_seconds",
        "trusted_proxies[0]", "page",
    }  # fmt: skip
    assert "is no origin" in told["allowed_origins[1]"]
    assert "leave out" in told["allowed_origins[3]"]
    assert "is no template" in told["pages[0]"]
    assert "did you mean pages?" in told["page"]


def test_origins_are_required_and_templates_limited(tmp_path: Path) -> None:
    for text in ("", "allowed_origins: []"):
        with pytest.raises(ConfigError, match="allowed_origins"):
            load(written(tmp_path, text))
    pages = ", ".join(f"/p{number}" for number in range(MAX_PAGES + 1))
    with pytest.raises(ConfigError, match="pages"):
        load(written(tmp_path, f"allowed_origins: [https://shop.example.org]\npages: [{pages}]"))


def test_of_a_wrong_origin_it_is_not_said_that_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, "allowed_origins: ['https://shop.example.org/path']"))
    [problem] = caught.value.problems
    assert problem.path == "allowed_origins[0]"
    assert problem.message.startswith("is no origin: scheme, host and port in lower case without a path")


def test_a_wrong_address_of_the_beacon_is_named_by_its_flag(tmp_path: Path) -> None:
    file = written(tmp_path, "allowed_origins: [https://shop.example.org]")
    result = CliRunner().invoke(
        exporter, ["browser", "--config", str(file), "--beacon.listen-address", "9853"]
    )
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(
        "--beacon.listen-address '9853': expected HOST:PORT, for example 127.0.0.1:9853"
    )
