"""What the tests of business events share: a small catalogue, and a clock that is told the time."""

from datetime import datetime
from zoneinfo import ZoneInfo

from prometheus_client import CollectorRegistry

from specter_core.catalogue import Catalogue, parse_catalogue

CATALOGUE = """\
time_zone: Europe/Vienna
features: [search, chat]
funnels: {buying: [visit, order]}
retention: {event: signup, days: [1, 7]}
events:
  signup: {reasons: [email_taken]}
  visit: {outcomes: [success]}
  feature_use: {feature: true}
  coaching: {units: {seconds: {buckets: [1, 5]}, tokens: {buckets: [100, 1000]}}}
  goods: {outcomes: [success], units: {count: {buckets: [1, 10]}}}
  order:
    outcomes: [success, failed, pending]
    reasons: [card_declined]
    units: {money: {currencies: [EUR, USD], buckets: [10, 100]}}
    objective: {success_ratio: 0.98, min_per_hour: 36}
  donation: {units: {money: {currencies: [EUR]}}}
"""
ZONE = ZoneInfo("Europe/Vienna")
TOKEN = "a-token-of-the-shop-0123456789"
OTHER_TOKEN = "a-token-of-the-mailer-0123456789"


def catalogue() -> Catalogue:
    return parse_catalogue(CATALOGUE, file="test.yml")


class ToldClock:
    """A clock that moves when told to."""

    def __init__(self, day: str = "2026-03-02", hour: int = 12) -> None:
        self.now = 0.0
        self.steady = 1000.0
        self.set(day, hour)

    def set(self, day: str, hour: int = 12) -> None:
        """Be at an hour of a day in Vienna."""
        self.now = datetime.fromisoformat(day).replace(hour=hour, tzinfo=ZONE).timestamp()

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.steady += seconds

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.steady

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    """Return the value of one sample, None when there is no such series."""
    return registry.get_sample_value(f"specter_business_{name}", labels)


def events(
    registry: CollectorRegistry, event: str, outcome: str = "success", reason: str = ""
) -> float | None:
    """Return how many events were counted."""
    return value(registry, "events_total", event=event, outcome=outcome, reason=reason)


def rejected(registry: CollectorRegistry) -> dict[str, float]:
    """Return the reasons for which events were refused, with how many."""
    return {
        sample.labels["reason"]: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "specter_business_rejected_total" and sample.value
    }
