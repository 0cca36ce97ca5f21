"""The digest asks for a column that the database does not have, and fails each time."""

from dataclasses import replace

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault
from specter_demo.jobs.table import DIGEST
from specter_demo.jobs.trouble import without


def inject(control: Control) -> str:
    """Break the digest."""
    if active(control):
        return "the digest is broken already"
    trouble = control.jobs
    control.let_jobs(replace(trouble, broken=(*trouble.broken, DIGEST)))
    return "the digest asks for a column that is not there"


def clear(control: Control) -> str:
    """Repair the digest."""
    if not active(control):
        return "the digest works"
    trouble = control.jobs
    control.let_jobs(replace(trouble, broken=without(trouble.broken, DIGEST)))
    return "the digest works again"


def active(control: Control) -> bool:
    """Tell whether the digest is broken."""
    return DIGEST in control.jobs.broken


FAULT = Fault(
    name="job-failure",
    summary="the digest asks for a column that is not there, and fails each time",
    inject=inject,
    clear=clear,
    active=active,
    expects=(),
    alert="JobFailed",
)
