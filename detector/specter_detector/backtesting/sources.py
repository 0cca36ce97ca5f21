"""Where the series of a backtest come from, and their settings: files, or the queries of a configuration."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from specter_core.errors import UsageError
from specter_detector import defaults
from specter_detector.backtesting.chunk import Row, Setting
from specter_detector.backtesting.csv_file import Table, read_csv
from specter_detector.backtesting.selector import parse_selector
from specter_detector.config import DetectorConfig, Model, Query, Scheduler
from specter_detector.models.fit import FitOptions
from specter_detector.output import NAME
from specter_detector.reader import SeriesReader
from specter_detector.series import Labels, labels_of, text_of

VALUE = "value"
NO_CONFIG = "default"


def settings_of(config: DetectorConfig, alias: str, step: float | None = None) -> list[Setting]:
    """Return a setting for each model and scheduler that use the query `alias`."""
    query = config.reader.queries[alias]
    return [
        setting(query, model, scheduler, step)
        for model in config.models.values()
        if alias in model.queries
        for scheduler in config.schedulers.values()
        if scheduler.alias in model.schedulers
    ]


def setting(query: Query, model: Model, scheduler: Scheduler, step: float | None = None) -> Setting:
    """Return how the running detector treats the series of `query`; `step` (s) replaces the query's."""
    policy = replace(model.policy, data_range=query.data_range)
    options = FitOptions(model.kind, step or query.step, query.tz, query.holidays, policy)
    return Setting(
        query.alias, model.alias, scheduler.alias, options, scheduler.fit_every, scheduler.fit_window
    )


def rows_of_files(
    paths: Sequence[Path], config: DetectorConfig | None, step: float | None
) -> Iterator[list[Row]]:
    """Yield the series of each file.

    With a configuration the query of a column is the one that is called as the column is, else as the file,
    else the only one there is.

    Raises:
        UsageError: no query can be meant, or two files would have the same output.
    """
    for path in paths:
        table = read_csv(path, step)
        yield [row for index in range(len(table.names)) for row in _of_column(table, index, config)]


def check_names(paths: Sequence[Path], out: Path) -> None:
    """Raise UsageError where two files would be written to the same place in `out`, or one over itself."""
    stems = [path.stem for path in paths]
    doubled = sorted({stem for stem in stems if stems.count(stem) > 1})
    if doubled:
        raise UsageError(f"--csv: several files are called {', '.join(doubled)}: their outputs would be one")
    for path in paths:
        if path.parent.resolve() == out.resolve():
            raise UsageError(f"--out {out}: {path} is there, and would be written over: give another folder")


def _of_column(table: Table, index: int, config: DetectorConfig | None) -> Iterator[Row]:
    name, stem = table.names[index], table.path.stem
    series = stem if name == VALUE else name
    if config is None:
        settings = [_default_setting(series, table.step)]
    else:
        settings = settings_of(config, _alias(table, name, config), table.step)
    for each in settings:
        file = stem if len(settings) == 1 else _suffixed(stem, each)
        yield Row(f"{file}.csv", series, _labels(series), table.times, table.values[index], table.truth, each)


def _default_setting(alias: str, step: float) -> Setting:
    options = FitOptions(step=step)
    return Setting(alias, NO_CONFIG, NO_CONFIG, options, defaults.FIT_EVERY, defaults.FIT_WINDOW)


def _alias(table: Table, column: str, config: DetectorConfig) -> str:
    queries = config.reader.queries
    for candidate in (column, table.path.stem):
        if candidate in queries:
            return candidate
    if len(queries) == 1:
        return next(iter(queries))
    raise UsageError(
        f"{table.path}: column {column!r} is none of the queries {', '.join(queries)}, nor is the file: "
        "call the one or the other as the query that it is"
    )


def _labels(series: str) -> Labels:
    """Return the labels that the text of a selector has; a plain name is the label `series`."""
    if "{" in series:
        try:
            return parse_selector(series).equal
        except UsageError:
            return labels_of({"series": series})
    return labels_of({"series": series})


def _suffixed(name: str, each: Setting) -> str:
    return f"{name}.{each.model}.{each.scheduler}"


def rows_of_server(
    reader: SeriesReader, config: DetectorConfig, start: float, end: float, step: float | None
) -> Iterator[list[Row]]:
    """Yield the series of each query between `start` and `end` (Unix s), read one query at a time."""
    for alias, query in config.reader.queries.items():
        settings = settings_of(config, alias, step)
        if not settings:
            continue
        history = reader.history(replace(query, step=settings[0].options.step), start, end)
        rows: list[Row] = []
        for each in settings:
            file = alias if len(settings) == 1 else _suffixed(alias, each)
            rows += [
                Row(f"{file}.csv", series_name(labels), labels, history.times, values, None, each)
                for labels, values in sorted(
                    zip(history.labels, history.values, strict=True), key=lambda pair: pair[0]
                )
                if np.isfinite(values).any()
            ]
        yield rows


def series_name(labels: Labels) -> str:
    """Return `labels` as Prometheus writes them, the name in front."""
    named = dict(labels)
    name = named.pop(NAME, "")
    rest = text_of(labels_of(named)) if named else ""
    return f"{name}{rest}" or "{}"
