"""Each task takes twenty seconds longer, as when a mail server answers late: the queues grow."""

from dataclasses import replace

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault

SECONDS = 20.0


def inject(control: Control) -> str:
    """Let each task take longer."""
    if active(control):
        return f"each task takes {control.queue.seconds:g} s longer already"
    control.worker(replace(control.queue, seconds=SECONDS))
    return f"each task takes {SECONDS:g} s longer"


def clear(control: Control) -> str:
    """Let tasks take no longer than they need."""
    if not active(control):
        return "tasks take no longer than they need"
    control.worker(replace(control.queue, seconds=0.0))
    return "tasks take no longer than they need again"


def active(control: Control) -> bool:
    """Tell whether tasks take longer."""
    return control.queue.seconds > 0.0


FAULT = Fault(
    name="queue-backlog",
    summary="each task of the queues takes 20 s longer, so they grow",
    inject=inject,
    clear=clear,
    active=active,
    expects=(),
    alert="QueueBacklogGrowing",
)
