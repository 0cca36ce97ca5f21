"""What the history of a query may speak for, before it is measured. Pure."""

import math
import re
from dataclasses import dataclass, replace

import numpy as np

from specter_detector.backtesting.chunk import Scored, Setting
from specter_detector.backtesting.outcome import warm_up_samples
from specter_detector.models.arrays import Floats
from specter_detector.models.policy import Policy
from specter_detector.series import History

USUAL = 0.99
"""Of the deviations: one in a hundred is larger, and what is smaller matters to nobody."""

ALIKE = 3.0
"""How far the levels of two series may be apart for one absolute minimum to suit both."""

ONLY_ABOVE = re.compile(
    r"latency|duration|_seconds|error|fail|lag|backlog|queue|depth|wait|p9\d|quantile|dead_letter", re.I
)
SHARES = re.compile(r"ratio|utili[sz]ation|fraction|share|availability", re.I)
PERCENT = re.compile(r"percent", re.I)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A setting that may be suggested: where it belongs, what it is, why, and what is replayed for it."""

    section: str
    key: str
    value: object
    why: str
    setting: Setting


def range_of(history: History, setting: Setting, expr: str) -> Candidate | None:
    """Return bounds that no value of the history has passed; the upper one of shares and percentages only."""
    policy = setting.options.policy
    if any(np.isfinite(policy.data_range)):
        return None
    values = history.values[np.isfinite(history.values)]
    lowest, highest = float(values.min()), float(values.max())
    if lowest < 0:
        return None
    whole = bool((values == np.rint(values)).all())
    top = math.inf
    for words, bound in ((SHARES, 1.0), (PERCENT, 100.0)):
        if highest <= bound and not whole and words.search(expr):
            top = bound
    seen = f"observed {lowest:.4g} to {highest:.4g}: never negative"
    why = seen if math.isinf(top) else f"{seen}, never above {top:g}"
    changed = _with(setting, replace(policy, data_range=(0.0, top)))
    value = [0, top if math.isinf(top) else int(top)]
    return Candidate("query", "data_range", value, why, changed)


def direction_of(setting: Setting, expr: str) -> Candidate | None:
    """Return the direction of what is only bad when it is much, by the words of the query."""
    policy = setting.options.policy
    found = ONLY_ABOVE.search(expr)
    if policy.direction != "both" or found is None:
        return None
    why = f"of {found[0]!r} in the query too little is good news"
    changed = _with(setting, replace(policy, direction="above_expected"))
    return Candidate("model", "detection_direction", "above_expected", why, changed)


def minimum_of(history: History, scored: Scored, setting: Setting) -> Candidate | None:
    """Return the minimum deviation that one in a hundred exceeds: relative where levels differ."""
    policy = setting.options.policy
    if any(policy.min_dev + policy.min_rel_dev):
        return None
    size = np.abs(history.values - scored.yhat)
    size[:, : warm_up_samples(history.times, setting.options.step, None)] = np.nan
    level = np.nanmedian(np.abs(scored.yhat), axis=1, keepdims=True)
    positive = level[level > 0]
    relative = positive.size == level.size and float(positive.max() / positive.min()) > ALIKE
    if relative:
        size = size / np.maximum(np.abs(scored.yhat), 1e-300)
    usual = _rounded(quantile(size[np.isfinite(size)], USUAL))
    if not usual > 0:
        return None
    why = f"99 of 100 deviations from the expected value are below {usual:g}"
    if relative:
        changed = _with(setting, replace(policy, min_rel_dev=(usual, usual)))
        return Candidate("model", "min_rel_dev_from_expected", usual, f"{why} of it", changed)
    changed = _with(setting, replace(policy, min_dev=(usual, usual)))
    return Candidate("model", "min_dev_from_expected", usual, why, changed)


def _with(setting: Setting, policy: Policy) -> Setting:
    return replace(setting, options=replace(setting.options, policy=policy))


def moves(values: Floats) -> float:
    """Return the median over series of the share of steps at which the value is another; 1 for counts."""
    shares = []
    for row in values:
        known = row[np.isfinite(row)]
        if known.size > 1 and np.unique(known).size > max(10, known.size // 100):
            shares.append(float((np.diff(known) != 0).mean()))
    return float(np.median(shares)) if shares else 1.0


def quantile(values: Floats, share: float) -> float:
    """Return a quantile, NaN of nothing."""
    return float(np.quantile(values, share)) if values.size else math.nan


def _rounded(value: float) -> float:
    """Return two digits of `value`, rounded up."""
    if not math.isfinite(value) or value <= 0:
        return 0.0
    digits = 1 - math.floor(math.log10(value))
    return math.ceil(value * 10.0**digits - 1e-9) / 10.0**digits
