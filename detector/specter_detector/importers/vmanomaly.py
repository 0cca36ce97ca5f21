"""vmanomaly: queries, models, schedulers and writer in nearly the same words.

Source: docs.victoriametrics.com/anomaly-detection, versions 1.10 to 1.28, and the older flat `model`
and `scheduler` sections.
"""

import re
from collections.abc import Mapping
from typing import Any, cast

from specter_core.durations import format_duration, parse_duration
from specter_detector import defaults
from specter_detector.crosschecks import DAY, LEAST_STEPS_A_DAY, MIN_FIT_WINDOW
from specter_detector.importers.connection import CONNECTION_KEYS, take_connection
from specter_detector.importers.document import alias_of, section
from specter_detector.importers.notes import Imported, Path
from specter_detector.importers.vmanomaly_models import take_models
from specter_detector.schema import FEWEST_POINTS, MAX_POINTS

IGNORED_SECTIONS = {
    "monitoring": "metrics are served at /metrics of --web.listen-address; nothing is pushed",
    "settings": "restarts resume by themselves, and the score outside data_range is at least 1.01",
    "server": "the web page is on --web.listen-address",
}
READER_KEYS = {
    "class", "queries", "sampling_period", "timeout", "max_points_per_query", "tz", "data_range", "offset",
}  # fmt: skip
QUERY_KEYS = {"expr", "step", "data_range", "max_points_per_query", "tz", "offset", "tenant_id"}
SCHEDULER_KEYS = {"class", "fit_every", "fit_window", "infer_every"}
READER_NOTES = {
    "query_range_path": "/api/v1/query_range is used",
    "health_path": "the server is asked for vector(1)",
    "extra_filters": "put the filters into each expr",
    "query_from_last_seen_timestamp": "gaps are read by themselves",
    "latency_offset": "use offset on the query if samples arrive late",
    "series_processing_batch_size": "batches are chosen by themselves",
    "connection_retry_attempts": "the next tick is the next try",
}
NO_COUNTERPART = "has no counterpart and is left out"
STEPS = sorted(
    step for step in range(1, int(DAY / LEAST_STEPS_A_DAY) + 1) if DAY % step == 0 and step % 5 == 0
)


def convert(document: Mapping[str, Any]) -> Imported:
    """Return what the vmanomaly configuration `document` is in our words."""
    imported = Imported()
    aliases = _reader(document, imported)
    schedulers = _schedulers(document, imported)
    take_models(document, imported, aliases, schedulers)
    _writer(document, imported)
    # What was not watched before is not watched now.
    imported.document["presets"] = []
    for key in document:
        if key == "preset":
            _preset(document[key], imported)
        elif key in IGNORED_SECTIONS:
            imported.note((key,), document[key], IGNORED_SECTIONS[key])
        elif key not in {"reader", "writer", "model", "models", "scheduler", "schedulers"}:
            imported.note((key,), document[key], NO_COUNTERPART)
    return imported


def _preset(name: object, imported: Imported) -> None:
    if str(name).startswith("node-exporter"):
        imported.document["presets"] = ["node"]
        imported.note(("preset",), name, "the preset node is used: see docs/presets.md")
    else:
        imported.note(("preset",), name, "is left out: see docs/presets.md for presets of ours")


