"""Counters of services in PromQL: what the families of several exporters write alike."""

from specter_core import metrics
from specter_core.metrics import Metric

DAY, RECENT = "1d", "15m"
# How often it is worked out what is usual: a day of values is read for it.
USUAL_INTERVAL = "1m"
# A target without a service would be lumped together with all others under "".
KNOWN = f'{metrics.SERVICE}!=""'


def rate_of(by: str, counter: Metric | str, window: str, *matchers: str, function: str = "rate") -> str:
    """Return a counter's rate a second, or another function of it over `window`, added up by labels."""
    name = counter if isinstance(counter, str) else counter.name
    return f"sum by ({by}) ({function}({name}{{{', '.join((KNOWN, *matchers))}}}[{window}]))"


def usual(recorded: str, within: str = DAY) -> str:
    """Return a recorded series' mean without its newest quarter of an hour, which is compared with it."""
    return f"avg_over_time({recorded}[{within}] offset {RECENT})"
