"""The payment provider cannot be reached: it refuses every connection."""

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault
from specter_demo.provider import FINE, Trouble


def inject(control: Control) -> str:
    """Let the provider close its door."""
    if active(control):
        return "the provider is away already"
    control.provider(Trouble(away=True))
    return "the provider refuses every connection"


def clear(control: Control) -> str:
    """Let the provider come back."""
    if not active(control):
        return "the provider is there"
    control.provider(FINE)
    return "the provider is back"


def active(control: Control) -> bool:
    """Tell whether the provider is away."""
    return control.trouble.away


FAULT = Fault(
    name="third-party-outage",
    summary="the payment provider cannot be reached, so every checkout fails",
    inject=inject,
    clear=clear,
    active=active,
    expects=("route_error_ratio", "error_ratio"),
    family_alerts=("OutgoingCallsFailing",),
)
