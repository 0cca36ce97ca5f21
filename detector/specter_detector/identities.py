"""Which output series are taken: two queries that would write the same one are a conflict."""

import threading
from collections.abc import Iterable

Identity = tuple[int, tuple[str, ...]]
"""The hash of an output's labels without its name, and the metrics that are written with them."""


class Identities:
    """The outputs of all jobs of a process; jobs may ask from several threads."""

    def __init__(self) -> None:
        self._taken: dict[int, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._taken)

    def claim(self, identities: Iterable[Identity]) -> bool:
        """Take `identities`, all or none; False if one of them is taken."""
        wanted = list(identities)
        with self._lock:
            if any(not set(names).isdisjoint(self._taken.get(key, ())) for key, names in wanted):
                return False
            for key, names in wanted:
                taken = self._taken.get(key)
                # The usual case shares one tuple of names among all series of a job.
                self._taken[key] = names if taken is None else (*taken, *names)
        return True

    def release(self, identities: Iterable[Identity]) -> None:
        """Give `identities` back."""
        with self._lock:
            for key, names in identities:
                left = tuple(name for name in self._taken.pop(key, ()) if name not in names)
                if left:
                    self._taken[key] = left
