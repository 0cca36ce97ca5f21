"""`specter detector tune`: settings that the history speaks for, each measured by a replay of that history.

What is replayed are up to 64 series of a query with a refit a day. A setting is suggested only if its replay
shows what it is worth; alarms are runs of scores above 1 as `summary` counts them, after 4.5 days.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from specter_core.clock import align_down
from specter_core.durations import format_duration
from specter_detector.backtesting.chunk import Scored, Setting, Task, score
from specter_detector.backtesting.outcome import ALARM_ABOVE, events_in, warm_up_samples
from specter_detector.backtesting.seasons import Gain, Losses, losses
from specter_detector.backtesting.times import nearest_step
from specter_detector.backtesting.tune_candidates import (
    Candidate,
    direction_of,
    minimum_of,
    moves,
    quantile,
    range_of,
)
from specter_detector.config import DetectorConfig
from specter_detector.models.arrays import Floats
from specter_detector.models.replay import DAY
from specter_detector.reader import SeriesReader
from specter_detector.series import History

MOST_SERIES = 64
LEAST_DAYS, ENOUGH_DAYS = 7.0, 14.0
NEARLY = 0.98
"""Of the days: a few samples are missing in any history."""
REFIT = DAY
FEWER = 0.8
"""At most this share of the alarms may be left for a minimum deviation to be worth a setting."""

STRONG, KEPT = 0.9, 0.5
"""Of alarms, by score, the strongest tenth: half of these at least must be left."""

MOVES = 0.4
BETTER_TZ = 0.98


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One setting.

    Attributes:
        section: `query` or `model`, where it belongs.
        key: of the configuration.
        value: as the configuration has it.
        why: what was seen.
        before, after: alarms a series and day without and with it, all suggestions above it in use.
    """

    section: str
    key: str
    value: object
    why: str
    before: float
    after: float


@dataclass(slots=True)
class Tuning:
    """What the history of one query speaks for.

    Attributes:
        query, model: aliases; shared tells whether other queries use the model.
        series, days: what was replayed.
        alarms: a series and day as configured.
        suggestions: in the order in which they were tried.
        notes: what was seen and needs no setting, or too little was there for.
    """

    query: str
    model: str
    shared: bool
    series: int
    days: float
    alarms: float | None = None
    suggestions: list[Suggestion] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def tuned(self) -> float | None:
        """Alarms a series and day with all suggestions."""
        return self.suggestions[-1].after if self.suggestions else self.alarms


def tune(
    config: DetectorConfig, reader: SeriesReader, setting: Setting, end: float, days: float,
    zones: Sequence[str] = (), progress: Callable[[float], None] | None = None,
) -> Tuning:  # fmt: skip
    """Return what `days` of history up to `end` (Unix s) speak for.

    Args:
        config: of the detector.
        reader: of the data source.
        setting: of the query and model to tune.
        end: Unix time (s).
        days: of history.
        zones: time zones to try.
        progress: told shares of the work.

    Raises:
        DatasourceError: the query has no answer.
    """
    advance = progress or (lambda _share: None)
    query, model = config.reader.queries[setting.alias], config.models[setting.model]
    last = align_down(end, query.step)
    history = _some(reader.history(query, last - days * DAY, last))
    observed = _days(history, query.step)
    tuning = Tuning(query.alias, model.alias, len(model.queries) > 1, len(history.labels), observed)
    if observed < NEARLY * LEAST_DAYS:
        tuning.notes.append(
            f"too little history: {observed:.1f} days of values in {len(history.labels)} series; "
            f"{LEAST_DAYS:g} are needed, {ENOUGH_DAYS:g} are enough for a week"
        )
        advance(1.0)
        return tuning
    run = _Run(history, replace(setting, fit_every=max(setting.fit_every, REFIT)), tuning, advance)
    run.all(query.expr, zones)
    return tuning


