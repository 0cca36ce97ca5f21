"""Who comes back: the users of a day's registrations, looked for on the days after.

A cohort is kept whole while it is small. A larger one is sampled by its hashes:
only those below a threshold are kept, and the threshold is halved whenever too
many are (adaptive sampling; Flajolet, "On adaptive sampling", Computing 43, 1990).
The hashes are uniform, so that what is kept is a fair sample of `limit` / 2 to
`limit` users, and the standard error of the share that came back is at most
0.5 / sqrt(limit / 2): 1.1 percentage points for a limit of 4,096.
"""

from dataclasses import dataclass, field

from specter_exporters.business.pseudonyms import HASH_BITS

LIMIT = 4096
ALL = 1 << HASH_BITS


@dataclass(slots=True)
class Cohort:
    """Users who registered on one day: hash → the bits of the returns that were seen."""

    threshold: int = ALL
    returned: dict[int, int] = field(default_factory=dict)

    @property
    def size(self) -> float:
        """How many registered: exact while the threshold has never been halved."""
        return float(round(len(self.returned) * (ALL / self.threshold)))

    def add(self, hashed: int, limit: int) -> None:
        """Take in a user, if the sample has them."""
        if hashed >= self.threshold:
            return
        self.returned.setdefault(hashed, 0)
        while len(self.returned) > limit:
            self.threshold //= 2
            self.returned = {one: bits for one, bits in self.returned.items() if one < self.threshold}

    def share(self, bit: int) -> float:
        """Return the share of the sample whose return number `bit` was seen; there must be a user."""
        return sum(bits >> bit & 1 for bits in self.returned.values()) / len(self.returned)


@dataclass(frozen=True, slots=True)
class Returned:
    """What is known of one return: how many had registered, and the share that came back."""

    registered: float
    ratio: float


class Retention:
    """Follows the cohorts of as many days as are looked back.

    Args:
        days: how many days later users are looked for, growing.
        limit: of users kept of a cohort.
    """

    def __init__(self, days: tuple[int, ...], limit: int = LIMIT) -> None:
        self.days = days
        self.limit = limit
        self.cohorts: dict[int, Cohort] = {}
        self.known: dict[int, Returned] = {}

    def registered(self, hashed: int, day: int) -> None:
        """Take in a user who registered on `day`."""
        self.cohorts.setdefault(day, Cohort()).add(hashed, self.limit)

    def seen(self, hashed: int, day: int) -> None:
        """Note that a user was active on `day`."""
        for bit, ago in enumerate(self.days):
            cohort = self.cohorts.get(day - ago)
            if cohort is not None and hashed in cohort.returned:
                cohort.returned[hashed] |= 1 << bit

    def roll(self, last: int, day: int) -> None:
        """Begin `day`; the one before it is complete if it was `last`, the day that was observed."""
        self.known = {}
        if day == last + 1:
            for bit, ago in enumerate(self.days):
                cohort = self.cohorts.get(last - ago)
                if cohort is not None and cohort.returned:
                    self.known[ago] = Returned(cohort.size, cohort.share(bit))
        oldest = day - max(self.days)
        self.cohorts = {when: cohort for when, cohort in self.cohorts.items() if oldest <= when <= day}