def _reader(document: Mapping[str, Any], imported: Imported) -> dict[str, str]:
    """Take over the reader; returns our alias of each of theirs."""
    theirs = section(document, "reader")
    if theirs.get("class") not in {None, "vm", "reader.vm.VmReader"}:
        imported.note(("reader", "class"), theirs["class"], "PromQL is read from datasource_url")
    ours = take_connection(theirs, ("reader",), imported)
    if "sampling_period" in theirs:
        ours["sampling_period"] = _step(theirs["sampling_period"], ("reader", "sampling_period"), imported)
    ours |= _timeout(theirs, ("reader", "timeout"), imported)
    if "tz" in theirs:
        ours["tz"] = theirs["tz"]
    points = theirs.get("max_points_per_query")
    if isinstance(points, int):
        ours["max_points_per_query"] = min(MAX_POINTS, max(FEWEST_POINTS, points))
        if points != ours["max_points_per_query"]:
            imported.note(
                ("reader", "max_points_per_query"), points, f"{ours['max_points_per_query']} is used"
            )
    _unknown(theirs, READER_KEYS, ("reader",), imported)
    aliases: dict[str, str] = {}
    queries: dict[str, Any] = {}
    for name, query in section(theirs, "queries").items():
        alias = alias_of(name, queries)
        if alias != name:
            imported.note(("reader", "queries", str(name)), name, f"is called {alias}")
        aliases[str(name)] = alias
        queries[alias] = _query(query, theirs, ("reader", "queries", str(name)), imported)
    if queries:
        ours["queries"] = queries
    imported.document["reader"] = ours
    return aliases


def _query(query: object, reader: Mapping[str, Any], path: Path, imported: Imported) -> dict[str, Any]:
    if not isinstance(query, dict):  # until 1.13 the expression alone
        query = {"expr": query}
    ours: dict[str, Any] = {"expr": str(query.get("expr", ""))}
    if "step" in query:
        ours["step"] = _step(query["step"], (*path, "step"), imported)
    ours["data_range"] = _range(query.get("data_range", reader.get("data_range")), path, imported)
    if "tz" in query:
        ours["tz"] = query["tz"]
    offset = query.get("offset", reader.get("offset"))
    if offset is not None:
        ours["offset"] = _offset(offset, (*path, "offset"), imported)
    if "max_points_per_query" in query:
        imported.note((*path, "max_points_per_query"), query["max_points_per_query"], "the reader's holds")
    if "tenant_id" in query:
        imported.note((*path, "tenant_id"), query["tenant_id"], "the reader's holds")
    _unknown(query, QUERY_KEYS, path, imported)
    return {key: value for key, value in ours.items() if value is not None}


def _range(value: object, path: Path, imported: Imported) -> list[float] | None:
    """Return [lowest, highest]; theirs may be written `inf`."""
    if value is None:
        return None
    try:
        lowest, highest = (float(edge) for edge in cast("list[str]", value))
    except (TypeError, ValueError):
        imported.note((*path, "data_range"), value, "expected [lowest, highest]; left out")
        return None
    return [lowest, highest]


def _timeout(theirs: Mapping[str, Any], path: Path, imported: Imported) -> dict[str, str]:
    if "timeout" not in theirs:
        return {}
    seconds = _duration(theirs["timeout"])
    if not seconds:
        imported.note(path, theirs["timeout"], "10s is used")
        return {}
    return {"timeout": format_duration(seconds)}


def _step(value: object, path: Path, imported: Imported) -> str:
    """Return a step of which a day is a whole number: the nearest one that is."""
    seconds = _duration(value)
    if seconds is None:
        imported.note(path, value, f"{format_duration(defaults.STEP)} is used")
        return format_duration(defaults.STEP)
    if seconds > 0 and DAY % seconds == 0 and seconds <= DAY / LEAST_STEPS_A_DAY and seconds == int(seconds):
        return format_duration(seconds)
    nearest = min(STEPS, key=lambda step: abs(step - seconds))
    imported.note(
        path, value, f"a day must be a whole number of steps, at least 24: {format_duration(nearest)} is used"
    )
    return format_duration(nearest)


def _offset(value: object, path: Path, imported: Imported) -> str | None:
    negative = str(value).startswith("-")
    seconds = _duration(str(value).lstrip("+-"))
    if not seconds:
        return None
    if negative:
        # Theirs is added to the time of the query, ours taken off.
        return format_duration(seconds)
    imported.note(path, value, "reading ahead of the tick is not possible; left out")
    return None