class _Run:
    """Tries one candidate after the other on top of those that were taken."""

    def __init__(
        self, history: History, setting: Setting, tuning: Tuning, progress: Callable[[float], None]
    ) -> None:
        self._history = history
        self._setting = setting
        self._tuning = tuning
        self._progress = progress

    def all(self, expr: str, zones: Sequence[str]) -> None:
        """Try everything that the query `expr` and its history suggest."""
        parts = 5 + len(zones)
        self._scored = self._replayed(self._setting)
        self._alarms = _alarms(self._history, self._scored, self._setting)
        self._tuning.alarms = self._alarms
        self._progress(1 / parts)
        candidates: Sequence[Callable[[], Candidate | None]] = (
            lambda: range_of(self._history, self._setting, expr),
            lambda: direction_of(self._setting, expr),
            lambda: minimum_of(self._history, self._scored, self._setting),
        )
        for candidate in candidates:
            self._try(candidate())
            self._progress(1 / parts)
        self._step()
        self._seasons(zones, 1 / parts)

    def _replayed(self, setting: Setting) -> Scored:
        return score(Task(self._history.times, self._history.values, setting))

    def _try(self, candidate: Candidate | None) -> None:
        if candidate is None:
            return
        scored = self._replayed(candidate.setting)
        after = _alarms(self._history, scored, candidate.setting)
        if not self._worth(candidate.key, after, scored):
            return
        self._take(
            Suggestion(candidate.section, candidate.key, candidate.value, candidate.why, self._alarms, after)
        )
        self._setting, self._scored = candidate.setting, scored

    def _worth(self, key: str, after: float, scored: Scored) -> bool:
        if key == "data_range":
            return after <= self._alarms
        if key == "detection_direction":
            return after < self._alarms
        strong = self._scored.score > max(ALARM_ABOVE, quantile(self._alarming(), STRONG))
        left = float((scored.score[strong] > ALARM_ABOVE).mean()) if strong.any() else 1.0
        return after <= FEWER * self._alarms and left >= KEPT

    def _alarming(self) -> Floats:
        found: Floats = self._scored.score[self._scored.score > ALARM_ABOVE]
        return found

    def _take(self, suggestion: Suggestion) -> None:
        self._tuning.suggestions.append(suggestion)
        self._alarms = suggestion.after

    def _step(self) -> None:
        """Suggest a longer step where the values do not change at every one, if no more alarms come of it."""
        step = self._setting.options.step
        share = moves(self._history.values)
        if share >= MOVES or share == 0:
            return
        longer = nearest_step(step * round(1 / share))
        if longer <= step or longer % step:
            return
        kept = self._history.times % longer == 0
        coarse = History(self._history.times[kept], self._history.labels, self._history.values[:, kept])
        setting = replace(self._setting, options=replace(self._setting.options, step=longer))
        after = _alarms(coarse, score(Task(coarse.times, coarse.values, setting)), setting)
        if after <= self._alarms:
            every = format_duration(step * round(1 / share))
            why = f"the value changes at {share:.0%} of the steps only, every {every} or so"
            self._take(Suggestion("query", "step", format_duration(longer), why, self._alarms, after))

    def _seasons(self, zones: Sequence[str], share: float) -> None:
        own = losses(self._history, self._setting)
        self._tuning.notes += _season_notes(own, self._setting.options.tz, self._tuning.days)
        self._progress(share)
        best, found = own.best, None
        for zone in zones:
            setting = replace(self._setting, options=replace(self._setting.options, tz=zone))
            loss = losses(self._history, setting).best
            self._progress(share)
            if loss < BETTER_TZ * best:
                best, found = loss, setting
        if found is not None:
            after = _alarms(self._history, self._replayed(found), found)
            why = f"errors out of sample are {1 - best / own.best:.1%} smaller than with {own.tz}"
            self._take(Suggestion("query", "tz", found.options.tz, why, self._alarms, after))
        elif zones:
            self._tuning.notes.append(f"none of {', '.join(zones)} is better than {own.tz}")


def _season_notes(own: Losses, tz: str, days: float) -> Iterator[str]:
    for name, gain in (("the day", own.day), ("the week", own.week)):
        if name == "the week" and days < NEARLY * ENOUGH_DAYS:
            yield f"{name}: {days:.1f} days tell nothing of it, {ENOUGH_DAYS:g} are needed"
        elif gain is Gain.UNKNOWN or math.isnan(gain.share):
            yield f"{name}: not known from this history"
        elif gain.share > 0:
            yield f"{name} helps: errors out of sample are {gain.share:.0%} smaller (time zone {tz})"
        else:
            yield f"{name} does not help out of sample, and is not believed: nothing to set"


def _some(history: History) -> History:
    """Return up to `MOST_SERIES` of the series with values, evenly spread over their labels."""
    rows = np.flatnonzero(np.isfinite(history.values).any(axis=1))
    order = sorted(rows.tolist(), key=lambda row: history.labels[row])
    chosen = [order[int(i)] for i in np.linspace(0, len(order) - 1, min(MOST_SERIES, len(order)))]
    labels = tuple(history.labels[row] for row in chosen)
    return History(history.times, labels, history.values[chosen] if chosen else history.values[:0])


def _days(history: History, step: float) -> float:
    """Return the median over series of days with values."""
    known = np.isfinite(history.values).sum(axis=1)
    return float(np.median(known)) * step / DAY if known.size else 0.0


def _alarms(history: History, scored: Scored, setting: Setting) -> float:
    """Return alarms a series and day."""
    step = setting.options.step
    first = warm_up_samples(history.times, step, None)
    alarm = scored.score[:, first:] > ALARM_ABOVE
    days = int(np.isfinite(scored.score[:, first:]).sum()) * step / DAY
    return sum(len(events_in(row)) for row in alarm) / days if days else math.nan
