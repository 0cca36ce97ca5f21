"""The pages for people: what is most anomalous now, and one series from all sides."""

import json
import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, render_template, request
from pydantic import Field

from specter_detector.series import Labels, text_of
from specter_detector.web.answers import explain_model
from specter_detector.web.api import arguments
from specter_detector.web.feedback import FeedbackStore
from specter_detector.web.figures import ago, band, value
from specter_detector.web.schemas import Alias, OneRequest, SeriesRequest
from specter_detector.web.views import STATES, Row, Watch

RANGES = {"6h": 21_600.0, "1d": 86_400.0, "7d": 604_800.0, "28d": 2_419_200.0}
PAGE_SIZE = 50
STALE_SECONDS = 120.0
FULL_BAR = 3.0
"""The score whose bar fills its cell."""


class OverviewRequest(SeriesRequest):
    """What the overview shows."""

    limit: int = Field(default=PAGE_SIZE, ge=1, le=500)


class SeriesPageRequest(OneRequest):
    """What the page of one series shows."""

    range: str = Field(default="1d", pattern="^(6h|1d|7d|28d)$")
    query: Alias


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of the table of series, as text."""

    url: str
    name: str
    labels: Labels
    row: Row
    value: str
    band: str
    reason: str
    bar: int


def pages(watch: Watch, feedback: FeedbackStore) -> Blueprint:
    """Return the pages."""
    blueprint = Blueprint("pages", __name__, template_folder="templates")

    @blueprint.get("/")
    def overview() -> str:
        asked, now = arguments(OverviewRequest), watch.now()
        queries = watch.queries()
        page = watch.series(
            asked.query, text=asked.text, order=asked.order, offset=asked.offset, limit=asked.limit
        )
        units = {query.alias: query.unit for query in queries}
        return render_template(
            "overview.html",
            asked=asked,
            queries=queries,
            states=STATES,
            totals={state: sum(query.states[state] for query in queries) for state in STATES},
            several={query.alias: len(query.models) > 1 for query in queries},
            lines=[_line(row, units[row.query]) for row in page.rows],
            total=page.total,
            previous=_page(asked.offset - asked.limit) if asked.offset else None,
            following=_page(asked.offset + asked.limit) if asked.offset + asked.limit < page.total else None,
            ages={query.alias: _age(query.last_tick, now) for query in queries},
        )

    @blueprint.get("/series")
    def series() -> str:
        asked, now = arguments(SeriesPageRequest), watch.now()
        query, options = watch.query(asked.query), watch.options(asked.query, asked.model)
        key = watch.meant(asked.query, asked.key)
        row = watch.one(asked.query, key, asked.model)
        said = explain_model(query, key, row, options, now)
        longest = watch.longest(asked.query)
        return render_template(
            "series.html",
            asked=asked,
            query=query,
            labels=key,
            name=text_of(key),
            labels_json=json.dumps(dict(key), ensure_ascii=False),
            said=said,
            settings=said.settings,
            line=None if row is None else _line(row, query.unit),
            age=_age(None if row is None else row.last_tick, now),
            ranges={name: seconds <= longest for name, seconds in RANGES.items()},
            seconds=RANGES[asked.range],
            now=now,
            window_count=sum(
                (window.query, window.labels) == (asked.query, key) for window in feedback.windows()
            ),
            links={name: f"/series?{urlencode({**_given(), 'range': name})}" for name in RANGES},
        )

    return blueprint


def _given() -> dict[str, str]:
    return dict(request.args.items())


def _page(offset: int) -> str:
    given: dict[str, Any] = {**_given(), "offset": max(0, offset)}
    return f"/?{urlencode(given)}"


def _line(row: Row, unit: str) -> _Line:
    verdict = row.verdict
    labels = json.dumps(dict(verdict.labels), ensure_ascii=False, separators=(",", ":"))
    url = f"/series?{urlencode({'query': row.query, 'labels': labels, 'model': row.model})}"
    known = math.isfinite(verdict.yhat) and row.state != "warming"
    return _Line(
        url, text_of(verdict.labels), verdict.labels, row,
        value(verdict.value, unit),
        band(verdict.lower, verdict.upper, unit) if known else "not known yet",
        verdict.reason.replace("_", " ") if row.state != "invalid" else "",
        round(100 * min(verdict.score, FULL_BAR) / FULL_BAR) if verdict.score > 0 else 0,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Age:
    text: str
    stale: bool


def _age(last_tick: float | None, now: float) -> _Age:
    if last_tick is None:
        return _Age("no answer from the data source", stale=True)
    seconds = max(0.0, now - last_tick)
    return _Age(ago(seconds), stale=seconds > STALE_SECONDS)
