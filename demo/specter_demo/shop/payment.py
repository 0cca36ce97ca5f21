"""Calling the third-party payment service over HTTP, measured."""

import threading
import time
from urllib.parse import urlsplit

import requests
from prometheus_client import CollectorRegistry, Histogram

from specter_core.metrics import HTTP_CLIENT_REQUEST_DURATION
from specter_demo.shop.trace import traceparent

TIMEOUT = 2.0


class PaymentError(Exception):
    """The payment service did not confirm the charge; `reason` is safe to show."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class PaymentClient:
    """Charges amounts at `base_url`; every call is observed in `registry`, also one that fails."""

    def __init__(self, base_url: str, registry: CollectorRegistry, *, timeout: float = TIMEOUT) -> None:
        self._url = base_url.rstrip("/") + "/charges"
        self._address = urlsplit(base_url).hostname or ""
        self._timeout = timeout
        self._local = threading.local()
        metric = HTTP_CLIENT_REQUEST_DURATION
        self._duration = Histogram(
            metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
        )

    def charge(self, order_id: int, amount_cents: int, trace: str) -> str:
        """Charge `amount_cents` for an order and return the provider's reference.

        Raises:
            PaymentError: no answer in time, or an answer other than 2xx with a reference.
        """
        started = time.perf_counter()
        status, error = "", ""
        try:
            answer = self._session().post(
                self._url,
                json={"order_id": order_id, "amount_cents": amount_cents},
                headers={"traceparent": traceparent(trace)},
                timeout=self._timeout,
            )
            status = str(answer.status_code)
            error = "" if answer.ok else status
        except requests.Timeout as failure:
            error = "timeout"
            raise PaymentError("the payment service did not answer in time") from failure
        except requests.RequestException as failure:
            error = type(failure).__name__
            raise PaymentError("the payment service cannot be reached") from failure
        finally:
            self._duration.labels("POST", self._address, status, error).observe(time.perf_counter() - started)
        return _reference(answer)

    def _session(self) -> requests.Session:
        """One session a thread: they are not safe to share, and keep the connection open."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            # No proxy and no ~/.netrc between the shop and its provider.
            session.trust_env = False
        return session


def _reference(answer: requests.Response) -> str:
    if not answer.ok:
        raise PaymentError(f"the payment service answered {answer.status_code}")
    try:
        body = answer.json()
    except requests.JSONDecodeError as failure:
        raise PaymentError("the payment service did not answer in JSON") from failure
    reference = body.get("reference") if isinstance(body, dict) else None
    if not isinstance(reference, str):
        raise PaymentError("the payment service gave no reference")
    return reference
