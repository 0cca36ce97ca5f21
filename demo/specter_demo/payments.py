"""The third party that takes the money: a small service with a human provider's latency.

It is someone else's service, so it has no metrics; the shop measures it from outside.
"""

import hmac
import math
import random
import secrets
import threading
import time
from collections.abc import Callable

import flask

from specter_demo.provider import FINE, Trouble

MEDIAN_SECONDS = 0.025
SIGMA = 0.3
SLOWEST_SECONDS = 5.0
# Longer than the shop waits.
UNANSWERED_SECONDS = 4.0
TOKEN_SECONDS = 90 * 86_400.0
"""How long a token lives that the provider issues at its start."""
DECLINES = ("card_declined", "card_declined", "card_declined", "insufficient_funds", "expired_card")


def create_payments(
    source: random.Random,
    sleep: Callable[[float], None] = time.sleep,
    *,
    median: float = MEDIAN_SECONDS,
    trouble: Callable[[], Trouble] = lambda: FINE,
    token: str | None = None,
    token_expires_at: float = 0.0,
) -> flask.Flask:
    """Return the service; each charge takes a lognormal time around `median` seconds.

    Args:
        source: of chance.
        sleep: waits for so many seconds.
        median: of a charge, seconds.
        trouble: asked at each charge what is wrong: some are declined, some are not answered in time.
        token: opens `/account`, a call that changes nothing; without one everybody is refused.
        token_expires_at: Unix time at which the token ends, as `/account` tells it.
    """
    app = flask.Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
    lock = threading.Lock()

    @app.post("/charges")
    def charge() -> flask.typing.ResponseReturnValue:
        body = flask.request.get_json(silent=True)
        amount = body.get("amount_cents") if isinstance(body, dict) else None
        if not isinstance(amount, int) or amount <= 0:
            return flask.jsonify(error="amount_cents: expected a positive integer"), 400
        wrong = trouble()
        with lock:
            seconds = source.lognormvariate(math.log(median), SIGMA)
            chance, reason = source.random(), source.choice(DECLINES)
        if chance < wrong.unanswered:
            sleep(UNANSWERED_SECONDS)
            return flask.jsonify(error="too busy"), 503
        sleep(min(seconds, SLOWEST_SECONDS))
        if chance < wrong.unanswered + wrong.declined:
            return flask.jsonify(error=reason), 402
        return flask.jsonify(reference=f"ch_{secrets.token_hex(8)}", amount_cents=amount), 201

    @app.get("/account")
    def account() -> flask.typing.ResponseReturnValue:
        given = flask.request.headers.get("Authorization", "").encode()
        if token is None or not hmac.compare_digest(given, f"Bearer {token}".encode()):
            return flask.jsonify(error="no such token"), 401
        return flask.jsonify(name="Specter's shop", token_expires_at=token_expires_at)

    @app.get("/healthz")
    def healthz() -> flask.typing.ResponseReturnValue:
        return flask.jsonify(status="ok")

    return app
