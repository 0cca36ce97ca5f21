"""The queues' worker is killed (kill -9), and nothing starts it again."""

from dataclasses import replace

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault


def inject(control: Control) -> str:
    """Let the worker be killed and stay away."""
    if active(control):
        return "the worker is away already"
    control.worker(replace(control.queue, away=True))
    return "the worker is killed and stays away"


def clear(control: Control) -> str:
    """Let the worker be started again."""
    if not active(control):
        return "the worker is there"
    control.worker(replace(control.queue, away=False))
    return "the worker is started again"


def active(control: Control) -> bool:
    """Tell whether the worker is kept away."""
    return control.queue.away


FAULT = Fault(
    name="worker-killed",
    summary="the worker of the queues is killed (kill -9) and not started again",
    inject=inject,
    clear=clear,
    active=active,
    expects=(),
    alert="QueueWithoutConsumers",
)
