"""SQL databases: what business queries give, how far copies are behind, how long checks take.

Violations are not learnt: none is expected, and an alert of their own tells of the first.
"""

from specter_core import metrics
from specter_core.metrics import Metric
from specter_detector.presets.model import MINUTE, Preset, PresetQuery, Source

OF_CHECK = f"service, {metrics.DATABASE}, {metrics.CHECK}"


def highest(metric: Metric, by: str = OF_CHECK) -> tuple[Source, ...]:
    """Return the highest value of each check, and of each of the labels `by`."""
    return (Source(f"max by ({by}) ({metric.name})", (metric.name,)),)


SQL = Preset(
    "sql",
    "checks of data in SQL databases",
    (
        PresetQuery(
            "sql_business_value",
            "Number that a business query gives",
            "orders, users or payments are other than usual at this time, although nothing fails",
            "units",
            "service",
            highest(metrics.SQL_BUSINESS_VALUE, f"{OF_CHECK}, group"),
            # A few of what is counted: below them chance is large.
            min_dev=5,
            min_rel_dev=0.4,
        ),
        PresetQuery(
            "sql_sync_lag",
            "Lag of a copy",
            "what copies is late, below what its check allows",
            "seconds",
            "service",
            highest(metrics.SQL_SYNC_LAG),
            direction="above_expected",
            min_dev=MINUTE,
            min_rel_dev=1.0,
        ),
        PresetQuery(
            "sql_check_duration",
            "Duration of a check",
            "a query reads more than it did: an index is lost, or a table has grown",
            "seconds",
            "detail",
            highest(metrics.SQL_CHECK_DURATION),
            direction="above_expected",
            min_dev=1,
            min_rel_dev=1.0,
        ),
    ),
)
