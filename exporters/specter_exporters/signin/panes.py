"""What is counted in one pane of the window: sign-ins, and requests."""

from collections import Counter
from collections.abc import Sequence

from datasketches import hll_sketch

from specter_exporters.signin.frequent import FrequentItems
from specter_exporters.signin.partners import LG_DISTINCT_ALL, PartneredItems

Columns = tuple[list[bytes], list[bytes]]  # addresses, their networks


class SignInPane:
    """The attempts of one pane.

    Args:
        keep: counters of each summary.
        track: items whose partners are counted.
    """

    def __init__(self, keep: int, track: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self.by_address: PartneredItems[bytes] = PartneredItems(keep, track)
        self.by_network: PartneredItems[bytes] = PartneredItems(keep, track)
        self.by_account: PartneredItems[str] = PartneredItems(keep, track)
        self.pairs: FrequentItems[tuple[bytes, str]] = FrequentItems(keep)
        """Failures by address and account, of addresses that are tracked."""
        self.sources = hll_sketch(LG_DISTINCT_ALL)
        self.accounts = hll_sketch(LG_DISTINCT_ALL)

    def fail(self, columns: Columns, accounts: Sequence[str | None]) -> None:
        """Count failures."""
        addresses, networks = columns
        hashes = [None if account is None else hash(account) for account in accounts]
        self.by_address.add(addresses, hashes)
        self.by_network.add(networks, hashes)
        tracked = self.by_address.tracked
        named = [
            (address, account)
            for address, account in zip(addresses, accounts, strict=True)
            if account is not None
        ]
        self.pairs.add([pair for pair in named if pair[0] in tracked])
        self.by_account.add([account for _, account in named], [hash(address) for address, _ in named])
        update = self.sources.update
        for address in set(addresses):
            update(hash(address))
        update = self.accounts.update
        for value in set(hashes):
            if value is not None:
                update(value)

    def succeed(self, columns: Columns, accounts: Sequence[str | None]) -> None:
        """Count successes of sources that fail as well."""
        hashes = [None if account is None else hash(account) for account in accounts]
        for items, keys in zip((self.by_address, self.by_network), columns, strict=True):
            if items.tracked:
                items.add_successes(keys, hashes)

    def close(self) -> None:
        """Shrink the summaries to the counters that are kept."""
        for items in (self.by_address.counts, self.by_network.counts, self.by_account.counts, self.pairs):
            items.compact()


class RequestPane:
    """The requests of one pane.

    Args:
        keep: counters of each summary.
    """

    def __init__(self, keep: int) -> None:
        self.classes: Counter[str] = Counter()
        self.by_address: FrequentItems[bytes] = FrequentItems(keep)
        self.by_network: FrequentItems[bytes] = FrequentItems(keep)
        self.sources = hll_sketch(LG_DISTINCT_ALL)

    def add(self, columns: Columns, classes: Counter[str]) -> None:
        """Count requests."""
        addresses, networks = columns
        self.classes.update(classes)
        self.by_address.add(addresses)
        self.by_network.add(networks)
        update = self.sources.update
        for address in set(addresses):
            update(hash(address))

    def close(self) -> None:
        """Shrink the summaries to the counters that are kept."""
        self.by_address.compact()
        self.by_network.compact()
