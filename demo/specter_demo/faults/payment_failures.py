"""The payment provider declines a third of the charges and leaves a tenth of them unanswered."""

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault
from specter_demo.provider import FINE, Trouble

TROUBLE = Trouble(declined=0.35, unanswered=0.1)


def inject(control: Control) -> str:
    """Let the provider decline and not answer."""
    if active(control):
        return "the provider fails already"
    control.provider(TROUBLE)
    return f"declined: {TROUBLE.declined:.0%} of the charges; answered too late: {TROUBLE.unanswered:.0%}"


def clear(control: Control) -> str:
    """Let the provider take every charge."""
    if not active(control):
        return "the provider takes every charge"
    control.provider(FINE)
    return "the provider takes every charge again"


def active(control: Control) -> bool:
    """Tell whether charges fail while the provider is there."""
    trouble = control.trouble
    return trouble.declined + trouble.unanswered > 0.0


FAULT = Fault(
    name="payment-failures",
    summary="the payment provider declines a third of the charges and answers a tenth too late",
    inject=inject,
    clear=clear,
    active=active,
    # A declined card is the customer's affair and no error of the shop's: what is not answered is one.
    expects=("route_error_ratio", "error_ratio", "route_latency_p95", "latency_p95"),
    family_alerts=("BusinessSuccessCritical", "BusinessSuccessLow"),
)
