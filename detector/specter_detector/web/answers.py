"""From what a `Watch` says to what the API gives."""

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from specter_detector.models.fit import FitOptions
from specter_detector.series import Labels
from specter_detector.web.feedback import Window
from specter_detector.web.schemas import (
    AlarmModel,
    EventModel,
    ExplainModel,
    QueryModel,
    RowModel,
    StretchModel,
    WindowModel,
    number,
    numbers,
)
from specter_detector.web.settings import settings_of
from specter_detector.web.stretch import Alarm, Stretch
from specter_detector.web.views import Event, QueryView, Row
from specter_detector.web.words import words_on


def query_model(query: QueryView, now: float) -> QueryModel:
    """Return a query as the API gives it."""
    return QueryModel(
        alias=query.alias,
        expr=query.expr,
        tz=query.tz,
        step_seconds=query.step,
        unit=query.unit,
        models=query.models,
        last_tick=query.last_tick,
        last_tick_age_seconds=None if query.last_tick is None else max(0.0, now - query.last_tick),
        states=dict(query.states),
        over_limit=query.over_limit,
    )


def row_model(row: Row) -> RowModel:
    """Return a series at the last tick as the API gives it."""
    verdict = row.verdict
    return RowModel(
        query=row.query,
        model=row.model,
        labels=dict(verdict.labels),
        state=row.state,
        value=number(verdict.value),
        score=number(verdict.score),
        direction=verdict.direction,
        reason=verdict.reason,
        yhat=number(verdict.yhat),
        lower=number(verdict.lower),
        upper=number(verdict.upper),
        confidence=verdict.confidence,
        last_tick=row.last_tick,
    )


def explain_model(
    query: QueryView, labels: Labels, row: Row | None, options: FitOptions, now: float
) -> ExplainModel:
    """Return a series in words as the API gives it."""
    words = words_on(row, query.unit, now)
    return ExplainModel(
        query=query.alias,
        labels=dict(labels),
        tone=words.tone,
        headline=words.headline,
        advice=words.advice,
        series=None if row is None else row_model(row),
        settings=settings_of(options),
    )


def window_model(window: Window) -> WindowModel:
    """Return a window as the API gives it."""
    return WindowModel(
        id=window.id,
        query=window.query,
        labels=dict(window.labels),
        start=window.start,
        end=window.end,
        kind=window.kind,
        author=window.author,
        created=window.created,
    )


def stretch_model(
    query: QueryView,
    labels: Labels,
    options: FitOptions,
    stretch: Stretch,
    *,
    events: Sequence[Event] = (),
    windows: Sequence[Window] = (),
) -> StretchModel:
    """Return a stretch as the API gives it."""
    return StretchModel(
        query=query.alias,
        labels=dict(labels),
        unit=query.unit,
        tz=options.tz,
        utc_offset_seconds=_utc_offset(options.tz, float(stretch.times[-1])),
        step_seconds=options.step,
        settings=settings_of(options),
        times=stretch.times.tolist(),
        observed=numbers(stretch.observed),
        expected=numbers(stretch.expected),
        lower=numbers(stretch.lower),
        upper=numbers(stretch.upper),
        score=numbers(stretch.score),
        confidence=numbers(stretch.confidence),
        trend=numbers(stretch.trend),
        seasonal=numbers(stretch.seasonal),
        remainder=numbers(stretch.remainder),
        alarms=tuple(_alarm_model(alarm) for alarm in stretch.alarms()),
        events=tuple(EventModel(at=event.at, text=event.text) for event in events),
        windows=tuple(window_model(window) for window in windows),
    )


def _alarm_model(alarm: Alarm) -> AlarmModel:
    return AlarmModel(
        start=alarm.start,
        end=alarm.end,
        worst=alarm.worst,
        score=alarm.score,
        reason=alarm.reason,
        direction=alarm.direction,
        value=number(alarm.value),
        expected=number(alarm.expected),
        lower=number(alarm.lower),
        upper=number(alarm.upper),
    )


def _utc_offset(tz: str, at: float) -> float:
    """Return the seconds by which clocks in `tz` are ahead of UTC at Unix time `at` (s)."""
    offset = dt.datetime.fromtimestamp(at, ZoneInfo(tz)).utcoffset()
    return 0.0 if offset is None else offset.total_seconds()
