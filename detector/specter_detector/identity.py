"""Know the labels of a series by the bytes that the server writes them with."""

from collections.abc import Iterable

import orjson

from specter_detector.datasource import RefusedError
from specter_detector.series import Labels, labels_of


class Identities:
    """Labels by their JSON, so that a series that stays costs no parsing and is the same object each time.

    Not larger than the last `keep`, and what has been looked up since.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, Labels] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, text: bytes) -> Labels:
        """Return the labels that `text`, a JSON object, stands for.

        Raises:
            RefusedError: it is no JSON object of strings.
        """
        return self._known.get(text) or _parsed(text)

    def keep(self, seen: Iterable[tuple[bytes, Labels]]) -> None:
        """Know these from now on, and no others."""
        self._known = dict(seen)


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
