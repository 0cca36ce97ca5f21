"""The detector's pages in a real Chromium: what is drawn, what can be done, and nothing asked elsewhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.browser.chromium import chromium, console, requested, until
from tests.browser.detector_site import Site, by_id, open_series, running_site, text
from tests.detector.web_watch import (
    HOSTILE,
    INVALID,
    NOW,
    SHOP,
    STEP,
)

pytestmark = pytest.mark.integration
PHONE = 390


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def browser(started: Chrome, site: Site) -> Iterator[Chrome]:
    started.get("about:blank")
    console(started)
    requested(started)
    yield started
    assert console(started) == []
    elsewhere = [url for url in requested(started) if not url.startswith((site.url, "data:", "about:"))]
    assert elsewhere == []


def traces(browser: Chrome) -> dict[str, dict[str, Any]]:
    """Return the figure's traces by name, as Plotly holds them."""
    script = """return document.getElementById("chart").data.map((each) => ({
        meta: each.meta, x: Array.from(each.x), y: Array.from(each.y), fill: each.fill, axis: each.yaxis,
        text: each.text}))"""
    found: list[dict[str, Any]] = browser.execute_script(script)
    return {each["meta"]: each for each in found}


def shown_range(browser: Chrome) -> list[str]:
    script = (
        'return document.getElementById("chart").layout.xaxis.range.map((each) => String(each).slice(0, 19))'
    )
    found: list[str] = browser.execute_script(script)
    return found


def paths(browser: Chrome, selector: str) -> list[WebElement]:
    """Return what really is on the screen."""
    return [
        each for each in browser.find_elements(By.CSS_SELECTOR, f"#chart {selector}") if each.size["width"]
    ]


def test_the_chart_has_the_line_the_band_the_score_and_the_parts(browser: Chrome, site: Site) -> None:
    open_series(browser, site)
    drawn = traces(browser)
    names = ["lower", "upper", "expected", "observed", "anomalous", "score", "trend", "seasonal", "remainder"]
    assert list(drawn) == names
    assert drawn["upper"]["fill"] == "tonexty"
    assert {name: drawn[name]["axis"] for name in names[3:]} == {
        "observed": "y", "anomalous": "y", "score": "y2", "trend": "y3", "seasonal": "y4", "remainder": "y5"
    }  # fmt: skip
    assert {len(drawn[name]["x"]) for name in names if name != "anomalous"} == {289}
    # 15:00 in Berlin, whatever the browser's own time zone is.
    assert drawn["observed"]["x"][-1] == "2026-01-20 15:00:00"
    assert len(paths(browser, ".scatterlayer .js-fill")) >= 1
    assert len(paths(browser, ".scatterlayer .js-line")) >= 7
    assert len(paths(browser, ".scatterlayer .point")) == len(drawn["anomalous"]["x"]) > 0
    lines = paths(browser, ".gridlayer path")
    assert len(lines) > 10


def test_the_anomaly_is_marked_and_said_with_its_reason_and_the_deployment_beside_it(
    browser: Chrome, site: Site
) -> None:
    open_series(browser, site)
    marked = traces(browser)["anomalous"]
    assert (marked["x"][-1], marked["text"][-1]) == ("2026-01-20 15:00:00", "spike")
    assert marked["y"][-1] == pytest.approx(213.8354)
    headline = browser.find_element(By.CSS_SELECTOR, ".say.alarm .headline").text
    assert headline.startswith("Anomalous: 213.8/s is higher than expected (2.55 times the usual)")
    rows = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "#alarms tbody tr")]
    assert ["spike" in rows[0], "absent" in rows[1], "no value" in rows[1]] == [True, True, True]
    words = [each.text for each in browser.find_elements(By.CSS_SELECTOR, "#chart .annotation-text")]
    assert {"spike", "absent", "deployed 2.4.0"} <= set(words)
    assert "5 missing" in text(browser, "status")


