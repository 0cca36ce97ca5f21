"""Make the pictures of docs/detector-web.md anew: python -m tests.browser.pictures docs."""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from selenium.webdriver.common.by import By

from tests.browser.chromium import chromium, until, whole_page
from tests.browser.detector_site import by_id, open_series, running_site, text
from tests.detector.web_watch import DAY, NOW, SHOP


def main(folder: Path) -> None:
    """Write detector-overview.png and detector-series.png to `folder`."""
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
        running_site(Path(scratch)) as site,
        chromium(Path(scratch) / "profile") as browser,
    ):
        browser.get(f"{site.url}/?text=eu-central")
        whole_page(browser, folder / "detector-overview.png")
        dropped = NOW - 3 * DAY
        site.feedback.add("request_rate", SHOP, dropped, dropped + 2400, "incident", author="ada")
        open_series(browser, site, range="7d")
        form = by_id(browser, "try")
        for name in ("rel_below", "rel_above"):
            field = form.find_element(By.NAME, name)
            field.clear()
            field.send_keys("0.5")
        form.submit()
        until(browser, lambda _: "orange" in text(browser, "try-status"), "the second result")
        whole_page(browser, folder / "detector-series.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
