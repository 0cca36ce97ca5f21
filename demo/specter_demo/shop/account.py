"""Logging in."""

import hmac

import flask

from specter_demo.shop import goods
from specter_demo.shop.database import Pool

FIND = "select customer_id, password_salt, password_hash from customers where email = %s"
LONGEST = 200


def account(pool: Pool) -> flask.Blueprint:
    """Return the route that checks a customer's password."""
    routes = flask.Blueprint("account", __name__)

    @routes.post("/login")
    def login() -> flask.typing.ResponseReturnValue:
        body = flask.request.get_json(silent=True)
        email, password = credentials(body)
        if not email or not password:
            return flask.jsonify(error="expected a JSON object with email and password"), 400
        with pool.connection() as connection:
            row = connection.execute(FIND, (email,)).fetchone()
        # An address that nobody has costs the same as a wrong password, so time does not tell them apart.
        customer_id, salt, expected = row or (None, b"\0" * 16, b"")
        matches = hmac.compare_digest(goods.hash_password(password, bytes(salt)), bytes(expected))
        if not matches:
            return flask.jsonify(error="wrong email or password"), 401
        return flask.jsonify(customer_id=customer_id)

    return routes


def credentials(body: object) -> tuple[str, str]:
    """Return (email, password) of a login's JSON body; empty strings for what is missing or no text."""
    if not isinstance(body, dict):
        return "", ""
    email, password = body.get("email"), body.get("password")
    if not isinstance(email, str) or not isinstance(password, str):
        return "", ""
    if max(len(email), len(password)) > LONGEST or "\0" in email:
        return "", ""
    return email, password
