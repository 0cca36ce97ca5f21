"""What is asked of a server: one module a concern, in the order of `standard`."""

from pathlib import Path

from specter_core.clock import Clock
from specter_exporters.postgres.collectors import (
    activity,
    archiver,
    backups,
    databases,
    indexes,
    locks,
    plans,
    replication,
    sequences,
    server,
    statements,
    tables,
)
from specter_exporters.postgres.model import Collector, Server
from specter_exporters.postgres.remembered import PlanFile


def standard(told: Server, clock: Clock, storage: Path | None = None) -> tuple[Collector, ...]:
    """Return the collectors of one server; what tells most in an emergency is asked first.

    Args:
        told: the server.
        clock: the time.
        storage: folder in which plans are remembered over restarts; None remembers none.
    """
    return (
        Collector("server", server.collect),
        Collector("activity", activity.collector(told.idle_limit)),
        Collector("locks", locks.collect),
        Collector("replication", replication.collector(clock)),
        Collector("databases", databases.collect),
        Collector("statements", statements.collector(told.statements), aside=True),
        Collector("archiver", archiver.collect),
        Collector("tables", tables.collector(told.tables), per_database=True, series=2000),
        Collector("indexes", indexes.collect, per_database=True),
        Collector("sequences", sequences.collect, per_database=True),
        *_plans(told, clock, storage),
        *_backups(told, clock),
        Collector("sizes", databases.sizes, limit=1.0, aside=True),
    )


def _plans(told: Server, clock: Clock, storage: Path | None) -> tuple[Collector, ...]:
    if not told.plans:
        return ()
    file = None if storage is None else PlanFile(storage / f"plans-{told.name}.json")
    collect = plans.Plans(told.plans, told.plan_interval, told.plan_search_path, clock, file)
    return (Collector("plans", collect, aside=True),)


def _backups(told: Server, clock: Clock) -> tuple[Collector, ...]:
    if not told.backups:
        return ()
    return (Collector("backups", backups.Backups(told.backups, clock), aside=True),)
