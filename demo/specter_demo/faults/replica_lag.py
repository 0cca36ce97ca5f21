"""The standby receives what the primary writes and replays none of it: what it shows becomes older."""

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault


def inject(control: Control) -> str:
    """Pause replay on the standby."""
    if active(control):
        return "the standby replays nothing already"
    control.pause_replay()
    return "the standby receives and replays nothing"


def clear(control: Control) -> str:
    """Resume replay on the standby."""
    if not active(control):
        return "the standby replays what it receives"
    control.resume_replay()
    return "the standby replays what it receives again"


def active(control: Control) -> bool:
    """Tell whether replay is paused."""
    return control.replay_paused


FAULT = Fault(
    name="replica-lag",
    summary="the standby of the database receives and replays nothing (replay is paused)",
    inject=inject,
    clear=clear,
    active=active,
    expects=(),
    # From a minute on, for two: within the usual five.
    alert="PostgresReplayLagging",
)
