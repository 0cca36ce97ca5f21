"""Lints of a whole configuration, without a server or with what it told."""

from collections.abc import Iterator

from specter_detector.config import DetectorConfig
from specter_detector.lints.expressions import lint_expression
from specter_detector.lints.model import NOTHING_KNOWN, Facts, Lint
from specter_detector.presets.resolve import Chosen
from specter_detector.schema import DetectorSchema


def lint_config(schema: DetectorSchema, config: DetectorConfig, facts: Facts = NOTHING_KNOWN) -> list[Lint]:
    """Return the lints of the file's own text: its queries, and the time zone."""
    found = list(_time_zone(schema))
    for alias, query in config.reader.queries.items():
        for key, expr in (("expr", query.expr), ("limit", query.limit)):
            if expr is not None:
                found += at(
                    ("reader", "queries", alias, key), lint_expression(expr, step=query.step, facts=facts)
                )
    return found


def lint_presets(chosen: list[Chosen], facts: Facts) -> list[Lint]:
    """Return the lints of presets that are on: they know nothing of the server's scrape intervals."""
    return [
        lint
        for each in chosen
        for lint in at(
            ("presets", each.preset, each.query.alias),
            lint_expression(each.source.expr, step=each.query.step, facts=facts),
        )
    ]


def at(loc: tuple[str | int, ...], lints: list[Lint]) -> list[Lint]:
    """Return `lints` at a place of the document."""
    return [Lint(lint.code, lint.message, lint.advice, loc) for lint in lints]


def _time_zone(schema: DetectorSchema) -> Iterator[Lint]:
    reader = schema.reader
    if "tz" in reader.model_fields_set:
        return
    without = [alias for alias, query in reader.queries.items() if query.tz is None]
    if without or not reader.queries:
        about = f" of {', '.join(without[:3])}{', …' if len(without) > 3 else ''}" if without else ""
        yield Lint(
            "no-time-zone",
            f"no time zone is set: days{about} begin at midnight UTC, also where clocks are put forward",
            "set reader.tz to where the users are, such as Europe/Berlin, or to UTC if that is meant",
            ("reader",),
        )
