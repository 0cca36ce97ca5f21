"""`specter detector explain`: what the detector says of a series at a moment, and from what it is made up.

The history up to that moment is replayed at the query's step, with a refit every three hours at most. A
running detector ticks more often: what was shorter than a step is in its stored scores alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from specter_core.clock import align_down
from specter_core.errors import SpecterError
from specter_detector.backtesting.chunk import Setting
from specter_detector.backtesting.progress import Progress
from specter_detector.backtesting.selector import Selector
from specter_detector.backtesting.sources import series_name, settings_of
from specter_detector.backtesting.stored import Stored, StoredScores
from specter_detector.config import DetectorConfig
from specter_detector.models.arrays import Floats
from specter_detector.models.batch import take
from specter_detector.models.learners import learner
from specter_detector.models.online import REASONS, SETTLED, WARM_UP
from specter_detector.models.replay import DAY, Moment, moments
from specter_detector.models.shape import Shape
from specter_detector.models.spectrum import cycle_at
from specter_detector.models.state import State
from specter_detector.output import NAME
from specter_detector.reader import SeriesReader
from specter_detector.series import Labels

MOST_SERIES, MOST_NAMES = 5, 10
MOST_REFITS_A_DAY = {"seasonal": 8.0, "stl": 1 / 7, "mstl": 1 / 7}
BELIEVED = (
    "a slow level alone",
    "a fast level alone",
    "a slow level and the day",
    "a fast level and the day",
    "a slow level, the day and the week",
    "a fast level, the day and the week",
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is said of one series at one moment; None where nothing is known. Values have the series' unit.

    Attributes:
        series, query, model: which.
        at: Unix time (s), a multiple of the query's step.
        value, expected, lower, upper: the value and its band.
        score, direction, reason, confidence: see `models.online.Judged`.
        level, day, week, other: what the expectation is the sum of; other is a period beside both.
        other_period: of it, in seconds.
        remainder: value less expectation.
        scale: one standard deviation of the noise now; deviation: the remainder in it.
        edge: how many of these the band reaches on the value's side, and `edge_why`.
        last_alarm: when the score was last above 1 before.
        believed: which forecaster.
        changed: the highest score of a change in noise or in the shape of the day.
        samples: with a value in the replayed history, of `expected_samples` since the first.
        missing: seconds without a value up to now.
        history_days: from the first value.
        asked: the moment that was asked for; `at` is the last step up to it.
        stored: the running detector's highest score in the step that begins at `at`; None where it has none.
    """

    series: str
    query: str
    model: str
    at: float
    value: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    score: float | None
    direction: int
    reason: str
    confidence: float
    level: float | None
    day: float
    week: float
    other: float
    other_period: float
    remainder: float | None
    scale: float | None
    deviation: float | None
    edge: float | None
    edge_why: str
    last_alarm: float | None
    believed: str
    changed: float
    samples: int
    expected_samples: int
    missing: float
    history_days: float
    asked: float | None = None
    stored: Stored | None = None

    @property
    def seasonal(self) -> float:
        """All that returns: day, week and other."""
        return self.day + self.week + self.other


class NoSuchSeriesError(SpecterError):
    """No series of the configured queries matches."""


def explain(
    selector: Selector,
    at: float,
    config: DetectorConfig,
    reader: SeriesReader,
    scores: StoredScores,
    query: str | None = None,
) -> list[Explanation]:
    """Explain the series that match, the most anomalous first; five at most.

    Args:
        selector: its name may be a query's alias or a metric's name.
        at: Unix time (s).
        config: the queries and their settings.
        reader: of the data source.
        scores: what the running detector has written.
        query: alias of the only query to look at; all by default.

    Raises:
        NoSuchSeriesError: there is none; says which there are.
        DatasourceError: a query has no answer.
    """
    aliases = [alias for alias in config.reader.queries if query in {None, alias}]
    named = selector.name in config.reader.queries
    if named:
        aliases = [selector.name]
    there: list[Labels] = []
    found: list[Explanation] = []
    for alias in aliases:
        settings = settings_of(config, alias)
        if not settings:
            continue
        end = align_down(at, settings[0].options.step)
        start = end - max(setting.fit_window for setting in settings)
        history = reader.history(config.reader.queries[alias], start, end)
        there += history.labels
        rows = [i for i, labels in enumerate(history.labels) if matches(selector, labels, named=named)]
        if rows:
            labels = [history.labels[row] for row in rows[:MOST_SERIES]]
            for setting in settings:
                judged = explained(labels, history.times, history.values[rows[:MOST_SERIES]], setting)
                until = end + setting.options.step
                found += [
                    replace(one, asked=at, stored=scores.highest(setting, each, end, until))
                    for each, one in zip(labels, judged, strict=True)
                ]
    if not found:
        raise NoSuchSeriesError(_nothing(there, aliases))
    return sorted(found, key=lambda each: (-(each.score or -1.0), each.series))


def matches(selector: Selector, labels: Labels, *, named: bool) -> bool:
    """Tell whether a series is meant; `named` where the selector's name is a query's alias."""
    own = dict(labels).get(NAME, "")
    return selector.matches(labels) and (named or not selector.name or own == selector.name)


