"""Which alerts fired on which series, and whether they were right. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from specter_detector.backtesting.outcome import MARGIN, Outcome, events_in, judge, total
from specter_detector.backtesting.summary import known, outcome_document, outcome_text
from specter_detector.models.arrays import Bools, Floats
from specter_detector.models.replay import DAY

MOST_LISTED = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A series over which alerts were replayed: its name, the labels of its score, its clock, the truth."""

    series: str
    labels: Mapping[str, str]
    times: Floats
    step: float
    truth: Floats | None


@dataclass(frozen=True, slots=True)
class Alert:
    """One time that an alert fired: from `start` to `end` (Unix s, both evaluations at which it did)."""

    name: str
    labels: Mapping[str, str]
    start: float
    end: float

    def of(self, watched: Watched) -> bool:
        """Tell whether it is about a series: no label of it says otherwise."""
        return all(watched.labels.get(name) == value for name, value in self.labels.items())


@dataclass(frozen=True, slots=True)
class AlertReport:
    """What the rules would have done after the warm-up.

    Attributes:
        alerts: each time that one fired.
        unmatched: of them about none of the series.
        days: replayed time.
        outcome: against labels; None without.
    """

    alerts: tuple[Alert, ...]
    unmatched: int
    days: float
    outcome: Outcome | None

    @property
    def per_day(self) -> float:
        """Alerts a day, over all series."""
        return len(self.alerts) / self.days if self.days else math.nan

    def document(self) -> dict[str, object]:
        """Return all of it for JSON; the list ends after 1,000 alerts."""
        return {
            "fired": len(self.alerts),
            "per_day": known(self.per_day),
            "days": round(self.days, 3),
            "unmatched": self.unmatched,
            "by_name": dict(sorted(Counter(alert.name for alert in self.alerts).items())),
            "labels": None if self.outcome is None else outcome_document(self.outcome),
            "list": [
                {"alert": a.name, "labels": dict(a.labels), "start": a.start, "end": a.end}
                for a in self.alerts[:MOST_LISTED]
            ],
        }

    def text(self) -> str:
        """Return it in words."""
        names = Counter(alert.name for alert in self.alerts)
        listed = ", ".join(f"{name} {count}" for name, count in names.most_common(5)) or "none"
        rate = "" if math.isnan(self.per_day) else f", {self.per_day:.2f} a day"
        lines = [f"Alerts that fired: {len(self.alerts)}{rate} ({listed})."]
        if self.unmatched:
            lines.append(f"{self.unmatched} of them have labels that none of the series has.")
        if self.outcome is not None:
            lines.append(f"Alerts against labels: {outcome_text(self.outcome)}.")
        return "\n".join(lines)


def report(alerts: Sequence[Alert], watched: Sequence[Watched], firsts: Sequence[float]) -> AlertReport:
    """Count alerts that began after the warm-up of a series that they are about.

    A series' events are found by any alert about it. False alarms are counted once for alerts about the same
    series, against the labels of all of them: an alert over a sum may be right because of one. What fires
    in an event, or within the margin around it, is not false however long it goes on: it is one notification.

    Args:
        alerts: each time that one fired.
        watched: the series.
        firsts: Unix time at which the warm-up of each ends.
    """
    about = [tuple(i for i, each in enumerate(watched) if alert.of(each)) for alert in alerts]
    late = [
        alert.end >= min((firsts[index] for index in indexes), default=min(firsts))
        for alert, indexes in zip(alerts, about, strict=True)
    ]
    kept = [(alert, indexes) for alert, indexes, keep in zip(alerts, about, late, strict=True) if keep]
    begin, end = min(firsts), max(each.times[-1] + each.step for each in watched)
    return AlertReport(
        tuple(sorted((alert for alert, _ in kept), key=lambda alert: (alert.start, alert.name))),
        sum(not indexes for _, indexes in kept),
        float(end - begin) / DAY,
        _outcome(kept, watched, firsts),
    )


def _outcome(
    kept: Sequence[tuple[Alert, tuple[int, ...]]], watched: Sequence[Watched], firsts: Sequence[float]
) -> Outcome | None:
    labelled = [index for index, each in enumerate(watched) if each.truth is not None]
    if not labelled:
        return None
    outcomes = []
    for index in labelled:
        alerts = [alert for alert, indexes in kept if index in indexes]
        outcomes.append(_found(watched[index], alerts, _first(watched, firsts, index)))
    for indexes in {indexes for _, indexes in kept if set(indexes) & set(labelled)}:
        # Several series: on the clock of the first, right where any of them was anomalous.
        one = watched[indexes[0]]
        truth = np.fmax.reduce([_on(one.times, watched[index]) for index in indexes])
        near = np.convolve(truth == 1, np.ones(2 * MARGIN + 1), "same") > 0
        wrong = [a for a, about in kept if about == indexes and not near[_mask(one, [a])].any()]
        alarm = _mask(one, wrong)
        false = judge(alarm, truth, one.step, _first(watched, firsts, indexes[0])).false_alarms
        outcomes.append(Outcome(false_alarms=false))
    return total(outcomes)


def _found(watched: Watched, alerts: Sequence[Alert], first: int) -> Outcome:
    """Return which events of a series were found, to the second of the evaluation."""
    truth = _truth(watched)
    scored = np.isfinite(truth) & (np.arange(truth.size) >= first)
    spans = events_in((truth == 1) & scored)
    delays = []
    for begin, end in zip(watched.times[spans[:, 0]], watched.times[spans[:, 1]] + watched.step, strict=True):
        starts = [alert.start for alert in alerts if alert.start < end and alert.end >= begin]
        if starts:
            delays.append(max(0.0, min(starts) - float(begin)))
    return Outcome(len(spans), len(delays), 0, tuple(delays))


def _mask(watched: Watched, alerts: Sequence[Alert]) -> Bools:
    """Return in which steps of a series one of `alerts` fired."""
    mask = np.zeros(watched.times.size, np.bool_)
    for alert in alerts:
        mask |= (watched.times + watched.step > alert.start) & (watched.times <= alert.end)
    return mask


def _truth(watched: Watched) -> Floats:
    return np.full(watched.times.size, np.nan) if watched.truth is None else watched.truth


def _on(times: Floats, watched: Watched) -> Floats:
    """Return the labels of a series at `times`, NaN where it has none."""
    truth = _truth(watched)
    index = np.searchsorted(watched.times, times, side="right") - 1
    inside = (index >= 0) & (times < watched.times[-1] + watched.step)
    return np.where(inside, truth[np.clip(index, 0, truth.size - 1)], np.nan)


def _first(watched: Sequence[Watched], firsts: Sequence[float], index: int) -> int:
    return int(np.searchsorted(watched[index].times, firsts[index]))
