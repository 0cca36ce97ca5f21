"""Know the labels of a series by the bytes that the server writes them with."""

from collections.abc import Callable, Iterable

import orjson

from specter_detector.datasource import RefusedError
from specter_detector.series import Labels, labels_of

Accepts = Callable[[Labels], bool]
MOST_REJECTED = 2_000_000
"""Up to here what is not accepted is remembered, at about 60 bytes each."""
MOST_LABELS = 4
"""Times as many labels as series are remembered; series that have gone had more of them."""


def everything(_labels: Labels) -> bool:
    """Accept every series."""
    return True


class Identities:
    """Labels by their JSON, so that a series that stays costs no parsing and is the same object each time.

    Not larger than the last `keep`, and what has been looked up since.

    Args:
        accepts: whether a series is watched here at all, asked once a series.
    """

    def __init__(self, accepts: Accepts = everything) -> None:
        self._accepts = accepts
        self._known: dict[bytes, Labels] = {}
        # By hash: with many shards these are the most. Two of a million that agree are one in ten million.
        self._rejected: set[int] = set()
        # Most labels of a series are those of others, too: shared, they take a third of the memory.
        self._labels: dict[tuple[str, str], tuple[str, str]] = {}

    @property
    def accepts(self) -> Accepts:
        """What tells which series are watched here."""
        return self._accepts

    def __len__(self) -> int:
        return len(self._known)

    def find(self, text: bytes) -> Labels | None:
        """Return the labels that `text`, a JSON object, stands for; None if they are not accepted.

        Raises:
            RefusedError: it is no JSON object of strings.
        """
        known = self._known.get(text)
        if known is not None:
            return known
        if hash(text) in self._rejected:
            return None
        labels = _parsed(text)
        if self._accepts(labels):
            return tuple([self._labels.setdefault(label, label) for label in labels])
        if len(self._rejected) >= MOST_REJECTED:
            self._rejected.clear()
        self._rejected.add(hash(text))
        return None

    def keep(self, seen: Iterable[tuple[bytes, Labels]]) -> None:
        """Know these from now on, and no others."""
        self._known = dict(seen)
        if len(self._labels) > MOST_LABELS * (len(self._known) + 1):
            self._labels.clear()


def _parsed(text: bytes) -> Labels:
    try:
        return labels_of(orjson.loads(text))
    except (orjson.JSONDecodeError, AttributeError):
        # VictoriaMetrics passes on what is not UTF-8; what is readable of it still names the series.
        pass
    try:
        return labels_of(orjson.loads(text.decode("utf-8", "replace")))
    except (orjson.JSONDecodeError, AttributeError) as error:
        raise RefusedError("the labels of a series are not a JSON object") from error
