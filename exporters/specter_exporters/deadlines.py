"""How long a scrape may take: less than the scraper says that it waits."""

HEADER = "HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS"
"""Prometheus' header, as WSGI names it."""
OWN_TIMEOUT = 9.5
"""Seconds to answer in when nobody says how long he waits: Prometheus' default is ten."""
MARGIN = 0.5


def answer_within(header: str) -> float:
    """Return the seconds for an answer: less than the scraper says that it waits, and not more than ours."""
    try:
        waits = float(header)
    except ValueError:
        return OWN_TIMEOUT
    return min(OWN_TIMEOUT, waits - MARGIN) if waits > MARGIN else OWN_TIMEOUT
