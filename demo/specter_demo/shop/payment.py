"""Calling the third-party payment service over HTTP, measured."""

import threading

import requests

from specter_demo.shop.trace import traceparent
from specter_exporters.app import Outgoing
from specter_exporters.app.outgoing_requests import measure_requests

TIMEOUT = 2.0
DECLINED = 402
PROVIDER_ERROR = "provider_error"


class PaymentError(Exception):
    """The payment service did not confirm the charge.

    Attributes:
        reason: a sentence that is safe to show.
        kind: the reason as the catalogue of business events calls it.
        declined: whether the provider answered, and said no.
    """

    def __init__(self, reason: str, kind: str = PROVIDER_ERROR, *, declined: bool = False) -> None:
        self.reason = reason
        self.kind = kind
        self.declined = declined
        super().__init__(reason)


class PaymentClient:
    """Charges amounts at `base_url`; every call is measured by `outgoing`, also one that fails."""

    def __init__(self, base_url: str, outgoing: Outgoing, *, timeout: float = TIMEOUT) -> None:
        self._url = base_url.rstrip("/") + "/charges"
        self._outgoing = outgoing
        self._timeout = timeout
        self._local = threading.local()

    def charge(self, order_id: int, amount_cents: int, trace: str) -> str:
        """Charge `amount_cents` for an order and return the provider's reference.

        Raises:
            PaymentError: no answer in time, or an answer other than 2xx with a reference.
        """
        try:
            answer = self._session().post(
                self._url,
                json={"order_id": order_id, "amount_cents": amount_cents},
                headers={"traceparent": traceparent(trace)},
                timeout=self._timeout,
            )
        except requests.Timeout as failure:
            raise PaymentError("the payment service did not answer in time", "timeout") from failure
        except requests.RequestException as failure:
            raise PaymentError("the payment service cannot be reached") from failure
        return _reference(answer)

    def _session(self) -> requests.Session:
        """One session a thread: they are not safe to share, and keep the connection open."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            # No proxy and no ~/.netrc between the shop and its provider.
            session.trust_env = False
            measure_requests(session, self._outgoing)
        return session


def _reference(answer: requests.Response) -> str:
    if answer.status_code == DECLINED:
        kind = _kind(answer)
        raise PaymentError(f"the payment was declined: {kind.replace('_', ' ')}", kind, declined=True)
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


def _kind(answer: requests.Response) -> str:
    """Return why the provider declined, in its words; the exporter counts those that it does not know."""
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return "card_declined"
    kind = body.get("error") if isinstance(body, dict) else None
    return kind if isinstance(kind, str) else "card_declined"
