"""What `specter detector check` finds out."""

import json
import time
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from specter_detector.config import DetectorConfig, load
from specter_detector.http import open_session
from specter_detector.reader import DatasourceError, PrometheusReader


@dataclass(frozen=True, slots=True)
class Resolved:
    """How many series a query returns now, or why it returns none."""

    series: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A valid configuration and, when asked for, the answers of the server."""

    file: str
    config: DetectorConfig
    resolved: dict[str, Resolved]

    @property
    def ok(self) -> bool:
        """Whether every query that was asked has been answered."""
        return all(answer.error is None for answer in self.resolved.values())


def check(file: Path, *, datasource_url: str | None, resolve: bool) -> Report:
    """Validate `file` and optionally run each query once.

    Raises:
        ConfigError: the file has errors.
    """
    config = load(file, datasource_url=datasource_url)
    answers: dict[str, Resolved] = {}
    if resolve:
        with closing(PrometheusReader(config.reader, open_session(config.reader.connection))) as reader:
            now = time.time()
            limits = {
                f"{alias}.limit": replace(query, expr=query.limit)
                for alias, query in config.reader.queries.items()
                if query.limit is not None
            }
            for alias, query in {**config.reader.queries, **limits}.items():
                try:
                    vector = reader.instant(query, now)
                except DatasourceError as error:
                    answers[alias] = Resolved(0, str(error))
                else:
                    answers[alias] = Resolved(len(vector.samples) + vector.cut)
    return Report(str(file), config, answers)


def as_text(report: Report) -> str:
    """Render for people."""
    config = report.config
    counts = (len(config.reader.queries), len(config.models), len(config.schedulers))
    lines = ["{}: valid; queries: {}, models: {}, schedulers: {}".format(report.file, *counts)]
    for alias, answer in report.resolved.items():
        lines.append(f"  {alias}: {answer.error or f'{answer.series} series'}")
    return "\n".join(lines)


def as_json(report: Report) -> str:
    """Render for scripts: one line."""
    return json.dumps(
        {
            "ok": report.ok,
            "queries": list(report.config.reader.queries),
            "models": list(report.config.models),
            "schedulers": list(report.config.schedulers),
            "resolved": {
                alias: {"series": answer.series, "error": answer.error}
                for alias, answer in report.resolved.items()
            },
        }
    )
