"""Business events in a Python service: what is counted, and what is refused without breaking a request."""

import logging
import threading
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from specter_exporters.business import Business, EventRefusedError
from tests.exporters.business_setup import ToldClock, catalogue, events, rejected, value


@pytest.fixture
def business() -> Business:
    return Business(catalogue(), clock=ToldClock())


@pytest.fixture
def strict() -> Business:
    return Business(catalogue(), strict=True, clock=ToldClock())


def test_an_event_is_counted_by_name_outcome_and_reason(business: Business) -> None:
    business.event("order", outcome="failed", reason="card_declined", amount=12.5, currency="EUR")
    business.event("order", outcome="failed", reason="card_declined")
    business.event("order", outcome="pending")
    business.event("visit")
    registry = business.registry
    assert events(registry, "order", "failed", "card_declined") == 2
    assert events(registry, "order", "pending") == 1
    assert events(registry, "visit") == 1
    assert rejected(registry) == {}


def test_every_expected_series_begins_at_zero(business: Business) -> None:
    registry = business.registry
    for outcome, reason in [("success", ""), ("failed", ""), ("pending", ""), ("failed", "card_declined")]:
        assert events(registry, "order", outcome, reason) == 0
    assert value(registry, "funnel_steps_total", funnel="buying", position="02", event="order") == 0
    assert value(registry, "feature_uses_total", feature="chat") == 0
    assert value(registry, "rejected_total", reason="unknown_event") == 0
    assert value(registry, "active_users", period="day") == 0


def test_a_reason_that_is_not_listed_is_other_and_counted_as_such(business: Business) -> None:
    business.event("order", outcome="failed", reason="do_not_honor")
    business.event("order", outcome="failed", reason="other")
    assert events(business.registry, "order", "failed", "other") == 2
    assert value(business.registry, "reason_overflow_total", event="order") == 1


def test_quantities_fall_into_the_buckets_of_the_catalogue(business: Business) -> None:
    for amount in (10.0, 10.5, 250, Decimal("99.5")):
        business.event("order", amount=amount, currency="USD")
    business.event("coaching", seconds=2, tokens=812)
    business.event("goods", count=3)
    registry = business.registry
    labels = {"event": "order", "outcome": "success", "currency": "USD"}
    found = {le: value(registry, "amount_bucket", le=le, **labels) for le in ("10.0", "100.0", "+Inf")}
    assert found == {"10.0": 1, "100.0": 3, "+Inf": 4}
    assert value(registry, "amount_sum", **labels) == 370.0
    assert value(registry, "amount_count", **labels) == 4
    done = {"event": "coaching", "outcome": "success"}
    assert value(registry, "duration_seconds_bucket", le="1.0", **done) == 0
    assert value(registry, "duration_seconds_bucket", le="5.0", **done) == 1
    assert value(registry, "tokens_sum", **done) == 812
    assert value(registry, "items_bucket", le="10.0", event="goods", outcome="success") == 1


def test_the_only_currency_need_not_be_said(business: Business) -> None:
    business.event("donation", amount=5)
    assert value(business.registry, "amount_sum", event="donation", outcome="success", currency="EUR") == 5


def test_funnels_and_features_count_what_succeeds(business: Business) -> None:
    business.event("visit")
    business.event("order", outcome="failed")
    business.event("order")
    business.event("feature_use", feature="chat", user="u1")
    business.event("feature_use", feature="chat", user="u1")
    business.event("feature_use", feature="chat", user="u2", outcome="failed")
    registry = business.registry
    assert value(registry, "funnel_steps_total", funnel="buying", position="01", event="visit") == 1
    assert value(registry, "funnel_steps_total", funnel="buying", position="02", event="order") == 1
    assert value(registry, "feature_uses_total", feature="chat") == 2
    assert value(registry, "feature_users", feature="chat", period="week") == 1
    assert value(registry, "feature_users", feature="search", period="week") == 0


def test_objectives_are_exposed_so_that_one_rule_serves_every_catalogue(business: Business) -> None:
    assert value(business.registry, "objective_success_ratio", event="order") == 0.98
    assert value(business.registry, "objective_events_per_second", event="order") == 0.01
    assert value(business.registry, "objective_success_ratio", event="visit") is None


