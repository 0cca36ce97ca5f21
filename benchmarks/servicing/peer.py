"""A tick as one would write it down: prometheus-api-client reads, the protobuf library encodes; no scores."""

from collections.abc import Sequence

import cramjam
import requests
from prometheus_api_client import PrometheusConnect

from benchmarks.servicing.series import METRIC
from specter_core.metrics import ANOMALY_SCORE, YHAT, YHAT_LOWER, YHAT_UPPER
from specter_detector.remote_write import HEADERS, PATH
from tests.detector.write_request import write_request

PEER = "prometheus-api-client and protobuf, without scoring"
NAMES = (ANOMALY_SCORE, YHAT, YHAT_LOWER, YHAT_UPPER)
ADDED = {"for": "q", "model_alias": "default", "scheduler_alias": "default"}
SAMPLES = 5_000  # a request
SECONDS = 60.0


class Peer:
    """Reads the same and writes as much.

    Args:
        url: of the server.
        outputs: samples written for each one that is read.
    """

    def __init__(self, url: str, outputs: Sequence[str] = NAMES) -> None:
        self._url = url
        self._outputs = outputs
        self._session = requests.Session()
        self._session.trust_env = False
        self._client = PrometheusConnect(url=url, session=self._session)

    def tick(self, at: float) -> int:
        """Read at Unix time `at` (s) and write back; return the number of samples that were written."""
        rows = self._client.custom_query(METRIC, params={"time": str(at)})
        written = 0
        message, held = write_request()(), 0
        for row in rows:
            value = float(row["value"][1])
            for output in self._outputs:
                one = message.timeseries.add()
                for name, text in sorted({**row["metric"], **ADDED, "__name__": output}.items()):
                    one.labels.add(name=name, value=text)
                one.samples.add(value=value, timestamp=round(at * 1000))
                held += 1
            if held >= SAMPLES:
                written += self._send(message, held)
                message, held = write_request()(), 0
        return written + self._send(message, held)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _send(self, message: object, samples: int) -> int:
        if samples:
            body = bytes(cramjam.snappy.compress_raw(message.SerializeToString()))  # type: ignore[attr-defined]
            answer = self._session.post(self._url + PATH, data=body, headers=HEADERS, timeout=SECONDS)
            answer.raise_for_status()
        return samples
