"""The scheduler does not start the backup any more, as when a line of a crontab is lost."""

from dataclasses import replace

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault
from specter_demo.jobs.table import BACKUP
from specter_demo.jobs.trouble import without


def inject(control: Control) -> str:
    """Let the scheduler forget the backup."""
    if active(control):
        return "the backup is forgotten already"
    trouble = control.jobs
    control.let_jobs(replace(trouble, forgotten=(*trouble.forgotten, BACKUP)))
    return "the scheduler starts no backup any more"


def clear(control: Control) -> str:
    """Let the scheduler start the backup."""
    if not active(control):
        return "the scheduler starts the backup"
    trouble = control.jobs
    control.let_jobs(replace(trouble, forgotten=without(trouble.forgotten, BACKUP)))
    return "the scheduler starts the backup again"


def active(control: Control) -> bool:
    """Tell whether the backup is forgotten."""
    return BACKUP in control.jobs.forgotten


FAULT = Fault(
    name="job-missed",
    summary="the scheduler does not start the backup any more",
    inject=inject,
    clear=clear,
    active=active,
    expects=(),
    alert="JobOverdue",
)
