"""No secret is shown, and what is none stays readable."""

import time

import pytest

from specter_exporters.logs.secrets import mask_secrets

SECRETS = {
    "password=hunter2hunter2": "hunter2",
    'login {"password": "correct horse"}': "correct",
    "PGPASSWORD='s3cr3t thing' psql": "s3cr3t",
    "db_password => abcdefg": "abcdefg",
    "Authorization: Bearer abcdef123456": "abcdef123456",
    "sent header Bearer abcdef.ghijkl": "abcdef.ghijkl",
    "x-api-key: k123": "k123",
    "cookie: sid=abc; theme=dark": "abc",
    "GET /reset?token=t0k3n&x=1": "t0k3n",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl": "eyJ",
    "postgres://app:p@ss/word@db:5432/shop": "p@ss",
    "redis://:hunter2@cache": "hunter2",
    "mysql://root:hun@ter2@db/shop": "ter2",
    r'body "{\"user\": 1, \"password\": \"hunter2\"}"': "hunter2",
    "run --db-password hunter2 --verbose": "hunter2",
    "GET /in?next=%2F%3Ftoken%3Dhunter2": "hunter2",
    "pass=hunter2": "hunter2",
    "secret_key_base: hunter2": "hunter2",
    "stripe sk_live_4eC39HqLyjWDarjtT1zdp7dc": "sk_live",
    "aws AKIAIOSFODNN7EXAMPLE": "AKIA",
    "git ghp_abcdefghijklmnopqrstuvwxyz0123456789": "ghp_",
    "card 4242 4242 4242 4242 declined": "4242",
    "card 5555-5555-5555-4444": "5555",
    "amex 378282246310005": "3782",
    "mail to jane.doe+x@example.co.uk failed": "jane",
    "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----": "MIIE",
    "key 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08": "9f86",
}


@pytest.mark.parametrize(("text", "secret"), SECRETS.items())
def test_a_secret_is_masked(text: str, secret: str) -> None:
    masked = mask_secrets(text)
    assert secret not in masked
    assert "…" in masked


@pytest.mark.parametrize(
    "text",
    [
        "connection to db-1 timed out after 5000 ms",
        "order 1234567890123 is not a card",
        "File /srv/app/current/lib/python3.11/site-packages/shop/payments/charge.py, line 3",
        "request 550e8400-e29b-41d4-a716-446655440000 failed",
        "https://shop.example.com/cart?step=2",
        "at 2026-09-21T14:13:20.123456+00:00",
        "author of the session was here",
        "bypass=1 compass: 2",
    ],
)
def test_what_is_no_secret_is_readable(text: str) -> None:
    assert mask_secrets(text) == text


def test_addresses_are_masked_when_asked() -> None:
    text = "from 203.0.113.9 and 2001:db8::1 at 14:13:20"
    assert mask_secrets(text) == text
    masked = mask_secrets(text, addresses=True)
    assert "203.0" not in masked
    assert "2001:" not in masked


@pytest.mark.parametrize(
    "piece",
    ["a", "1", "a1", "password=", "://", "@", "1 ", "a-", "/1", "eyJ", "1.", "x@y.", '\\"', "--token "],
)
def test_masking_takes_linear_time(piece: str) -> None:
    started = time.process_time()
    for _ in range(20):
        mask_secrets((piece * 1000)[:1000])
    assert (time.process_time() - started) / 20 < 0.1
