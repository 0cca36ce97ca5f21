"""The third party that takes the money: a small service with a human provider's latency.

It is someone else's service, so it has no metrics; the shop measures it from outside.
"""

import math
import random
import secrets
import threading
import time
from collections.abc import Callable

import flask

MEDIAN_SECONDS = 0.025
SIGMA = 0.3
SLOWEST_SECONDS = 5.0


def create_payments(
    source: random.Random, sleep: Callable[[float], None] = time.sleep, *, median: float = MEDIAN_SECONDS
) -> flask.Flask:
    """Return the service; each charge takes a lognormal time around `median` seconds."""
    app = flask.Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
    lock = threading.Lock()

    @app.post("/charges")
    def charge() -> flask.typing.ResponseReturnValue:
        body = flask.request.get_json(silent=True)
        amount = body.get("amount_cents") if isinstance(body, dict) else None
        if not isinstance(amount, int) or amount <= 0:
            return flask.jsonify(error="amount_cents: expected a positive integer"), 400
        with lock:
            seconds = source.lognormvariate(math.log(median), SIGMA)
        sleep(min(seconds, SLOWEST_SECONDS))
        return flask.jsonify(reference=f"ch_{secrets.token_hex(8)}", amount_cents=amount), 201

    @app.get("/healthz")
    def healthz() -> flask.typing.ResponseReturnValue:
        return flask.jsonify(status="ok")

    return app
