"""Ask for what is there now: an instant query repeats the past for minutes."""

import re

from specter_core.durations import parse_duration
from specter_detector.promql import BARE_SELECTOR, SELECTOR

# Functions of one range that return one value a series and keep its labels.
_FUNCTIONS = (
    r"(?:rate|irate|increase|delta|idelta|deriv|changes|resets|"
    r"(?:avg|min|max|sum|count|stddev|stdvar|last|present)_over_time)"
)
_RANGE_CALL = re.compile(rf"\b{_FUNCTIONS}\s*\(\s*(?P<selector>{SELECTOR})\s*\[\s*(?P<window>\w+)\s*\]\s*\)")
# What may stand around such calls without choosing between series by their values, or turning
# "there is none" into "there is one". What else there is (comparisons, topk, absent, or) stays as written.
_AROUND = re.compile(
    r"(?:\s|\x00|[-+*/(),]|(?<![\w.])\d+(?:\.\d+)?(?![\w.])|"
    r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^()]*\)|"
    r"\b(?:sum|avg|min|max|count|group|stddev|stdvar|histogram_quantile|abs|ceil|floor|round|sqrt|clamp|clamp_min|clamp_max)\b)+"
)
WINDOW_SHARE = 1 / 3
"""A rate's window should hold four scrapes; younger than a third of it is as young as can be asked."""


def fresh(expr: str, max_age: float) -> str:
    """Return `expr`, limited to series with samples younger than `max_age` seconds where that can be said.

    Without it a series that stopped without a staleness marker repeats its last
    value for five minutes, and a rate fades out over its whole window.

    - A bare selector is compared with its samples' own timestamps.
    - Functions of ranges, also inside of aggregations and arithmetic, are kept where the same expression
      over counts of recent samples has a result. Values stay what they were: a group is dropped when none
      of its members has a recent sample. `max_age` is raised to a third of the window, lest slowly
      scraped series flicker.
    - Nothing else knows the time of its samples; for the rest `lookback` asks the server to look back
      less far.
    """
    if BARE_SELECTOR.fullmatch(expr):
        # Not `time() - timestamp(…) <= …`: one more pass over all series, a quarter of the server's time.
        return f"({expr}) and (timestamp({expr}) >= time() - {max_age:g})"
    if not _RANGE_CALL.search(expr) or not _AROUND.fullmatch(_RANGE_CALL.sub("\x00", expr)):
        return expr
    try:
        counted = _RANGE_CALL.sub(lambda call: _counted(call, max_age), expr)
    except ValueError:  # a window that is none: the server says so better
        return expr
    # Quantiles lose the label le on the way, in both.
    return f"({expr}) and ({counted})"


def lookback(seconds: float) -> dict[str, str]:
    """Return the parameters that shorten the look-back.

    Prometheus from 2.43, Thanos and VictoriaMetrics know one of them; others ignore both. Without `nocache`
    VictoriaMetrics moves the ends of a range to where its cache has them.
    """
    return {"lookback_delta": f"{seconds:g}s", "max_lookback": f"{seconds:g}s", "nocache": "1"}


def _counted(call: re.Match[str], max_age: float) -> str:
    age = max(max_age, parse_duration(call["window"]) * WINDOW_SHARE)
    return f"count_over_time({call['selector']}[{round(age * 1000)}ms])"
