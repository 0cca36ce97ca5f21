"""How long a scrape may take: less than the scraper says that it waits."""

from typing import TYPE_CHECKING

from specter_core.clock import Clock

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

HEADER = "HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS"
"""Prometheus' header, as WSGI names it."""
OWN_TIMEOUT = 9.5
"""Seconds to answer in when nobody says how long he waits: Prometheus' default is ten."""
MARGIN = 0.5


def answer_by(environ: "WSGIEnvironment", clock: Clock) -> float:
    """Return when a request must be answered, monotonic seconds."""
    return clock.monotonic() + answer_within(environ.get(HEADER, ""))


def answer_within(header: str) -> float:
    """Return the seconds for an answer: less than the scraper says that it waits, and not more than ours."""
    try:
        waits = float(header)
    except ValueError:
        return OWN_TIMEOUT
    return min(OWN_TIMEOUT, waits - MARGIN) if waits > MARGIN else OWN_TIMEOUT
