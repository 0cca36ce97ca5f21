"""Ask Prometheus what the screen shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from specter_core.errors import SpecterError

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' value in an instant query."""

    labels: Mapping[str, str]
    value: float


class PrometheusClient:
    """Queries against one server.

    Every method raises SpecterError when Prometheus cannot be reached or
    refuses the query.
    """

    def __init__(self, url: str, session: requests.Session | None = None) -> None:
        self._url = url.rstrip("/")
        self._session = session or requests.Session()

    def query(self, expression: str) -> list[Sample]:
        """Return the current value of each series of `expression`."""
        result = self._get("query", {"query": expression})
        return [Sample(one["metric"], float(one["value"][1])) for one in result]

    def range(self, expression: str, start: float, end: float, step: float) -> list[tuple[float, float]]:
        """Return (time, value) of the first series of `expression` on the grid from `start` to `end`."""
        parameters = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return _points(self._get("query_range", parameters))

    def samples(self, selector: str, at: float, seconds: float) -> list[tuple[float, float]]:
        """Return (time, value) of the first series' own samples in the `seconds` before `at`."""
        parameters = {"query": f"{selector}[{seconds:.0f}s]", "time": f"{at:.3f}"}
        return _points(self._get("query", parameters))

    def _get(self, path: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        url = f"{self._url}/api/v1/{path}"
        try:
            body = self._session.get(url, params=dict(parameters), timeout=TIMEOUT_SECONDS).json()
        except (requests.RequestException, ValueError) as error:
            raise SpecterError(f"Prometheus at {url} does not answer: {error}") from error
        if body.get("status") != "success":
            raise SpecterError(f"Prometheus refuses {parameters['query']!r}: {body.get('error')}")
        result: list[dict[str, Any]] = body["data"]["result"]
        return result


def _points(result: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(float(at), float(value)) for at, value in result[0]["values"]] if result else []
