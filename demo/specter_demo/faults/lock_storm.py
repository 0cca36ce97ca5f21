"""A release whose migration waits behind a forgotten report, and every checkout behind the migration."""

from specter_demo.faults.defect import Said, defect_fault
from specter_demo.shop.defects import LOCK_STORM

FAULT = defect_fault(
    LOCK_STORM,
    Said(
        there="the migration waits for the table already",
        brings="wants the table orders for itself while a report has it; every checkout waits behind",
        gone="no migration waits",
        without="has neither the report nor the migration",
    ),
    summary="a migration waits for the table orders behind a forgotten report, and every checkout behind it",
    expects=("route_error_ratio", "error_ratio", "route_latency_p95", "latency_p95"),
    family_alerts=("PostgresLockStorm", "PostgresLockWaiting"),
)