def _duration(value: object) -> float | None:
    """Return the seconds of a duration of theirs: `5m`, `1.5h`, `30 s`, a number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = str(value).replace(" ", "")
    try:
        return parse_duration(text)
    except ValueError:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|[smhdw])", text)
        return float(match[1]) * parse_duration(f"1{match[2]}") if match else None


def _schedulers(document: Mapping[str, Any], imported: Imported) -> dict[str, str]:
    """Take over the periodic schedulers; returns our alias of each of theirs."""
    theirs = section(document, "schedulers")
    if not theirs and "scheduler" in document:  # until 1.11 there was one
        theirs = {"default": document["scheduler"]}
    aliases: dict[str, str] = {}
    ours: dict[str, Any] = {}
    for name, scheduler in theirs.items():
        path, values = ("schedulers", str(name)), scheduler if isinstance(scheduler, dict) else {}
        kind = str(values.get("class", "periodic"))
        if "periodic" not in kind.lower():
            imported.note(
                (*path, "class"), kind, "is left out: `specter detector backtest --from … --to …` does that"
            )
            continue
        alias = alias_of(name, ours)
        aliases[str(name)] = alias
        ours[alias] = _scheduler(values, path, imported)
        _unknown(values, SCHEDULER_KEYS, path, imported)
    if ours:
        imported.document["schedulers"] = ours
    return aliases


def _scheduler(values: Mapping[str, Any], path: Path, imported: Imported) -> dict[str, str]:
    infer = max(1.0, float(round(_duration(values.get("infer_every")) or defaults.INFER_EVERY)))
    # Without fit_every they fit at each inference; ours learns at each tick anyway.
    fit = _duration(values.get("fit_every"))
    if fit is None:
        fit = max(defaults.FIT_EVERY, infer)
        imported.note((*path, "fit_every"), values.get("fit_every"), f"{format_duration(fit)} is used")
    if fit < infer:
        imported.note((*path, "fit_every"), values["fit_every"], "is as long as infer_every")
        fit = infer
    window = _duration(values.get("fit_window")) or defaults.FIT_WINDOW
    if window < MIN_FIT_WINDOW:
        imported.note(
            (*path, "fit_window"), values["fit_window"], f"must be {format_duration(MIN_FIT_WINDOW)} at least"
        )
        window = MIN_FIT_WINDOW
    if window < 2 * 7 * DAY:
        imported.note(
            (*path, "fit_window"),
            format_duration(window),
            "is kept; a week's season is seen from 14d on, and 28d is our default",
        )
    return {
        "fit_every": format_duration(fit),
        "fit_window": format_duration(window),
        "infer_every": format_duration(infer),
    }


def _writer(document: Mapping[str, Any], imported: Imported) -> None:
    theirs = section(document, "writer")
    if theirs.get("class") not in {None, "vm", "writer.vm.VmWriter"}:
        imported.note(("writer", "class"), theirs["class"], "remote write to datasource_url is used")
    ours = take_connection(theirs, ("writer",), imported)
    ours |= _timeout(theirs, ("writer", "timeout"), imported)
    if "metric_format" in theirs:
        given = {str(key): str(value) for key, value in section(theirs, "metric_format").items()}
        ours["metric_format"] = {"__name__": "$VAR", **given}
    if "import_json_path" in theirs:
        imported.note(("writer", "import_json_path"), theirs["import_json_path"], "/api/v1/write is used")
    for key in theirs.keys() & READER_NOTES.keys():
        imported.note(("writer", key), theirs[key], READER_NOTES[key])
    _unknown(
        theirs,
        {"class", "timeout", "metric_format", "import_json_path", *READER_NOTES},
        ("writer",),
        imported,
    )
    if ours:
        imported.document["writer"] = ours


def _unknown(theirs: Mapping[str, Any], known: set[str], path: Path, imported: Imported) -> None:
    for key, value in theirs.items():
        if key not in known and key not in CONNECTION_KEYS:
            imported.note((*path, str(key)), value, READER_NOTES.get(str(key), NO_COUNTERPART))
