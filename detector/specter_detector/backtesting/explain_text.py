"""An explanation in plain words and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from specter_core.durations import format_duration
from specter_detector.backtesting.explain import Explanation, warming
from specter_detector.backtesting.stored import Stored
from specter_detector.backtesting.times import format_time
from specter_detector.models.online import WARM_UP

SIDES = {-1: "below", 0: "at", 1: "above"}
SURE, UNSURE = 0.9, 0.5
STILL = 0.4
"""A score from which a value is about as far out as the alarm before: see `online.AFTER_ALARM`."""

NEXT = {
    "spike": "what changed just before {at}: deployments, and other series with the same labels.",
    "drop": "what changed just before {at}: deployments, and whether what feeds this series still runs.",
    "level_shift": "when the level moved. If it is to stay, wait: it is followed. If not, undo the change.",
    "flatline": "whether the exporter or its source hangs: the value stands still for far longer than usual.",
    "absent": "`up` and the scrape errors of the target, and whether the series was renamed or removed.",
    "out_of_range": "the query's unit and `data_range`: the value cannot be.",
    "leak": "what grows without end, and when the limit is reached.",
}

BETWEEN = (
    "the running detector's alarm of {at}, which is not in the step above: what changed just before, "
    "deployments, and other series with the same labels."
)


def as_json(explanations: Sequence[Explanation]) -> str:
    """Render for scripts: a list with every field."""
    return json.dumps(
        [{**asdict(each), "seasonal": each.seasonal, "next": next_step(each)} for each in explanations]
    )


def as_text(explanations: Sequence[Explanation]) -> str:
    """Render for people."""
    return "\n\n".join(_text(each) for each in explanations)


def next_step(each: Explanation) -> str:
    """Return what to look at next."""
    at = format_time(each.at)
    if each.stored is not None and each.stored.score > 1 and not (each.score or 0.0) > 1:
        return BETWEEN.format(at=_whole(each.stored.at))
    if each.score is None:
        if warming(each):
            return f"again later: {WARM_UP:.0f} samples are needed for a score, there are {each.samples}."
        return "whether the value comes back: a gap of this length is not unusual for this series."
    if STILL < each.score <= 1 and each.last_alarm is not None:
        return f"the alarm of {format_time(each.last_alarm)}: the value is as far out, and no longer news."
    if each.score <= 1 and each.reason not in NEXT:
        return "nothing here; the value is within its band."
    return NEXT[each.reason].format(at=at)


def _text(each: Explanation) -> str:
    lines = [f"{each.series} at {format_time(each.at)} (query {each.query}, model {each.model})"]
    lines += [f"  {name:<11} {text}" for name, text in _rows(each)]
    return "\n".join(lines)


def _rows(each: Explanation) -> list[tuple[str, str]]:
    rows = []
    if each.asked is not None and each.asked != each.at:
        rows.append(("judged", f"at {format_time(each.at)}, the last step up to {_whole(each.asked)}"))
    rows.append(("value", "none" if each.value is None else _number(each.value)))
    if each.expected is not None:
        rows.append(
            ("expected", f"{_number(each.expected)}, band {_number(each.lower)} to {_number(each.upper)}")
        )
    rows.append(("score", _score(each)))
    if each.stored is not None:
        rows.append(("stored", _stored(each.stored)))
    if each.expected is not None:
        rows += [
            ("trend", f"{_number(each.level)} (level)"),
            ("seasonal", _seasonal(each)),
        ]
    if each.remainder is not None:
        deviation = "" if each.deviation is None else f", {each.deviation:+.2f} scales"
        rows.append(("remainder", f"{each.remainder:+.6g}{deviation} of {_number(each.scale)}"))
    if each.edge is not None:
        rows.append(("edge", f"{each.edge:.2f} scales, {each.edge_why}{_alarm(each)}"))
    rows += [("believed", each.believed), ("confidence", _confidence(each)), ("data", _data(each))]
    if each.changed > 1:
        rows.append(("changed", f"noise or shape of the last day, score {each.changed:.3g}"))
    rows.append(("look at", next_step(each)))
    return rows


def _score(each: Explanation) -> str:
    if each.score is None:
        return "none: nothing can be said"
    verdict = "anomalous" if each.score > 1 else "normal"
    reason = f", {each.reason}" if each.reason else ""
    side = "" if each.value is None else f", {SIDES[each.direction]} the expectation"
    return f"{each.score:.3g} ({verdict}{reason}{side}; above 1 is an alarm)"


def _stored(stored: Stored) -> str:
    start, end, at = (_whole(moment) for moment in (stored.start, stored.end, stored.at))
    return f"the running detector's highest score between {start} and {end}: {stored.score:.3g} at {at}"


def _whole(at: float) -> str:
    """Return `at` in whole seconds."""
    return format_time(at // 1)


def _seasonal(each: Explanation) -> str:
    parts = f"day {each.day:+.6g}, week {each.week:+.6g}"
    if each.other_period:
        parts += f", every {format_duration(round(each.other_period))} {each.other:+.6g}"
    return f"{each.seasonal:+.6g} ({parts})"


def _alarm(each: Explanation) -> str:
    if each.last_alarm is None:
        return "; no alarm before in this history"
    return f"; the last alarm was at {format_time(each.last_alarm)}"


def _confidence(each: Explanation) -> str:
    if each.confidence >= SURE:
        word = "three cycles of its season or more, hardly a gap"
    elif each.confidence >= UNSURE:
        word = "few cycles of its season, or gaps"
    else:
        word = "hardly a cycle of its season, or many gaps"
    return f"{each.confidence:.2f}: {word}"


def _data(each: Explanation) -> str:
    text = f"{each.samples} of {each.expected_samples} samples in {each.history_days:.1f} days"
    if each.missing:
        text += f"; none for the last {format_duration(each.missing)}"
    return text


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.6g}"
