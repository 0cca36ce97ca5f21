"""What in a configuration does not fit together, although each value is well-formed.

Works on the raw document and skips what is malformed (the schema reports that),
so that both kinds of error are seen in one run.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from specter_core.durations import format_duration, parse_duration
from specter_core.metrics import (
    ANOMALY_BAND_NAMES,
    ANOMALY_CONFIDENCE,
    ANOMALY_DIRECTION,
    ANOMALY_SCORE,
    YHAT,
    YHAT_LOWER,
    YHAT_UPPER,
    Y,
)
from specter_detector import defaults
from specter_detector.promql import metric_names
from specter_detector.promql_scan import scan
from specter_detector.promql_tokens import ScanError

OUTPUTS = (ANOMALY_SCORE, YHAT, YHAT_LOWER, YHAT_UPPER, ANOMALY_CONFIDENCE, ANOMALY_DIRECTION)
VARIABLE = re.compile(r"\\\$(QUERY_KEY|MODEL_ALIAS|SCHEDULER_ALIAS)")
LOGIN = frozenset(
    {
        "username", "password_file", "bearer_token_file", "ca_file", "cert_file", "key_file", "tenant_id",
        "headers", "headers_files",
    }
)  # fmt: skip
MIN_FIT_WINDOW = 4 * 3600.0
DAY = 86400.0
LEAST_STEPS_A_DAY = 24
"""The seasons are the day and the week: a step of more than an hour would not see a day."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction: where in the document, what is wrong, what was found there."""

    loc: tuple[str | int, ...]
    message: str
    found: object


def find(document: Mapping[str, object]) -> list[Finding]:
    """Return every contradiction in the parsed YAML `document`."""
    return [
        *_nothing_to_watch(document),
        *_own_output(document),
        *_syntax(document),
        *_unknown_aliases(document),
        *_unused_queries(document),
        *_login_of_nobody(document),
        *_schedules(document),
        *_steps(document),
    ]


def _section(document: object, *path: str) -> Mapping[str, object]:
    for part in path:
        document = document.get(part) if isinstance(document, Mapping) else None
    return document if isinstance(document, Mapping) else {}


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _seconds(section: Mapping[str, object], key: str, default: float) -> float | None:
    """Return a duration of `section`, its default when missing, None when malformed."""
    try:
        return parse_duration(section[key]) if key in section else default
    except ValueError:
        return None


def _output_name(document: Mapping[str, object]) -> re.Pattern[str]:
    """Return what finds the name of an output, as `writer.metric_format` says it."""
    name = _section(document, "writer", "metric_format").get("__name__")
    if not isinstance(name, str) or "$VAR" not in name:
        name = defaults.METRIC_FORMAT["__name__"]
    template = VARIABLE.sub("[a-zA-Z0-9_]+", re.escape(name))
    # `y` is a word that others use as well: it is ours only where it is written.
    outputs = (*OUTPUTS, Y) if _provided(document, Y) else OUTPUTS
    written = [template.replace(r"\$VAR", output) for output in outputs]
    if _section(document, "writer").get("format") == "promql-anomaly-detection":
        written += [name for _, name in ANOMALY_BAND_NAMES]
    names = "|".join(written)
    return re.compile(rf"(?<![\w:])(?:{names})(?![\w:])")


def _nothing_to_watch(document: Mapping[str, object]) -> Iterator[Finding]:
    if document.get("presets") == [] and "queries" not in _section(document, "reader"):
        yield Finding(("presets",), "there is nothing to watch: list presets or reader.queries", [])


def _provided(document: Mapping[str, object], output: str) -> bool:
    sections = [_section(document, "writer"), *_models(document)]
    return any(output in _items(section.get("provide_series")) for section in sections)


def _models(document: Mapping[str, object]) -> list[Mapping[str, object]]:
    models = _section(document, "models")
    return [_section({"model": model}, "model") for model in models.values()]


