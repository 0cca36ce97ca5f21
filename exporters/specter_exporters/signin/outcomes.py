"""How an attempt to sign in can end."""

from typing import Literal, get_args

from specter_core.errors import SpecterError

Outcome = Literal["success", "failed", "locked", "blocked"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
SUCCESS: Outcome = "success"


class OutcomeError(SpecterError):
    """An attempt had an outcome that is not one of `OUTCOMES`."""
