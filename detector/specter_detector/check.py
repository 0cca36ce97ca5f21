"""What `specter detector check` finds out."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from specter_core.config import load_config
from specter_detector.config import DetectorConfig, Query, resolve
from specter_detector.http import open_session
from specter_detector.lints.configured import at, lint_config, lint_presets
from specter_detector.lints.model import NOTHING_KNOWN, Facts, Lint
from specter_detector.lints.server import gather, lint_answer, lint_limit
from specter_detector.packing import request
from specter_detector.presets.resolve import Decision, resolve_presets
from specter_detector.prometheus_api import PrometheusApi, open_api
from specter_detector.reader import DatasourceError, PrometheusReader, UnreachableError
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.schema import DetectorSchema
from specter_detector.series import Vector

NO_FILE = "(no file)"


@dataclass(frozen=True, slots=True)
class Resolved:
    """How many series a query returns now, or why it returns none."""

    series: int
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A valid configuration and, when asked for, the answers of the server.

    Attributes:
        file: its name.
        text: of the file, to find lines in.
        config: what it says.
        resolved: answers by query alias, `ALIAS.limit` for a capacity limit.
        lints: what is hardly ever meant.
        presets: which of them would be on.
        unreachable: why the server could not be asked, if so.
        writer: why nothing can be written, if so; None where it can, or was not asked.
    """

    file: str
    text: str
    config: DetectorConfig
    resolved: dict[str, Resolved] = field(default_factory=dict)
    lints: tuple[Lint, ...] = ()
    presets: tuple[Decision, ...] = ()
    unreachable: str | None = None
    writer: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every query that was asked has been answered, and none is without its end."""
        return (
            self.unreachable is None
            and self.writer is None
            and all(answer.error is None for answer in self.resolved.values())
        )


def check(
    file: Path | None,
    *,
    datasource_url: str | None,
    resolve_queries: bool,
    tell: Callable[[str], None] = lambda _text: None,
) -> Report:
    """Validate `file`, lint it, and optionally ask the server about it.

    Args:
        file: the configuration; None for the one that holds without a file.
        datasource_url: replaces the URLs of the file.
        resolve_queries: whether to run each query once, decide on presets and measure intervals.
        tell: is given a line before anything that may take long.

    Raises:
        ConfigError: the file has errors.
        UsageError: `datasource_url` is not an HTTP URL.
    """
    schema = DetectorSchema() if file is None else load_config(file, DetectorSchema)
    text = "" if file is None else file.read_text(encoding="utf-8")
    config = resolve(schema, datasource_url=datasource_url)
    report = Report(NO_FILE if file is None else str(file), text, config)
    if not resolve_queries:
        return replace(report, lints=tuple(lint_config(schema, config)))
    with closing(open_api(config.reader)) as api:
        return _asked(report, schema, api, tell)


def _asked(report: Report, schema: DetectorSchema, api: PrometheusApi, tell: Callable[[str], None]) -> Report:
    config, now = report.config, time.time()
    answers, lints = _answers(config, now, tell)
    facts: Facts = NOTHING_KNOWN
    presets: list[Decision] = []
    unreachable = None
    try:
        if config.presets:
            tell(
                f"looking for the metrics of {len(config.presets)} presets at {config.reader.connection.url}"
            )
            presets = resolve_presets(
                config.presets,
                api,
                now,
                budget=config.preset_budget,
                max_series_per_query=config.reader.inherited.max_series,
                own=config.reader.queries,
            )
        chosen = [decision.chosen for decision in presets if decision.chosen is not None]
        expressions = [query.expr for query in config.reader.queries.values()]
        expressions += [each.source.expr for each in chosen]
        tell(f"measuring how often the samples of {len(expressions)} queries come")
        facts = gather(expressions, api, now, config.reader.connection.timeout)
        lints += lint_presets(chosen, facts)
    except UnreachableError as error:
        unreachable = str(error)
    except DatasourceError as error:
        unreachable = f"presets were not looked for: {error}"
    return replace(
        report,
        resolved=answers,
        lints=(*lint_config(schema, config, facts), *lints),
        presets=tuple(presets),
        unreachable=unreachable,
        writer=_writer_answer(config, tell),
    )


def _writer_answer(config: DetectorConfig, tell: Callable[[str], None]) -> str | None:
    """Return why the server takes no samples, by a request without any; None where it does."""
    writer = config.writer
    if writer.scrape:
        return None
    tell(f"asking {writer.connection.url} whether it takes remote write")
    with closing(RemoteWriteClient(writer.connection.url, open_session(writer.connection))) as client:
        outcome = client.send(request([]), writer.connection.timeout)
    return None if outcome.kind == "ok" else outcome.message


def _answers(
    config: DetectorConfig, now: float, tell: Callable[[str], None]
) -> tuple[dict[str, Resolved], list[Lint]]:
    """Run each query and each limit once."""
    answers: dict[str, Resolved] = {}
    lints: list[Lint] = []
    with closing(PrometheusReader(config.reader, open_session(config.reader.connection))) as reader:
        for number, (alias, query) in enumerate(config.reader.queries.items(), 1):
            tell(f"running query {number} of {len(config.reader.queries)}: {alias}")
            vector = _answer(reader, alias, query, now, answers)
            if vector is None:
                continue
            loc = ("reader", "queries", alias)
            lints += at((*loc, "expr"), list(lint_answer(query, vector)))
            if query.limit is not None:
                limits = _answer(reader, f"{alias}.limit", replace(query, expr=query.limit), now, answers)
                if limits is not None:
                    lints += at((*loc, "limit"), list(lint_limit(vector.samples, limits.samples)))
    return answers, lints


def _answer(
    reader: PrometheusReader, name: str, query: Query, now: float, answers: dict[str, Resolved]
) -> Vector | None:
    try:
        vector = reader.instant(query, now)
    except DatasourceError as error:
        answers[name] = Resolved(0, str(error))
        return None
    answers[name] = Resolved(len(vector.samples) + vector.cut)
    return vector
