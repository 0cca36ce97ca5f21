"""Registering, logging in, and checking in once a day."""

import hmac
import secrets

import flask

from specter_demo.shop import goods
from specter_demo.shop.database import Pool
from specter_demo.shop.events import Told

FIND = "select customer_id, password_salt, password_hash from customers where email = %s"
# A registration gets a number above those of the seed, with which the traffic logs in.
REGISTER = """
insert into customers (customer_id, email, password_salt, password_hash)
select nextval('new_customers'), %s, %s, %s
on conflict (email) do nothing returning customer_id
"""
CHECK_IN = """
insert into checkins (customer_id, day, mood)
select customer_id, current_date, %s from customers where email = %s
on conflict (customer_id, day) do update set mood = excluded.mood returning customer_id
"""
LONGEST = 200
MOODS = range(1, 6)


def account(pool: Pool, told: Told) -> flask.Blueprint:
    """Return the routes of customers' accounts; `told` hears of sign-ins, registrations and check-ins."""
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
        told.sign_ins.attempt(flask.request, email, "success" if matches else "failed")
        if not matches:
            return flask.jsonify(error="wrong email or password"), 401
        return flask.jsonify(customer_id=customer_id)

    @routes.post("/register")
    def register() -> flask.typing.ResponseReturnValue:
        email, password = credentials(flask.request.get_json(silent=True))
        if "@" not in email or not password:
            told.business.event("registration", outcome="failed", reason="invalid_input")
            return flask.jsonify(error="expected a JSON object with email and password"), 400
        salt = secrets.token_bytes(16)
        with pool.connection() as connection:
            row = connection.execute(REGISTER, (email, salt, goods.hash_password(password, salt))).fetchone()
        if row is None:
            told.business.event("registration", outcome="failed", reason="email_taken")
            return flask.jsonify(error="this address has an account already"), 409
        told.business.event("registration", user=email)
        return flask.jsonify(customer_id=row[0]), 201

    @routes.post("/checkin")
    def check_in() -> flask.typing.ResponseReturnValue:
        body = flask.request.get_json(silent=True)
        email, mood = (body.get("email"), body.get("mood")) if isinstance(body, dict) else (None, None)
        if not isinstance(email, str) or len(email) > LONGEST or "\0" in email or mood not in MOODS:
            told.business.event("daily_checkin", outcome="failed", reason="not_saved")
            return flask.jsonify(error="expected a JSON object with email, and mood from 1 to 5"), 400
        with pool.connection() as connection:
            row = connection.execute(CHECK_IN, (mood, email)).fetchone()
        if row is None:
            told.business.event("daily_checkin", outcome="failed", reason="not_saved")
            return flask.jsonify(error="no such customer"), 404
        told.business.event("daily_checkin", user=email)
        return flask.jsonify(customer_id=row[0])

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
