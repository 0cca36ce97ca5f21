"""What is going on with a series, and what to do next, in plain words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from specter_detector.verdict import SIDES
from specter_detector.web.figures import ago, band, value
from specter_detector.web.views import Row, State

Tone = Literal["alarm", "calm", "unknown"]

MOST_TIMES = 1000.0
"""Times the usual: beyond, the usual is next to nothing, and how often that fits says nothing."""
WHAT_HAPPENED = {
    "spike": "higher than expected",
    "drop": "lower than expected",
    "level_shift": "on another level than before",
    "flatline": "standing still, which it never did for so long",
    "out_of_range": "outside the range that its query declares possible",
    "leak": "creeping towards its limit",
}
WHAT_TO_DO = {
    "spike": "Look for a deployment or an alarm on a related series at the start of the marked stretch.",
    "drop": "Check whether traffic still arrives: an upstream failure often shows as a drop first.",
    "level_shift": "Look for a deployment or a change of configuration where the level moved. If it stays, "
    "it is learnt within hours; mark the stretch as normal if it was intended.",
    "flatline": "Check that the exporter still measures: a value that repeats is often a stuck sensor or a "
    "cache.",
    "absent": "Check the target in Prometheus (Status, Targets). If the series was removed on purpose, "
    "nothing needs to be done: it is forgotten after a day.",
    "out_of_range": "Check the exporter and the query; if such values are possible, widen data_range.",
    "leak": "Find what is not given back before the limit is reached; a restart buys time.",
}


@dataclass(frozen=True, slots=True)
class Words:
    """A headline and what to do next; `tone` says whether it is bad, good or not known."""

    tone: Tone
    headline: str
    advice: str


def words_on(row: Row | None, unit: str, now: float) -> Words:
    """Return what to say of `row`, the series at the last tick; None where it is not watched now."""
    if row is None:
        return Words(
            "unknown",
            "This series is not watched now: the last answer did not have it, or it has been gone for a day.",
            "Check its labels, or look at its history below.",
        )
    age = ago(max(0.0, now - row.last_tick))
    return _SAYINGS[row.state](row, unit, age)


def _on_anomalous(row: Row, unit: str, _age: str) -> Words:
    verdict = row.verdict
    side = "drop" if verdict.direction < 0 else "spike"
    return Words("alarm", _anomalous(row, unit), WHAT_TO_DO.get(verdict.reason, WHAT_TO_DO[side]))


def _on_normal(row: Row, unit: str, age: str) -> Words:
    seen = f"{value(row.verdict.value, unit)} {age}; expected are {_band(row, unit)}"
    if row.verdict.reason == "level_shift":
        return Words("calm", f"Following a new level: {seen}.", WHAT_TO_DO["level_shift"])
    return Words("calm", f"As expected: {seen}.", _confidence_note(row.verdict.confidence))


def _on_absent(row: Row, _unit: str, age: str) -> Words:
    if row.verdict.anomalous:
        headline = "Absent: the series used to be there and is not any more."
        return Words("alarm", headline, WHAT_TO_DO["absent"])
    return Words(
        "unknown",
        f"No value at the last tick, {age}: too early to call it absent.",
        "Wait a few ticks: a gap that is longer than any before becomes an alarm.",
    )


def _on_invalid(_row: Row, _unit: str, age: str) -> Words:
    return Words(
        "unknown",
        f"The value {age} is not a number: nothing can be said of it.",
        "A ratio without traffic divides zero by zero. If that is usual, add `and DIVISOR > 0` to the query.",
    )


def _on_warming(row: Row, unit: str, age: str) -> Words:
    return Words(
        "unknown",
        f"Still learning: {value(row.verdict.value, unit)} {age}, and no judgement yet.",
        "A series needs 24 samples, and a day and a half of history for the shape of its day.",
    )


_SAYINGS: dict[State, Callable[[Row, str, str], Words]] = {
    "anomalous": _on_anomalous,
    "normal": _on_normal,
    "absent": _on_absent,
    "invalid": _on_invalid,
    "warming": _on_warming,
}


def _anomalous(row: Row, unit: str) -> str:
    verdict = row.verdict
    happened = WHAT_HAPPENED.get(verdict.reason, f"{SIDES[verdict.direction]} what is expected")
    if verdict.lasting:
        return (
            f"Still anomalous: {value(verdict.value, unit)} is {happened}{_share(row)}; expected are "
            f"{_band(row, unit)}. Score {verdict.score:.3g}: no longer news, and not over."
        )
    return (
        f"Anomalous: {value(verdict.value, unit)} is {happened}{_share(row)}; "
        f"expected are {_band(row, unit)}. Score {verdict.score:.3g}; from 1 on it is an alarm."
    )


def _share(row: Row) -> str:
    """Return how far off it is, where a share says something."""
    verdict = row.verdict
    if not verdict.yhat > 0 or verdict.value < 0:
        return ""
    share = verdict.value / verdict.yhat
    if share > MOST_TIMES:
        return ""
    if share >= 2:
        return f" ({share:.3g} times the usual)"
    return f" ({abs(share - 1) * 100:.0f} % {SIDES[verdict.direction]})" if verdict.direction else ""


def _band(row: Row, unit: str) -> str:
    return band(row.verdict.lower, row.verdict.upper, unit)


def _confidence_note(confidence: float) -> str:
    if confidence < 0.7:
        return f"Little history so far (confidence {confidence:.0%}): the band gets better for three days."
    return "Nothing to do."
