"""Defaults that the schema fills in and the cross-checks reckon with; durations in seconds."""

from specter_core.metrics import FOR, MODEL_ALIAS, SCHEDULER_ALIAS

STEP = 300.0
RETENTION = 86400.0
FIT_EVERY = 3600.0
FIT_WINDOW = 28 * 86400.0
INFER_EVERY = 15.0
MAX_SERIES = 1_000
MAX_CONCURRENT = 4
METRIC_FORMAT = {
    "__name__": "$VAR",
    FOR: "$QUERY_KEY",
    MODEL_ALIAS: "$MODEL_ALIAS",
    SCHEDULER_ALIAS: "$SCHEDULER_ALIAS",
}