REFUSED = [
    ("unknown_event", "oder", {}),
    ("unknown_outcome", "order", {"outcome": "lost"}),
    ("unknown_outcome", "order", {"outcome": ["failed"]}),
    ("unknown_currency", "order", {"amount": 1, "currency": "GBP"}),
    ("missing_field", "order", {"amount": 1}),
    ("missing_field", "feature_use", {}),
    ("unknown_feature", "feature_use", {"feature": "teleport"}),
    ("unknown_field", "visit", {"feature": "search"}),
    ("unknown_field", "visit", {"amount": 1}),
    ("unknown_field", "visit", {"currency": "EUR"}),
    ("unknown_field", "visit", {"colour": "red"}),
    ("invalid_value", "order", {"reason": "card_declined"}),
    ("invalid_value", "order", {"outcome": "failed", "reason": "x" * 300}),
    ("invalid_value", "order", {"amount": "12", "currency": "EUR"}),
    ("invalid_value", "order", {"amount": True, "currency": "EUR"}),
    ("invalid_value", "order", {"amount": -1, "currency": "EUR"}),
    ("invalid_value", "order", {"amount": float("nan"), "currency": "EUR"}),
    ("invalid_value", "order", {"amount": Decimal("sNaN"), "currency": "EUR"}),
    ("invalid_value", "order", {"amount": 10**400, "currency": "EUR"}),
    ("invalid_value", "visit", {"user": ""}),
    ("invalid_value", "visit", {"user": 1.5}),
    ("invalid_value", "visit", {"session": "x" * 257}),
]


@pytest.mark.parametrize(("reason", "name", "details"), REFUSED)
def test_what_the_catalogue_does_not_allow_is_counted_and_never_raises(
    business: Business, strict: Business, reason: str, name: str, details: dict[str, object]
) -> None:
    business.event(name, **details)  # type: ignore[arg-type]
    assert rejected(business.registry) == {reason: 1}
    assert sum(sample.value for family in business.collect() for sample in family.samples
               if sample.name == "specter_business_events_total") == 0  # fmt: skip
    with pytest.raises(EventRefusedError) as caught:
        strict.event(name, **details)  # type: ignore[arg-type]
    assert caught.value.reason == reason
    assert rejected(strict.registry) == {reason: 1}


def test_strict_says_what_there_is_to_choose_from(strict: Business) -> None:
    with pytest.raises(EventRefusedError, match="'lost' is no outcome of order; there are success, failed"):
        strict.event("order", outcome="lost")
    with pytest.raises(EventRefusedError, match="is not in the catalogue; there are card_declined"):
        strict.event("order", outcome="failed", reason="do_not_honor")


def test_the_same_mistake_is_logged_once_and_all_mistakes_a_hundred_times(
    business: Business, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for _ in range(50):
            business.event("oder\n2026-01-01 ERROR forged")
        assert len(caplog.records) == 1
        assert "\n" not in caplog.records[0].getMessage()
        for number in range(500):
            business.event(f"oder{number}")
    assert len(caplog.records) == 100
    assert rejected(business.registry) == {"unknown_event": 550}


def test_a_defect_loses_the_event_and_not_the_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ToldClock()
    business = Business(catalogue(), clock=clock)
    monkeypatch.setattr(clock, "time", lambda: "noon")
    business.event("visit", user="u1")
    monkeypatch.undo()
    assert rejected(business.registry) == {"defect": 1}
    assert "lost by a defect" in caplog.text


def test_users_are_never_shown_or_kept_in_the_clear(business: Business) -> None:
    business.event("visit", user="ada@example.org", session="s-4711")
    text = generate_latest(business.registry)
    assert b"ada" not in text
    assert b"s-4711" not in text
    assert "ada" not in repr(vars(business._sessions)) + repr(vars(business._users.periods["day"]))  # type: ignore[index]


def test_another_catalogue_cannot_be_registered_twice() -> None:
    registry = CollectorRegistry()
    Business(catalogue(), registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Business(catalogue(), registry)


def test_threads_lose_no_event(business: Business) -> None:
    def work(number: int) -> None:
        for each in range(1000):
            business.event("order", amount=1, currency="EUR", user=number * 1000 + each)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events(business.registry, "order") == 4000
    assert value(business.registry, "amount_sum", event="order", outcome="success", currency="EUR") == 4000
    assert value(business.registry, "active_users", period="day") == 4000
