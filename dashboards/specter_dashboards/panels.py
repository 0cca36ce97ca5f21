"""House style over grafanalib: what every panel of a kind has in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafanalib import core as grafana

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
NO_DATA = "No data"

GREEN, YELLOW, ORANGE, RED, BLUE = "green", "yellow", "orange", "red", "blue"
# What is not known is neither green nor red.
UNKNOWN = "purple"

# (colour, lowest value); the first has None: everything below the second.
Steps = Sequence[tuple[str, float | None]]
# Below zero nothing is known, so that a missing value never takes health's colour.
SCORE: Steps = ((UNKNOWN, None), (GREEN, 0), (YELLOW, 0.7), (RED, 1))
ERROR_RATIO: Steps = ((GREEN, None), (YELLOW, 0.01), (RED, 0.05))
LATENCY: Steps = ((GREEN, None), (YELLOW, 2), (RED, 5))
COLOR_TEXT = {"type": "color-text"}
NEUTRAL: Steps = ((BLUE, None),)

Json = dict[str, Any]
Panel = Any  # grafanalib is not typed


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query of a panel and how its series are called."""

    expr: str
    legend: str = ""


def stat(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: str,
    steps: Steps,
    no_value: str = NO_DATA,
    mappings: Sequence[Json] = (),
    links: Sequence[Json] = (),
    decimals: int | None = None,
) -> Panel:
    """Return a number a series, its background coloured by `steps`. Missing data says so."""
    return grafana.Stat(
        **_common(title, description),
        targets=_targets(queries, instant=True),
        format=unit,
        noValue=no_value,
        reduceCalc="lastNotNull",
        colorMode="background",
        graphMode="none",
        mappings=[*mappings, null_mapping()],
        decimals=decimals,
        thresholds=thresholds(steps),
        textMode="value_and_name" if any(query.legend for query in queries) else "auto",
        extraJson=_defaults({"links": list(links)}),
    )


def yes_or_no(
    title: str, description: str, queries: Sequence[Query], yes: str, no: str, *, no_value: str
) -> Panel:
    """Return what is 1 where all is well, `yes` in green, or 0, `no` in red; `no_value` without either."""
    return stat(
        title,
        description,
        queries,
        unit="none",
        steps=((UNKNOWN, None),),
        no_value=no_value,
        mappings=[value_mapping({"1": (yes, GREEN), "0": (no, RED)})],
    )


def graph(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: str,
    steps: Steps = NEUTRAL,
    overrides: Sequence[Json] = (),
    links: Sequence[Json] = (),
    stacked: bool = False,
) -> Panel:
    """Return a time series panel; a gap in the data is a gap in the line."""
    return grafana.TimeSeries(
        **_common(title, description),
        targets=_targets(queries),
        unit=unit,
        legendDisplayMode="list",
        tooltipMode="multi",
        tooltipSort="desc",
        showPoints="never",
        fillOpacity=60 if stacked else 0,
        stacking={"mode": "normal" if stacked else "none", "group": "A"},
        axisSoftMin=0,
        thresholds=thresholds(steps),
        thresholdsStyleMode="dashed" if len(steps) > 1 else "off",
        overrides=list(overrides),
        extraJson=_defaults({"links": list(links), "noValue": NO_DATA}),
    )


def table(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: str,
    columns: Sequence[tuple[str, str]],
    overrides: Sequence[Json] = (),
    sort: str = "",
    no_value: str = NO_DATA,
) -> Panel:
    """Return one row a series, several queries joined on their labels.

    `columns` are (field, shown name) in order; the value of query A is called
    `Value #A`, or `Value` where there is only one query. Other fields are hidden.
    """
    organise = {
        "id": "organize",
        "options": {
            "indexByName": {name: index for index, (name, _) in enumerate(columns)},
            "renameByName": dict(columns),
            "excludeByName": {"Time": True},
        },
    }
    keep = {"id": "filterFieldsByName", "options": {"include": {"names": [name for name, _ in columns]}}}
    return grafana.Table(
        **_common(title, description),
        targets=_targets(queries, instant=True, table=True),
        unit=unit,
        overrides=list(overrides),
        transformations=[{"id": "merge", "options": {}}, keep, organise],
        sortBy=[grafana.TableSortByField(displayName=sort, desc=True)] if sort else [],
        thresholds=thresholds(NEUTRAL),
        extraJson=_defaults({"noValue": no_value}),
    )


def states(title: str, description: str, queries: Sequence[Query], *, mappings: Sequence[Json]) -> Panel:
    """Return states over time, one line a series."""
    return grafana.StateTimeline(
        **_common(title, description),
        targets=_targets(queries),
        mappings=[*mappings, null_mapping()],
        thresholds=thresholds(((UNKNOWN, None),)),
        extraJson=_defaults({"unit": "none", "noValue": NO_DATA}),
    )


def row(title: str, *, repeat: str | None = None) -> Panel:
    """Return the head of a section; with `repeat`, the section is drawn once a value of the variable."""
    return grafana.RowPanel(title=title, repeat=grafana.Repeat(variable=repeat))


def thresholds(steps: Steps) -> list[grafana.Threshold]:
    """Return grafanalib's thresholds; it makes the first one's value null whatever it is given."""
    return [
        grafana.Threshold(color, index, -1.0 if value is None else float(value))
        for index, (color, value) in enumerate(steps)
    ]


def null_mapping() -> Json:
    """Return the mapping that shows a null as missing data, in a colour that is not health's."""
    result = {"text": NO_DATA, "color": UNKNOWN, "index": 99}
    return {"type": "special", "options": {"match": "null+nan", "result": result}}


def value_mapping(texts: dict[str, tuple[str, str]]) -> Json:
    """Return a mapping value → (text, colour)."""
    options = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(texts.items())
    }
    return {"type": "value", "options": options}


def override(name: str, **properties: Any) -> Json:
    """Return an override for the field called `name`; `__` in a property's name stands for a dot."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": key.replace("__", "."), "value": value} for key, value in properties.items()],
    }


def steps_json(steps: Steps) -> Json:
    """Return thresholds for an override."""
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in steps]}


def _common(title: str, description: str) -> Json:
    return {"title": title, "description": description, "dataSource": DATASOURCE}


def _targets(queries: Sequence[Query], *, instant: bool = False, table: bool = False) -> list[grafana.Target]:
    return [
        grafana.Target(
            expr=query.expr,
            legendFormat=query.legend,
            refId=chr(ord("A") + index),
            instant=instant,
            format=grafana.TABLE_TARGET_FORMAT if table else grafana.TIME_SERIES_TARGET_FORMAT,
            datasource=DATASOURCE,
        )
        for index, query in enumerate(queries)
    ]


def _defaults(values: Json) -> Json:
    return {"fieldConfig": {"defaults": {key: value for key, value in values.items() if value}}}