def _own_output(document: Mapping[str, object]) -> Iterator[Finding]:
    output = _output_name(document)
    for alias, query in _section(document, "reader", "queries").items():
        for key in ("expr", "limit"):
            expr = _section({"query": query}, "query").get(key)
            if isinstance(expr, str) and output.search(metric_names(expr)):
                message = "reads the detector's own output, which would feed back into itself"
                yield Finding(("reader", "queries", alias, key), message, expr)


def _syntax(document: Mapping[str, object]) -> Iterator[Finding]:
    """Find expressions that no server runs: a bracket or a string without its end."""
    for alias, query in _section(document, "reader", "queries").items():
        for key in ("expr", "limit"):
            expr = _section({"query": query}, "query").get(key)
            if not isinstance(expr, str):
                continue
            try:
                scan(expr)
            except ScanError as error:
                yield Finding(("reader", "queries", alias, key), f"is no expression: {error}", expr)


def _unknown_aliases(document: Mapping[str, object]) -> Iterator[Finding]:
    known = {
        "queries": _section(document, "reader", "queries"),
        "schedulers": _section(document, "schedulers") or {"default": {}},
    }
    for alias, model in _section(document, "models").items():
        for key, names in known.items():
            for index, name in enumerate(_items(_section({"model": model}, "model").get(key))):
                if isinstance(name, str) and name not in names:
                    message = f"is not one of the {key}: {', '.join(map(str, names)) or 'there are none'}"
                    yield Finding(("models", alias, key, index), message, name)


def _unused_queries(document: Mapping[str, object]) -> Iterator[Finding]:
    """Find queries that no model uses; a model that names none uses all."""
    models = _models(document)
    if not models or any(not isinstance(model.get("queries"), list) for model in models):
        return
    used = {name for model in models for name in _items(model["queries"])}
    queries = _section(document, "reader", "queries")
    if any(name not in queries for name in used):
        return  # One of these is meant: that name is told, and to mend it mends this.
    for alias, query in queries.items():
        if alias not in used:
            yield Finding(("reader", "queries", alias), "no model uses this query", query)


def _login_of_nobody(document: Mapping[str, object]) -> Iterator[Finding]:
    """Find what a writer should log in with, and no server of its own: it writes as the reader reads."""
    writer = _section(document, "writer")
    if "datasource_url" in writer:
        return
    for key in LOGIN & writer.keys():
        message = "is for a server of the writer's own: give writer.datasource_url, or put it under reader"
        yield Finding(("writer", key), message, writer[key])


def _schedules(document: Mapping[str, object]) -> Iterator[Finding]:
    for alias, raw in _section(document, "schedulers").items():
        section = _section({"scheduler": raw}, "scheduler")
        fit_every = _seconds(section, "fit_every", defaults.FIT_EVERY)
        infer_every = _seconds(section, "infer_every", defaults.INFER_EVERY)
        if fit_every and infer_every and fit_every < infer_every:
            key = "fit_every" if "fit_every" in section else "infer_every"
            message = f"fit_every ({format_duration(fit_every)}) is shorter than infer_every"
            yield Finding(("schedulers", alias, key), message, section[key])
        fit_window = _seconds(section, "fit_window", defaults.FIT_WINDOW)
        if fit_window and fit_window < MIN_FIT_WINDOW:
            message = f"must be at least {format_duration(MIN_FIT_WINDOW)}"
            yield Finding(("schedulers", alias, "fit_window"), message, section["fit_window"])


def _steps(document: Mapping[str, object]) -> Iterator[Finding]:
    reader = _section(document, "reader")
    places: list[tuple[Mapping[str, object], tuple[str | int, ...]]] = [
        (reader, ("reader", "sampling_period")),
        *(
            (_section(reader, "queries", alias), ("reader", "queries", alias, "step"))
            for alias in _section(reader, "queries")
        ),
    ]
    message = f"a day must be a whole number of steps, at least {LEAST_STEPS_A_DAY}"
    for section, loc in places:
        step = _seconds(section, str(loc[-1]), 0.0)
        if step and (DAY % step or step > DAY / LEAST_STEPS_A_DAY):
            yield Finding(loc, message, section[str(loc[-1])])
