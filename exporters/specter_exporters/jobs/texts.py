"""Answers in plain words, as healthchecks.io and the Pushgateway give them."""

from specter_exporters.answers import Answer

TEXT = "text/plain; charset=utf-8"


def text(status: int, said: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer."""
    return Answer(status, said.encode(), TEXT, headers)
