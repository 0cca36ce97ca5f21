"""Give a Prometheus the present values of many series, fast."""

from collections.abc import Sequence

import requests

from specter_detector.encoding import RecordTable, bits_of
from specter_detector.models.arrays import Floats
from specter_detector.packing import DEFAULT_LIMITS, pack
from specter_detector.protobuf import encode_label
from specter_detector.remote_write import RemoteWriteClient
from specter_detector.series import Labels

SECONDS = 60.0


class Feed:
    """Writes one sample of each series at a time.

    Args:
        url: of the server.
        series: each once.
    """

    def __init__(self, url: str, series: Sequence[Labels]) -> None:
        session = requests.Session()
        session.trust_env = False
        self._client = RemoteWriteClient(url, session)
        self._table = RecordTable()
        encoded = [b"".join([encode_label(*label) for label in labels]) for labels in series]
        self._rows = self._table.add(encoded)

    def write(self, at: float, values: Floats) -> None:
        """Write (series,) `values` at Unix time `at` (s).

        Raises:
            RuntimeError: the server does not take them.
        """
        block = self._table.block(self._rows, bits_of(values), round(at * 1000))
        for request in pack([block], DEFAULT_LIMITS):
            outcome = self._client.send(request.body, SECONDS)
            if outcome.kind != "ok":
                raise RuntimeError(f"the server did not take what it should be asked for: {outcome.message}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
