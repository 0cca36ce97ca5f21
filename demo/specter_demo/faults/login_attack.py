"""Credential stuffing: leaked passwords are tried on one account after the other, from a few addresses."""

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault

ATTEMPTS_PER_SECOND = 10.0


def inject(control: Control) -> str:
    """Let the attackers begin."""
    if active(control):
        return f"{control.attack:g} sign-ins a second are tried already"
    control.attack_rate(ATTEMPTS_PER_SECOND)
    return f"{ATTEMPTS_PER_SECOND:g} sign-ins a second are tried with leaked passwords"


def clear(control: Control) -> str:
    """Let the attackers give up."""
    if not active(control):
        return "nobody attacks"
    control.attack_rate(0.0)
    return "the attackers have given up"


def active(control: Control) -> bool:
    """Tell whether attackers try to sign in."""
    return control.attack > 0.0


FAULT = Fault(
    name="login-attack",
    summary="ten sign-ins a second are tried with leaked passwords, from five addresses",
    inject=inject,
    clear=clear,
    active=active,
    expects=("route_request_rate",),
    family_alerts=("SignInAttackSuspected",),
)
