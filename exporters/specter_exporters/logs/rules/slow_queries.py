"""How long queries take that a database finds worth writing down."""

import re

from specter_core.metrics import LOG_SLOW_QUERY_DURATION, LOG_SLOW_QUERY_ROWS_EXAMINED
from specter_exporters.logs.fields import Fields, as_number
from specter_exporters.logs.rules.model import SECONDS, Context, Rule
from specter_exporters.logs.schema import SlowQueriesSchema
from specter_exporters.logs.series import OTHER

COMMANDS = frozenset(
    [
        "select",
        "insert",
        "update",
        "delete",
        "merge",
        "with",
        "call",
        "do",
        "copy",
        "begin",
        "commit",
        "rollback",
        "create",
        "alter",
        "drop",
        "truncate",
        "analyze",
        "vacuum",
        "explain",
        "refresh",
        "reindex",
        "fetch",
        "set",
        "show",
        "lock",
        "replace",
        "load",
        "execute",
        "values",
    ]
)
_WORD = re.compile(r"(?:\s|\(|--[^\n]*\n|/\*[^*]{0,2000}\*/)*([A-Za-z]+)", re.ASCII)
NO_STATEMENT = "none"


def command_of(statement: object) -> str:
    """Return the first word of a statement, behind comments and brackets; `other` for an unknown one."""
    if not isinstance(statement, str) or not statement:
        return NO_STATEMENT
    found = _WORD.match(statement, 0, 4000)
    word = found[1].lower() if found else ""
    return word if word in COMMANDS else OTHER


def slow_queries_rule(settings: SlowQueriesSchema, context: Context) -> Rule:
    """Return what observes the durations of queries."""
    durations = context.store.histograms(LOG_SLOW_QUERY_DURATION, context.log)
    examined = context.store.counters(LOG_SLOW_QUERY_ROWS_EXAMINED, context.log)
    paths = context.paths(settings.duration, "slow_duration")
    scale = SECONDS[settings.duration_unit or ("ms" if paths[0].endswith("_ms") else "s")]
    get_duration = context.get(settings.duration, "slow_duration")
    get_statement = context.get(settings.statement, "statement")
    get_rows = context.get(settings.rows_examined, "rows")
    no_number = context.field_error(LOG_SLOW_QUERY_DURATION.name)

    def rule(fields: Fields) -> None:
        value = get_duration(fields)
        if value is None:
            return
        seconds = as_number(value)
        if seconds is None:
            no_number()
            return
        command = command_of(get_statement(fields))
        durations.find(command)[0].observe(seconds * scale)
        rows = as_number(get_rows(fields))
        if rows is not None:
            examined.add(rows, command)

    return rule
