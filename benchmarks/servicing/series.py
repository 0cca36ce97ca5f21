"""Series as services have them: six labels and a name, a daily rhythm, noise of five percent."""

import numpy as np

from specter_detector.models.arrays import Floats
from specter_detector.models.fit import FitOptions, Fitted, fit
from specter_detector.series import Labels, labels_of

METRIC = "bench_requests_per_second"
DAYS = 28
PEAK, NOISE = 100.0, 0.05


def some_labels(count: int, name: str | None = None, first: int = 0) -> list[Labels]:
    """Return the labels of `count` series, those from number `first` on.

    Args:
        count: how many.
        name: of the metric; None for the result of a function, which has none.
        first: number of the first; other numbers have other labels.
    """
    named = {} if name is None else {"__name__": name}
    return [
        labels_of(
            {
                **named,
                "service": f"service-{number // 100}",
                "instance": f"10.0.{number // 250}.{number % 250}:9100",
                "http_route": f"/api/v1/things/{number % 40}",
                "http_request_method": ("GET", "POST", "PUT")[number % 3],
                "zone": f"eu-west-1{'abc'[number % 3]}",
                "job": "app",
            }
        )
        for number in range(first, first + count)
    ]


def values_at(at: float, count: int) -> Floats:
    """Return (count,) the values of as many series at Unix time `at` (s), the same at each call."""
    noise = np.random.default_rng(round(at)).normal(0.0, NOISE, count)
    return _expected(np.array([at])) * np.exp(noise)


def fitted_until(end: float, count: int, options: FitOptions) -> Fitted:
    """Return what is learnt of `count` series with four weeks of history up to Unix time `end` (s)."""
    times = end - options.step * np.arange(DAYS * 86400.0 / options.step)[::-1]
    noise = np.random.default_rng(7).normal(0.0, NOISE, (count, times.size))
    return fit(times, _expected(times) * np.exp(noise), options, with_state=True)


def _expected(times: Floats) -> Floats:
    """Return what there is at `times`: busy at 14:00, quiet at night, busier in one half of the week."""
    hour, week = (times / 3600) % 24, times / (7 * 86400)
    rhythm = 0.35 + 0.65 * np.exp(-(((hour - 14) / 4.5) ** 2))
    expected: Floats = PEAK * rhythm * (1 + 0.2 * np.sin(2 * np.pi * week))
    return expected
