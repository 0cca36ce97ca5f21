"""Ask Prometheus what the screen shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from specter_core.errors import SpecterError

# A look at the present is asked again in a second; a look back over weeks may take a while on a busy machine.
QUERY_SECONDS = 5.0
RANGE_SECONDS = 20.0


class PrometheusError(SpecterError):
    """Prometheus cannot be reached or refuses the query; the message says which."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series' value in an instant query."""

    labels: Mapping[str, str]
    value: float


class PrometheusClient:
    """Queries against one server; every method may raise PrometheusError."""

    def __init__(self, url: str, session: requests.Session | None = None) -> None:
        self._url = url.rstrip("/")
        if session is None:
            session = requests.Session()
            session.trust_env = False  # a proxy does not reach this machine's loopback address
        self._session = session

    def query(self, expression: str) -> list[Sample]:
        """Return the current value of each series of `expression`."""
        result = self._get("query", {"query": expression}, QUERY_SECONDS)
        return [Sample(one["metric"], float(one["value"][1])) for one in result]

    def range(self, expression: str, start: float, end: float, step: float) -> list[tuple[float, float]]:
        """Return (time, value) of the first series of `expression` on the grid from `start` to `end`."""
        parameters = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:g}"}
        return _points(self._get("query_range", parameters, RANGE_SECONDS))

    def samples(self, selector: str, at: float, seconds: float) -> list[tuple[float, float]]:
        """Return (time, value) of the first series' own samples in the `seconds` before `at`."""
        parameters = {"query": f"{selector}[{seconds:.0f}s]", "time": f"{at:.3f}"}
        return _points(self._get("query", parameters, RANGE_SECONDS))

    def _get(self, path: str, parameters: Mapping[str, str], timeout: float) -> list[dict[str, Any]]:
        url = f"{self._url}/api/v1/{path}"
        try:
            answer = self._session.get(url, params=dict(parameters), timeout=timeout)
            body = answer.json()
        except requests.JSONDecodeError as error:
            raise PrometheusError(f"{url} answers HTTP {answer.status_code} without JSON") from error
        except requests.RequestException as error:
            raise PrometheusError(f"Prometheus at {url} does not answer: {type(error).__name__}") from error
        if not isinstance(body, dict) or body.get("status") != "success":
            reason = body.get("error") if isinstance(body, dict) else body
            raise PrometheusError(f"Prometheus refuses {parameters['query']!r}: {reason}")
        result: list[dict[str, Any]] = body["data"]["result"]
        return result


def _points(result: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(float(at), float(value)) for at, value in result[0]["values"]] if result else []
