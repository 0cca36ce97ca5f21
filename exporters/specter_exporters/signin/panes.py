"""What is counted in one pane of the window: sign-ins, and requests."""

from collections import Counter
from collections.abc import Sequence

from datasketches import hll_sketch

from specter_exporters.signin.frequent import FrequentItems
from specter_exporters.signin.partners import LG_DISTINCT_ALL, PartneredItems, see

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
        """Failures by client (see `addresses.client`) and account, of those that are tracked."""
        self.sources = hll_sketch(LG_DISTINCT_ALL)
        self.accounts = hll_sketch(LG_DISTINCT_ALL)

    def fail(self, columns: Columns, accounts: Sequence[str | None]) -> None:
        """Count failures."""
        addresses, networks = columns
        hashes = _hashes(accounts)
        self.by_address.add(addresses, hashes)
        self.by_network.add(networks, hashes)
        for keys, items, size in ((addresses, self.by_address, 4), (networks, self.by_network, 8)):
            tracked = {key for key in items.tracked if len(key) == size}
            if tracked:
                named = zip(keys, accounts, strict=True)
                self.pairs.add([(key, name) for key, name in named if key in tracked and name is not None])
        known = [account for account in accounts if account is not None]
        if len(known) < len(accounts):
            named = zip(addresses, accounts, strict=True)
            addresses_of_known = [address for address, name in named if name is not None]
        else:
            addresses_of_known = addresses
        self.by_account.add(known, list(map(hash, addresses_of_known)))
        see(self.sources, addresses)
        see(self.accounts, known)

    def succeed(self, columns: Columns, accounts: Sequence[str | None]) -> None:
        """Count successes of sources that fail as well."""
        hashes = _hashes(accounts)
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
        see(self.sources, addresses)

    def close(self) -> None:
        """Shrink the summaries to the counters that are kept."""
        self.by_address.compact()
        self.by_network.compact()


def _hashes(accounts: Sequence[str | None]) -> list[int | None]:
    return [account if account is None else hash(account) for account in accounts]
