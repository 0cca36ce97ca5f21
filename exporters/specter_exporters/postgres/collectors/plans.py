"""Plans of the statements that take most time: asked for by EXPLAIN, never run, a few a scrape."""

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import errors

from specter_core import metrics
from specter_core.clock import Clock
from specter_exporters.postgres import plans
from specter_exporters.postgres.collectors.statements import as_label, chosen, texts_of
from specter_exporters.postgres.failures import UnsupportedError, query_reason
from specter_exporters.postgres.model import Fact, facts
from specter_exporters.postgres.plans import Plan
from specter_exporters.postgres.remembered import PlanFile
from specter_exporters.postgres.session import Session

AT_ONCE = 3
"""Statements whose plans one scrape asks for."""
REMEMBERED = 500
LARGE = 10e6
"""Bytes of a table from which on it is worth a series that a plan reads it whole."""
MOST_SCANNED = 3
_SETTINGS = """
SELECT set_config('search_path', %s, true), set_config('plan_cache_mode', 'force_generic_plan', true)
"""
_PREPARED = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'specter_plan'"
_SIZES = """
SELECT n.nspname, c.relname, c.relpages::float8 * current_setting('block_size')::int
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
"""


@dataclass(slots=True)
class Known:
    """What is known of a statement's plan; `reason` says why it is not, `at` is Unix time.

    `digest` is that of its newest plan, also where an earlier run of the exporter was told it.
    """

    plan: Plan | None = None
    digest: str | None = None
    changes: int = 0
    at: float = 0.0
    reason: str | None = None
    scanned: Sequence[tuple[str, str, float]] = ()


class Plans:
    """The collector.

    Each statement is asked about by PREPARE and EXPLAIN EXECUTE with the generic plan, in which no value
    has a part, in a read-only transaction that is undone.

    Args:
        most: statements by total time; half as many more by mean time.
        every: seconds after which a plan is asked for again.
        search_path: where the statements' tables are looked up.
        clock: the time.
        file: where plans are remembered; None remembers them while the exporter runs.
    """

    def __init__(
        self,
        most: int,
        every: float,
        search_path: Sequence[str],
        clock: Clock,
        file: PlanFile | None = None,
    ) -> None:
        self._most = most
        self._every = every
        self._path = ", ".join('"' + each.replace('"', '""') + '"' for each in search_path)
        self._clock = clock
        self._file = file
        self._known = OrderedDict(
            (statement, Known(digest=digest, changes=changes))
            for statement, (digest, changes) in (file.load() if file is not None else {}).items()
        )
        self._listed: list[int] = []
        self._waiting: list[tuple[int, str | None]] = []
        self._again = 0.0
        self._changed = False

    def __call__(self, session: Session) -> Iterable[Fact]:
        """Ask about a few, and yield what is known of all."""
        # The planner calls functions of those who wrote the statements: they would be superusers by it.
        (superuser,) = session.row("SELECT current_setting('is_superuser')::bool")
        if superuser:
            raise UnsupportedError(
                "as a superuser no statement is explained: give the exporter a role of its own"
            )
        if not self._waiting and self._clock.monotonic() >= self._again:
            self._list(session)
        now, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
        self._ask(session, now)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        if self._changed and self._file is not None:
            told = [(key, each.digest, each.changes) for key, each in self._known.items()]
            self._file.save({key: (digest, changes) for key, digest, changes in told if digest is not None})
        self._changed = False
        return list(self._told(session.database))

    def _list(self, session: Session) -> None:
        """Choose whom to ask about, with texts: the server reads the file of all texts for any."""
        began = self._clock.monotonic()
        listed = chosen(session, self._most)
        texts = texts_of(session, listed) if listed else {}
        self._listed = listed
        self._waiting = [(each, texts.get(each)) for each in listed]
        self._again = began + self._every

    def _ask(self, session: Session, statements: Sequence[tuple[int, str | None]]) -> None:
        for identifier, text in statements:
            known = self._known.setdefault(identifier, Known())
            self._known.move_to_end(identifier)
            if text is None or not plans.explainable(text):
                known.reason = "unsupported"
                continue
            try:
                plan = self._explained(session, text)
                known.scanned = _large(session, plan)
            except psycopg.Error as error:
                if not session.usable():
                    raise
                reason = query_reason(error)
                # A type is missing without the values, or a table in the search path.
                known.reason = "unsupported" if reason == "other" else reason
                continue
            if known.digest != plan.digest:
                known.changes += known.digest is not None
                known.digest = plan.digest
                self._changed = True
            known.plan, known.reason, known.at = plan, None, self._clock.time()

    def _explained(self, session: Session, text: str) -> Plan:
        prepared = False
        try:
            with session.undone():
                session.rows(_SETTINGS, [self._path])
                session.run(f"PREPARE specter_plan AS {text}")
                prepared = True
                (count,) = session.row(_PREPARED)
                values = f"({', '.join(['NULL'] * count)})" if count else ""
                (answer,) = session.row(f"EXPLAIN (FORMAT JSON, VERBOSE) EXECUTE specter_plan{values}")
        finally:
            # It outlives its transaction, unless psycopg has prepared statements of its own in the session:
            # with a transaction that is undone, it deallocates all.
            if prepared and session.usable():
                with suppress(errors.InvalidSqlStatementName):
                    session.run("DEALLOCATE specter_plan")
        return plans.read(answer)

    def _told(self, database: str) -> Iterable[Fact]:
        unknown: Counter[str] = Counter()
        for identifier in self._listed:
            known = self._known.get(identifier)
            if known is None:
                continue
            labels = [as_label(identifier), database]
            if known.reason is not None:
                unknown[known.reason] += 1
            if known.plan is None:
                continue
            yield from facts(
                (metrics.PG_PLAN_INFO, [*labels, known.plan.digest, known.plan.shape], 1),
                (metrics.PG_PLAN_COST, labels, known.plan.cost),
                (metrics.PG_PLAN_CHANGES, labels, known.changes),
                (metrics.PG_PLAN_TIME, labels, known.at),
            )
            for schema, table, size in known.scanned:
                yield Fact(metrics.PG_PLAN_SCANNED, [*labels, schema, table], size)
        for reason, count in unknown.items():
            yield Fact(metrics.PG_PLANS_UNKNOWN, [reason], count)


def _large(session: Session, plan: Plan) -> list[tuple[str, str, float]]:
    if not plan.scanned:
        return []
    schemas, tables = (list(names) for names in zip(*plan.scanned, strict=True))
    found = [(schema, table, size) for schema, table, size in session.rows(_SIZES, [schemas, tables])]
    large = sorted((row for row in found if row[2] >= LARGE), key=lambda row: -row[2])
    return large[:MOST_SCANNED]
