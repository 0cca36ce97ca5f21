"""Attempts to sign in that a service writes to its log."""

from typing import Literal, Protocol, get_args

from specter_core.metrics import AUTH_ATTEMPTS
from specter_exporters.logs.conditions import condition
from specter_exporters.logs.fields import Fields, as_label
from specter_exporters.logs.rules.model import Context, Rule
from specter_exporters.logs.schema import SigninSchema
from specter_exporters.logs.series import Store

Outcome = Literal["success", "failed"]


class Attempts(Protocol):
    """Who is told of attempts to sign in; `specter_exporters.signin`'s recorder is one."""

    def attempt(self, source: str, account: str, outcome: Outcome, *, user_agent: str) -> None:
        """Take one attempt.

        Args:
            source: the address it came from; empty where the log does not say.
            account: who it was for; empty likewise. Never to become a label.
            outcome: `success` or `failed`.
            user_agent: the client's name for itself; empty likewise.
        """


class CountedAttempts:
    """Counts attempts by outcome, and nothing else."""

    def __init__(self, store: Store) -> None:
        self._counters = store.counters(AUTH_ATTEMPTS)
        for outcome in get_args(Outcome):
            self._counters.find(outcome)

    def attempt(self, source: str, account: str, outcome: Outcome, *, user_agent: str) -> None:  # noqa: ARG002
        """Count one attempt; see `Attempts`."""
        self._counters.add(1, outcome)


def signin_rule(settings: SigninSchema, context: Context, attempts: Attempts) -> Rule:
    """Return what tells `attempts` of the entries that are an attempt to sign in."""
    accepts = condition(settings.when, context.watch)
    failed = condition(settings.failed, context.watch)
    get_source = context.get(settings.source, "source")
    get_account = context.get(settings.account, "account")
    get_agent = context.get(settings.user_agent, "user_agent")

    def rule(fields: Fields) -> None:
        if accepts is not None and not accepts(fields):
            return
        outcome: Outcome = "failed" if failed is None or failed(fields) else "success"
        attempts.attempt(
            as_label(get_source(fields)),
            as_label(get_account(fields)),
            outcome,
            user_agent=as_label(get_agent(fields)),
        )

    return rule
