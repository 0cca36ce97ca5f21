"""What a backtest came to: counts by series and in all, as a table and as JSON."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from specter_core.durations import format_duration
from specter_detector.backtesting.chunk import Row, Scored
from specter_detector.backtesting.outcome import (
    ALARM_ABOVE,
    Outcome,
    events_in,
    judge,
    total,
    warm_up_samples,
)
from specter_detector.models.replay import DAY

MOST_LINES = 20


@dataclass(frozen=True, slots=True)
class SeriesCount:
    """What one series came to, the warm-up left out.

    Attributes:
        file, series: where its scores are.
        samples: with a value, those of the warm-up too.
        scored: samples after the warm-up of which something was said.
        anomalous: of them with a score above 1.
        alarms: runs of anomalous samples, those with fewer than six samples between them together.
        days: of the scored samples, the step each.
        outcome: against labels; None without.
    """

    file: str
    series: str
    samples: int
    scored: int
    anomalous: int
    alarms: int
    days: float
    outcome: Outcome | None


@dataclass(slots=True)
class Summary:
    """Takes in series as they are scored."""

    warm_up: float | None = None
    series: list[SeriesCount] = field(default_factory=list)

    def take(self, row: Row, scored: Scored) -> None:
        """Count one series."""
        step = row.setting.options.step
        first = warm_up_samples(row.times, step, self.warm_up)
        said = np.isfinite(scored.score)
        said[:first] = False
        alarm = said & (scored.score > ALARM_ABOVE)
        self.series.append(
            SeriesCount(
                row.file,
                row.series,
                int(np.isfinite(row.values).sum()),
                int(said.sum()),
                int(alarm.sum()),
                len(events_in(alarm)),
                int(said.sum()) * step / DAY,
                None if row.truth is None else judge(alarm, row.truth, step, first),
            )
        )

    @property
    def outcome(self) -> Outcome | None:
        """What all labelled series came to; None where none is."""
        outcomes = [each.outcome for each in self.series if each.outcome is not None]
        return total(outcomes) if outcomes else None

    def document(self) -> dict[str, object]:
        """Return all of it for JSON; what is not known is null."""
        return {
            "series": len(self.series),
            "samples": sum(each.samples for each in self.series),
            "scored": sum(each.scored for each in self.series),
            "anomalous": sum(each.anomalous for each in self.series),
            "alarms": sum(each.alarms for each in self.series),
            "alarms_per_series_day": known(_per_day(self.series)),
            "labels": None if self.outcome is None else outcome_document(self.outcome),
            "by_series": [
                {
                    "file": each.file,
                    "series": each.series,
                    "samples": each.samples,
                    "scored": each.scored,
                    "anomalous": each.anomalous,
                    "alarms": each.alarms,
                    "days": round(each.days, 3),
                    "labels": None if each.outcome is None else outcome_document(each.outcome),
                }
                for each in self.series
            ],
        }

    def text(self) -> str:
        """Return a table of the series with the most alarms, and the sums below it."""
        worst = sorted(self.series, key=lambda each: (-each.alarms, each.file, each.series))[:MOST_LINES]
        rows = [("series", "samples", "anomalous", "alarms", "a day", *(("F1",) if self.outcome else ()))]
        rows += [self._line(f"{each.file}: {each.series}", [each], each.outcome) for each in worst]
        if len(self.series) > len(worst):
            rows.append((f"... and {len(self.series) - len(worst)} more series", *[""] * (len(rows[0]) - 1)))
        if len(self.series) > 1:
            rows.append(self._line(f"all {len(self.series)}", self.series, self.outcome))
        lines = [table(rows), f"Warm-up not counted: {self._warm_up_text()}."]
        if self.outcome is not None:
            lines.append(f"Against labels: {outcome_text(self.outcome)}.")
        return "\n".join(lines)

    def _line(self, name: str, series: Sequence[SeriesCount], outcome: Outcome | None) -> tuple[str, ...]:
        counts = (
            str(sum(each.samples for each in series)),
            str(sum(each.anomalous for each in series)),
            str(sum(each.alarms for each in series)),
            _figure(_per_day(series)),
        )
        return name, *counts, *((_figure(outcome.f1 if outcome else math.nan),) if self.outcome else ())

    def _warm_up_text(self) -> str:
        if self.warm_up is not None:
            return f"the first {format_duration(self.warm_up)}"
        return "the first 4.5 days (15 of steps of an hour or more), half of a series at most"


def _per_day(series: Sequence[SeriesCount]) -> float:
    days = sum(each.days for each in series)
    return sum(each.alarms for each in series) / days if days else math.nan


def outcome_document(outcome: Outcome) -> dict[str, object]:
    """Return an outcome for JSON; delays in seconds."""
    return {
        "events": outcome.events,
        "found": outcome.found,
        "false_alarms": outcome.false_alarms,
        "precision": known(outcome.precision),
        "recall": known(outcome.recall),
        "f1": known(outcome.f1),
        "median_delay_seconds": known(outcome.median_delay),
        "mean_delay_seconds": known(outcome.mean_delay),
    }


def outcome_text(outcome: Outcome) -> str:
    """Return an outcome in words."""
    delay = (
        f", delay {format_duration(outcome.median_delay)} median, {outcome.mean_delay:.0f} s mean"
        if outcome.delays
        else ""
    )
    return (
        f"{outcome.found} of {outcome.events} events found, {outcome.false_alarms} false alarms; "
        f"precision {_figure(outcome.precision)}, recall {_figure(outcome.recall)}, "
        f"F1 {_figure(outcome.f1)}{delay}"
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows in columns, the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        .rstrip()
        for row in rows
    )  # fmt: skip


def known(value: float) -> float | None:
    """Return a number that JSON has, None for NaN and infinity."""
    return value if math.isfinite(value) else None


def _figure(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"
