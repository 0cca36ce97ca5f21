"""Into how many points a long range is cut: neither side should hold too much at a time."""

VALUES = 2_500_000
"""Values in one answer: Prometheus holds all of them, at 16 bytes and as text, before it sends the first."""
GROWTH = 4
LEAST = 16


class PieceSize:
    """Points in the next piece of a range, by what the last ones came to.

    Args:
        series: how many are expected.
        most: points that the server allows.
        per_point: values that a point of a series costs.
    """

    def __init__(self, series: int, most: int, per_point: float = 1.0) -> None:
        self._most = most
        self._per_point = per_point
        self.points = self._fitting(series)

    def came(self, series: int) -> None:
        """The last piece had `series`."""
        self.points = min(self._fitting(series), self.points * GROWTH)

    def too_much(self, points: int) -> bool:
        """A piece of `points` took too long or was too large: return whether a smaller one is worth a try."""
        if points <= LEAST:
            return False
        self._most = self.points = max(points // GROWTH, LEAST)
        return True

    def _fitting(self, series: int) -> int:
        return max(1, min(self._most, int(VALUES / self._per_point / max(series, 1))))
