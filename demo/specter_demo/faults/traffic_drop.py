"""Four of five clients do not reach the shop any more, as when a load balancer loses a listener."""

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault

REMAINING = 0.2


def inject(control: Control) -> str:
    """Let a fifth of the clients through."""
    if active(control):
        return f"the load factor is already {control.load:g}"
    control.load_factor(REMAINING)
    return f"{REMAINING:.0%} of the clients reach the shop"


def clear(control: Control) -> str:
    """Let every client through."""
    if not active(control):
        return "every client reaches the shop"
    control.load_factor(1.0)
    return "every client reaches the shop again"


def active(control: Control) -> bool:
    """Tell whether clients are missing."""
    return control.load < 1.0


FAULT = Fault(
    name="traffic-drop",
    summary="only a fifth of the clients reach the shop",
    inject=inject,
    clear=clear,
    active=active,
    expects=("request_rate", "route_request_rate"),
)
