"""Which ticks a server has: every sample with its own timestamp, so that gaps are seen exactly."""

import time
from collections.abc import Collection

from tests.detector.faults.process import eventually
from tests.servers.prometheus import Prometheus

OUTPUTS = ("anomaly_score", "yhat", "yhat_lower", "yhat_upper")


def samples(server: Prometheus, selector: str, window: str = "15m") -> dict[str, dict[float, float]]:
    """Return by series, as text, what there is of it: values by time. Staleness markers are not values.

    Raises:
        AssertionError: a series has two samples of one time.
    """
    found = {}
    for row in server.query(f"{selector}[{window}]"):
        metric: dict[str, str] = row["metric"]  # type: ignore[assignment]
        pairs = [(float(at), float(value)) for at, value in row["values"]]  # type: ignore[attr-defined]
        values = dict(pairs)
        assert len(values) == len(pairs), f"a time twice: {metric}"
        assert list(values) == sorted(values), f"out of order: {metric}"
        found[str(sorted(metric.items()))] = values
    return found


def stamps(
    server: Prometheus, selector: str = "anomaly_score", window: str = "15m"
) -> dict[str, list[float]]:
    """Return by series when there is a sample of it."""
    return {series: list(values) for series, values in samples(server, selector, window).items()}


def newest(server: Prometheus, selector: str = "anomaly_score") -> float:
    """Return the time of the newest tick, 0 without one."""
    return max((times[-1] for times in stamps(server, selector, "5m").values()), default=0.0)


def wait_for_ticks(server: Prometheus, count: int, selector: str = "anomaly_score") -> float:
    """Wait until the tick of now and `count - 1` behind it are there; return the newest."""
    due = time.time() + count - 1
    eventually(lambda: newest(server, selector) >= due, f"{count} more ticks of {selector}", count + 30.0)
    return newest(server, selector)


def every_second(first: float, last: float) -> list[float]:
    """Return the ticks from `first` to `last`."""
    return [first + number for number in range(round(last - first) + 1)]


def assert_gapless(
    server: Prometheus,
    series: int,
    *,
    outputs: Collection[str] = OUTPUTS,
    absent: Collection[float] = (),
    more: str = "",
) -> list[float]:
    """Check that each of `series` series has each tick once in all `outputs`; return the ticks.

    Args:
        absent: ticks that nothing could be said of.
        more: label matchers.
    """
    ticks: list[float] = []
    for name in outputs:
        found = stamps(server, f"{name}{{{more}}}" if more else name)
        assert len(found) == series, f"{name}: {sorted(found)}"
        for labels, times in found.items():
            expected = [at for at in every_second(times[0], times[-1]) if at not in absent]
            missing = sorted(set(expected) - set(times))
            assert times == expected, f"{name} {labels}: without {missing}, of {times[0]} to {times[-1]}"
            ticks = times if len(times) > len(ticks) else ticks
    return ticks