def test_a_stretch_is_zoomed_by_dragging_and_the_fields_follow(browser: Chrome, site: Site) -> None:
    open_series(browser, site)
    whole = shown_range(browser)
    assert whole == ["2026-01-19 15:00:00", "2026-01-20 15:00:00"]
    area = browser.find_element(By.CSS_SELECTOR, "#chart .xy .nsewdrag, #chart .nsewdrag[data-subplot=xy]")
    width = area.size["width"]
    actions = ActionChains(browser, duration=50)
    actions.move_to_element_with_offset(area, -width // 4, 0).click_and_hold()
    actions.move_by_offset(width // 4, 0).move_by_offset(width // 4, 0).release().perform()
    until(browser, lambda _: shown_range(browser) != whole, "zoomed")
    first, last = shown_range(browser)
    assert "2026-01-19 20:45" < first < "2026-01-19 21:15"
    assert "2026-01-20 08:45" < last < "2026-01-20 09:15"
    start = by_id(browser, "feedback").find_element(By.NAME, "start").get_property("value")
    assert str(start)[:16] == first[:16].replace(" ", "T")
    by_id(browser, "reset").click()
    until(browser, lambda _: shown_range(browser) == whole, "back to the whole stretch")


def test_an_alarm_is_zoomed_to_from_the_table(browser: Chrome, site: Site) -> None:
    open_series(browser, site)
    browser.find_elements(By.CSS_SELECTOR, "#alarms button")[1].click()
    until(browser, lambda _: shown_range(browser)[0] > "2026-01-20", "zoomed to the gap")
    first, last = shown_range(browser)
    assert first < "2026-01-20 04:05" < last < "2026-01-20 06"


def test_other_settings_are_drawn_beside_with_their_yaml_and_taken_away(browser: Chrome, site: Site) -> None:
    open_series(browser, site)
    form = by_id(browser, "try")
    for name in ("rel_below", "rel_above"):
        field = form.find_element(By.NAME, name)
        field.clear()
        field.send_keys("2")
    form.submit()
    until(browser, lambda _: "orange" in text(browser, "try-status"), "the second result")
    drawn = traces(browser)
    assert list(drawn)[9:] == ["tried-lower", "tried-upper", "tried-score"]
    last_width = [drawn[name]["y"][-1] for name in ("tried-upper", "upper", "observed")]
    assert last_width[0] > last_width[2] > last_width[1]
    rows = [row.text.split() for row in browser.find_elements(By.CSS_SELECTOR, "#compare tbody tr")]
    assert rows == [["present", "2", "6"], ["tried", "1", "4"]]
    assert "min_rel_dev_from_expected: 2.0" in text(browser, "yaml")
    by_id(browser, "forget").click()
    until(browser, lambda _: len(traces(browser)) == 9, "taken away")
    assert not by_id(browser, "tried").is_displayed()


def test_settings_that_are_refused_are_said_beside_the_form(browser: Chrome, site: Site) -> None:
    open_series(browser, site)
    field = by_id(browser, "try").find_element(By.NAME, "tz")
    field.clear()
    field.send_keys("Mars/Olympus", Keys.ENTER)
    until(browser, lambda _: "time zone" in text(browser, "try-status"), "the refusal")
    assert "settings.tz: expected a time zone such as UTC" in text(browser, "try-status")
    (said,) = console(browser)
    assert "422" in said


def test_a_button_stores_a_window_and_another_takes_it_back(browser: Chrome, site: Site) -> None:
    open_series(browser, site)
    browser.find_elements(By.CSS_SELECTOR, "#alarms button")[1].click()
    until(browser, lambda _: shown_range(browser)[0] > "2026-01-20", "zoomed to the gap")
    browser.find_element(By.CSS_SELECTOR, 'button[value="incident"]').click()
    until(browser, lambda _: "Stored as incident" in text(browser, "feedback-status"), "stored")
    (window,) = site.feedback.windows()
    assert (window.query, window.labels, window.kind) == ("request_rate", SHOP, "incident")
    gap = NOW - 10 * 3600 - 3600
    assert (window.start, window.end) == (gap + STEP, gap + 4 * STEP)
    item = browser.find_element(By.CSS_SELECTOR, "#windows li")
    assert "incident 2026-01-20 04:05 to 2026-01-20 04:20" in item.text
    open_series(browser, site)
    browser.find_element(By.CSS_SELECTOR, "#windows button").click()
    until(browser, lambda _: "Withdrawn" in text(browser, "feedback-status"), "withdrawn")
    assert site.feedback.windows() == ()


def test_hostile_labels_run_nothing(browser: Chrome, site: Site) -> None:
    open_series(browser, site, HOSTILE)
    assert "<script>alert('x')</script>" in browser.find_element(By.TAG_NAME, "h1").text
    assert len(traces(browser)) == 9
    words = [each.text for each in browser.find_elements(By.CSS_SELECTOR, "#chart .annotation-text")]
    assert "deployed 2.4.<b>0</b>" in words
    browser.get(site.url)
    assert "<script>alert('x')</script>" in browser.find_element(By.CSS_SELECTOR, "table.series").text


def test_a_series_without_values_is_not_drawn_as_healthy(browser: Chrome, site: Site) -> None:
    open_series(browser, site, (("service", "nobody"),))
    assert "no series" in text(browser, "status")
    assert by_id(browser, "chart").find_elements(By.TAG_NAME, "svg") == []
    (said,) = console(browser)
    assert "404" in said
    open_series(browser, site, INVALID)
    assert browser.find_element(By.CSS_SELECTOR, ".say").get_attribute("class") == "say unknown"


def test_the_overview_leads_to_the_worst_series_by_keyboard_alone(browser: Chrome, site: Site) -> None:
    browser.get(site.url)
    assert browser.find_element(By.TAG_NAME, "h1").text.startswith("1 anomalous, 1 absent")
    field = browser.find_element(By.NAME, "text")
    field.send_keys("shop request", Keys.ENTER)
    until(browser, lambda _: "text=shop+request" in browser.current_url, "filtered")
    (link,) = browser.find_elements(By.CSS_SELECTOR, "table.series tbody a")
    link.send_keys(Keys.ENTER)
    until(browser, lambda _: "/series?" in browser.current_url, "the page of the series")
    until(browser, lambda _: "Replaying" not in text(browser, "status"), "drawn")
    assert "Anomalous" in browser.find_element(By.CSS_SELECTOR, ".say").text


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_shows_everything_without_scrolling_sideways(site: Site, tmp_path: Path, dark: bool) -> None:
    with chromium(tmp_path, dark=dark, width=PHONE) as phone:
        phone.get(site.url)
        open_series(phone, site)
        script = (
            "return [document.documentElement.scrollWidth, getComputedStyle(document.body).backgroundColor]"
        )
        width, ground = phone.execute_script(script)
        assert width == PHONE
        assert ground == ("rgb(17, 18, 23)" if dark else "rgb(244, 245, 247)")
        assert by_id(phone, "chart").size["width"] <= PHONE
        phone.get(site.url)
        assert phone.execute_script("return document.documentElement.scrollWidth") == PHONE
