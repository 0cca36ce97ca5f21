"""Settings of the sign-in exporter, as the core takes them."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Rules:
    """When something is suspected; counts are those of one window. See docs/exporters-signin.md."""

    source_accounts: int = 20
    """Different accounts that failed from one source: credential stuffing."""
    spread_accounts: int = 50
    """Different accounts that failed from sources that are no such source: password spraying."""
    account_failures: int = 30
    """Failures of one account: guessing."""
    breach_failures: int = 10
    """Failures from a source before a success from it is a suspected breach."""
    surge_requests: int = 1000
    """Requests below which no flood and no wave is suspected."""
    quiet_seconds: float = 300.0
    """A suspicion ends when half the threshold was not reached for so long."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the recorder holds and shows."""

    secret: bytes | None = field(default=None, repr=False)
    """Key of the hashes of addresses; a random one by default."""
    show_addresses: bool = False
    top: int = 10
    """Sources that get series of their own, by address and by network."""
    top_min_failures: int = 5
    """Failures in the window below which a source gets no series: a typing error is not worth one."""
    top_min_requests: int = 100
    window_seconds: float = 600.0
    panes: int = 5
    """Parts that the window is made of; at least 2."""
    keep: int = 1024
    """Counters that each summary keeps: undercounts are at most 1 / 1025 of what was counted."""
    track: int = 128
    """Sources, and accounts, whose different partners are counted in each pane."""
    breaches: int = 1000
    """Suspected breaches that are remembered for the API."""
    app_user_agent: str = ""
    """A regular expression that says which user agents are the product's own app."""
    rules: Rules = field(default_factory=Rules)
