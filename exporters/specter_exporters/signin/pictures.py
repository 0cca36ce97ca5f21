"""What a window shows, in numbers: what the rules judge and the metrics expose."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from specter_exporters.signin.frequent import merged
from specter_exporters.signin.outcomes import SUCCESS
from specter_exporters.signin.panes import RequestPane, SignInPane
from specter_exporters.signin.partners import LG_DISTINCT_ALL, K, PartneredItems, Tracked, distinct
from specter_exporters.signin.window import sums

Grouping = Literal["address", "network"]
JUDGED = 64  # sources of each grouping, and accounts, that are looked at
FEW_TRIES = 3  # of an account: more is not spraying, which avoids lock-outs


@dataclass(frozen=True, slots=True)
class Heavy:
    """One of the most frequent: a source with its accounts, or an account with its sources.

    `failures` is a lower bound. `failed` and `succeeded` are different partners.
    """

    key: bytes | str
    failures: int
    failed: int
    succeeded: int = 0


@dataclass(frozen=True, slots=True)
class SignInPicture:
    """The attempts of a window; the heaviest first in each tuple.

    `recent_successes` are those of the newest pane that is full. `often_accounts` are those known to have
    failed more than `FEW_TRIES` times, `rare_failures` are the failures of all others: these cannot be hidden
    behind many failures of a few accounts.
    """

    outcomes: dict[str, int]
    sources: int
    accounts: int
    addresses: tuple[Heavy, ...]
    networks: tuple[Heavy, ...]
    top_accounts: tuple[Heavy, ...]
    error: dict[Grouping, int]
    recent_successes: int
    often_accounts: int = 0
    rare_failures: int = 0

    @property
    def successes(self) -> int:
        """Attempts that succeeded."""
        return self.outcomes.get(SUCCESS, 0)

    @property
    def failures(self) -> int:
        """Attempts that did not, for whatever reason."""
        return sum(self.outcomes.values()) - self.successes


@dataclass(frozen=True, slots=True)
class RequestPicture:
    """The requests of a window; the heaviest sources first."""

    classes: dict[str, int]
    sources: int
    addresses: tuple[tuple[bytes, int], ...]
    networks: tuple[tuple[bytes, int], ...]

    @property
    def requests(self) -> int:
        """All requests."""
        return sum(self.classes.values())


def picture_of_signins(panes: Sequence[SignInPane], full: SignInPane) -> SignInPicture:
    """Return what `panes` hold together; `full` is the newest of them that is full."""
    addresses = [pane.by_address for pane in panes]
    networks = [pane.by_network for pane in panes]
    accounts = [pane.by_account for pane in panes]
    often = [count for count in merged(part.counts for part in accounts).values() if count > FEW_TRIES]
    return SignInPicture(
        outcomes=sums(pane.outcomes for pane in panes),
        sources=distinct((pane.sources for pane in panes), LG_DISTINCT_ALL),
        accounts=distinct((pane.accounts for pane in panes), LG_DISTINCT_ALL),
        addresses=_heaviest(addresses),
        networks=_heaviest(networks),
        top_accounts=_heaviest(accounts),
        error={
            "address": sum(items.counts.error for items in addresses),
            "network": sum(items.counts.error for items in networks),
        },
        recent_successes=full.outcomes[SUCCESS],
        often_accounts=len(often),
        rare_failures=sum(part.counts.total for part in accounts) - sum(often),
    )


def partners(parts: Sequence[PartneredItems[K]], key: K) -> tuple[int, int]:
    """Return how many different partners `key` has failed with, and succeeded with."""
    found: list[Tracked] = [part.tracked[key] for part in parts if key in part.tracked]
    return distinct(each.failed for each in found), distinct(each.succeeded for each in found)


def _heaviest(parts: Sequence[PartneredItems[K]]) -> tuple[Heavy, ...]:
    top = merged(part.counts for part in parts).most_common(JUDGED)
    return tuple(Heavy(key, count, *partners(parts, key)) for key, count in top)


def picture_of_requests(panes: Sequence[RequestPane]) -> RequestPicture:
    """Return what `panes` hold together."""
    return RequestPicture(
        classes=sums(pane.classes for pane in panes),
        sources=distinct((pane.sources for pane in panes), LG_DISTINCT_ALL),
        addresses=tuple(merged(pane.by_address for pane in panes).most_common(JUDGED)),
        networks=tuple(merged(pane.by_network for pane in panes).most_common(JUDGED)),
    )
