"""The faults that `specter demo fault` injects, one module each."""

from specter_core.errors import UsageError
from specter_demo.faults import (
    api_latency,
    connection_leak,
    frontend_slow,
    integrity_violation,
    job_failure,
    job_missed,
    lock_storm,
    login_attack,
    memory_leak,
    new_error,
    payment_failures,
    queue_backlog,
    replica_lag,
    slow_query,
    third_party_outage,
    traffic_drop,
    worker_killed,
)
from specter_demo.faults.fault import Fault

__all__ = ["FAULTS", "Fault", "find_fault"]

FAULTS = (
    api_latency.FAULT,
    traffic_drop.FAULT,
    payment_failures.FAULT,
    third_party_outage.FAULT,
    login_attack.FAULT,
    new_error.FAULT,
    memory_leak.FAULT,
    frontend_slow.FAULT,
    connection_leak.FAULT,
    lock_storm.FAULT,
    slow_query.FAULT,
    replica_lag.FAULT,
    integrity_violation.FAULT,
    queue_backlog.FAULT,
    worker_killed.FAULT,
    job_failure.FAULT,
    job_missed.FAULT,
)


def find_fault(name: str) -> Fault:
    """Return the fault called `name`.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    for fault in FAULTS:
        if fault.name == name:
            return fault
    raise UsageError(f"no fault is called {name!r}; there are: {', '.join(fault.name for fault in FAULTS)}")
