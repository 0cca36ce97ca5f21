"""What browsers would have measured of the shop's pages: how often which is viewed, and the vitals of it.

As with latencies, the past is that of the pages as they are: what they weigh is found by loading them, and
browsers are played by the code that plays them in the traffic.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from specter_core import metrics
from specter_core.metrics import Metric
from specter_demo.traffic.browsers import SHARE
from specter_demo.traffic.visitors import BROWSERS, UNKNOWN_PRODUCTS
from specter_demo.traffic.vitals import DESKTOP, MOBILE, Device, Load, device_of, measure

Array = NDArray[np.float64]

# The vitals that the detector watches, by the name that browsers send.
WATCHED: Mapping[str, Metric] = {"LCP": metrics.WEB_VITALS_LCP, "INP": metrics.WEB_VITALS_INP}
DEVICES = (DESKTOP, MOBILE)
VIEW_WINDOW_SECONDS = 300
QUANTILE = 0.75
# So many views say how a page's vitals are spread, in a fifth of a second.
PLAYED = 5000
MILLISECONDS = 1000.0


@dataclass(frozen=True, slots=True)
class Page:
    """A page with vitals: its template as stack/exporters/browser.yml has it, and the route that serves it.

    `found` is the share of its requests that are answered with a page.
    """

    template: str
    route: str
    example: str
    found: float = 1.0


PAGES = (
    Page("/", "/", "/"),
    Page("/products/{product}", "/products/<int:product_id>", "/products/1", found=1.0 - UNKNOWN_PRODUCTS),
)


@dataclass(frozen=True, slots=True)
class Views:
    """Reported views of a page on one class of devices.

    Attributes:
        page: template of the page.
        device: name of the class.
        route: whose requests they are a share of.
        share: of those requests.
        probabilities: of each bucket of a vital, by its name; the last bucket is that of what is larger.
    """

    page: str
    device: str
    route: str
    share: float
    probabilities: Mapping[str, Array]

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its series, beside those of the target."""
        return {"page": self.page, "device": self.device}


def views_of(load: Callable[[str], Load], source: random.Random) -> tuple[Views, ...]:
    """Return the views of every page; `load` tells what the page at a path costs."""
    return tuple(
        _views(page, device, cost, source)
        for page, cost in ((page, load(page.example)) for page in PAGES)
        for device in DEVICES
    )


def _views(page: Page, device: Device, load: Load, source: random.Random) -> Views:
    played = [measure(load, device, source) for _ in range(PLAYED)]
    probabilities = {
        name: _spread(metric, [view[name] / MILLISECONDS for view in played])
        for name, metric in WATCHED.items()
    }
    of_device = sum(device_of(browser) is device for browser in BROWSERS) / len(BROWSERS)
    return Views(page.template, device.name, page.route, SHARE * page.found * of_device, probabilities)


def _spread(metric: Metric, values: Sequence[float]) -> Array:
    """Return the share of `values` in each bucket of `metric`."""
    # A bucket holds what is at most its bound.
    buckets = np.searchsorted(bounds(metric), values, side="left")
    return np.bincount(buckets, minlength=len(bounds(metric))) / len(values)


def bounds(metric: Metric) -> Array:
    """Return the upper bounds of the buckets of `metric`, ascending, infinity last."""
    return np.array([*metric.buckets, np.inf])


def draw_views(
    views: Views,
    rate_of: Callable[[str, Array], Array],
    times: Array,
    step: float,
    random: np.random.Generator,
) -> dict[str, NDArray[np.int64]]:
    """Return for each vital the views that were reported in the step before each time, shape (n, buckets)."""
    totals = random.poisson(views.share * rate_of(views.route, times - step / 2) * step)
    return {name: random.multinomial(totals, cells) for name, cells in views.probabilities.items()}
