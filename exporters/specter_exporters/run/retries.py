"""How long to wait before a failed command is tried again."""

from typing import NamedTuple

DEFAULT_DELAY, DEFAULT_MOST = 10.0, 600.0


class Retries(NamedTuple):
    """Exponential backoff with jitter.

    Attributes:
        tries: how often a failed command is tried again.
        delay: seconds before the first time; doubled each time.
        most: seconds it grows to.
    """

    tries: int = 0
    delay: float = DEFAULT_DELAY
    most: float = DEFAULT_MOST

    def wait(self, failed: int, chance: float) -> float:
        """Return the seconds to wait after `failed` attempts: from half of the time to all of it.

        Args:
            failed: at least 1.
            chance: in [0, 1), at random, so that jobs that failed together are not tried again together.
        """
        full = min(self.most, self.delay * 2.0 ** min(failed - 1, 60))
        return full * (0.5 + 0.5 * chance)