def _nothing(there: Sequence[Labels], aliases: Sequence[str]) -> str:
    if not there:
        return f"the queries {', '.join(aliases) or '(none)'} returned no series up to then"
    names = sorted({series_name(labels) for labels in there})
    more = f"\n  and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    listed = "".join(f"\n  {name}" for name in names[:MOST_NAMES])
    return f"no series matches; there are{listed}{more}"


def explained(labels: Sequence[Labels], times: Floats, values: Floats, setting: Setting) -> list[Explanation]:
    """Replay `values` (series, n) and explain their last column."""
    before: tuple[Shape, State] | None = None
    last: Moment | None = None
    alarms = np.full(len(labels), np.nan)
    options = setting.options
    with Progress("replay") as progress:
        for moment in moments(
            times,
            values,
            options.step,
            tz=options.tz,
            holidays=options.holidays,
            policy=options.policy,
            learn=learner(options.kind),
            refits_a_day=min(DAY / setting.fit_every, MOST_REFITS_A_DAY[options.kind]),
            window_days=setting.fit_window / DAY,
        ):
            if last is not None:
                alarms[last.judged.score > 1] = times[last.index]
            if moment.index == len(times) - 2:
                before = moment.shape, take(moment.state, np.arange(len(labels)))
            last = moment
            progress.advance(1 / len(times))
    if last is None or before is None:
        raise SpecterError("two steps of history at least are needed to explain anything")
    return [
        _of_one(row, series_name(each), times, values[row], setting, last, before[1], alarms[row])
        for row, each in enumerate(labels)
    ]


def _of_one(
    row: int, name: str, times: Floats, values: Floats, setting: Setting, moment: Moment, before: State,
    alarm: float,
) -> Explanation:  # fmt: skip
    step, judged = setting.options.step, moment.judged
    known = np.flatnonzero(np.isfinite(values))
    first, latest = (int(known[0]), int(known[-1])) if known.size else (len(times), len(times) - 1)
    said = bool(np.isfinite(judged.yhat[row])) and known.size > 0
    value, yhat = _known(values[-1]), float(judged.yhat[row])
    day, week, other = _parts(moment, row, float(times[-1]) / step)
    believed = int(before.believed[row])
    day, week, other = (day if believed > 1 else 0.0), (week if believed > 3 else 0.0), other * (believed > 1)
    remainder = None if value is None or not said else value - yhat
    deviation = None if remainder is None else float(judged.z[row])
    scale = _scale(moment, row, remainder)
    side = 0 if judged.direction[row] >= 0 else 1
    reach = (float(judged.upper[row]) - yhat) if side == 0 else (yhat - float(judged.lower[row]))
    score = _known(judged.score[row])
    return Explanation(
        series=name,
        query=setting.alias,
        model=setting.model,
        at=float(times[-1]),
        value=value,
        expected=yhat if said else None,
        lower=_known(judged.lower[row]) if said else None,
        upper=_known(judged.upper[row]) if said else None,
        score=score,
        direction=int(judged.direction[row]) if value is not None else 0,
        reason=REASONS[judged.reason[row]],
        confidence=float(judged.confidence[row]),
        level=yhat - day - week - other if said else None,
        day=day,
        week=week,
        other=other,
        other_period=float(moment.shape.other.period[row]) * step,
        remainder=remainder,
        scale=scale,
        deviation=deviation,
        edge=reach / scale if said and scale else None,
        edge_why=_edge_why(before, row, side, setting, float(moment.shape.quantum[row])),
        last_alarm=_known(alarm),
        believed=BELIEVED[believed],
        changed=float(moment.shape.changes[row].max()),
        samples=int(known.size),
        expected_samples=len(times) - first,
        missing=(len(times) - 1 - latest) * step,
        history_days=(len(times) - first) * step / DAY,
    )


def _parts(moment: Moment, row: int, step: float) -> tuple[float, float, float]:
    """Return what day, week and a further period add at the moment."""
    shape = moment.shape
    day = _profile(shape.day[row], moment.phase)
    week = 0.0 if shape.week is None else _profile(shape.week[row], moment.phase)
    other = 0.0
    if shape.other.period[row] > 0:
        other = float(cycle_at(shape.other, np.array([row]), step)[0])
    return day, week, other


def _profile(profile: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", phase: float) -> float:
    low = int(np.floor(phase))
    share = phase - low
    return float((1 - share) * profile[low % profile.size] + share * profile[(low + 1) % profile.size])


def _scale(moment: Moment, row: int, remainder: float | None) -> float | None:
    """Return the scale by which the remainder was divided, or that which the state has."""
    z = abs(float(moment.judged.z[row]))
    if remainder and z:
        return abs(remainder) / z
    scale = float(moment.state.scale[row])
    return scale or None


def _edge_why(before: State, row: int, side: int, setting: Setting, quantum: float) -> str:
    tail, fresh = float(before.tails.edge[side, row]), float(before.fresh[side, row])
    if before.seen[row] < SETTLED:
        return "wide, because the series is new"
    if fresh > tail:
        return "wide, because an error of the last days was as large: what has been told is no news"
    if quantum:
        return "from the distribution of counts"
    minimum = setting.options.policy
    if any(minimum.min_dev + minimum.min_rel_dev):
        return "from the largest errors of the past week, or the minimum deviation if that is more"
    return "from the largest errors of the past week"


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def warming(each: Explanation) -> bool:
    """Tell whether the series has too few samples for a score."""
    return each.samples < WARM_UP
