"""The catalogue of business events: what it may say, and what is said of mistakes in it."""

from pathlib import Path

import pytest

from specter_core.catalogue import Unit, load_catalogue, parse_catalogue, platform_catalogue
from specter_core.config import ConfigError

SMALL = """\
time_zone: Europe/Vienna
session_idle_minutes: 20
features: [search]
funnels: {buying: [visit, order]}
retention: {event: visit, days: [1, 7]}
events:
  visit:
  search_use: {feature: true}
  order:
    outcomes: [success, failed, pending]
    reasons: [card_declined]
    units:
      money: {currencies: [EUR]}
      count: {buckets: [1, 2]}
    objective: {success_ratio: 0.98, min_per_hour: 10}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_catalogue(text, file="c.yml")
    return [str(problem) for problem in caught.value.problems]


def test_what_is_written_is_found_and_the_rest_has_defaults() -> None:
    catalogue = parse_catalogue(SMALL, file="c.yml")
    assert (catalogue.time_zone, catalogue.session_idle, catalogue.features) == (
        "Europe/Vienna",
        1200.0,
        ("search",),
    )
    assert list(catalogue.events) == ["visit", "search_use", "order"]
    assert catalogue.events["visit"].outcomes == ("success", "failed")
    order = catalogue.events["order"]
    assert order.series == (("success", ""), ("failed", ""), ("pending", ""), ("failed", "card_declined"))
    assert order.measures[Unit.COUNT].buckets == (1.0, 2.0)
    assert order.measures[Unit.MONEY].currencies == ("EUR",)
    assert len(order.measures[Unit.MONEY].buckets) == 9
    assert order.objective is not None
    assert (order.objective.success_ratio, order.objective.min_per_hour) == (0.98, 10.0)
    assert catalogue.funnels[0].steps == ("visit", "order")
    assert catalogue.retention is not None
    assert catalogue.retention.days == (1, 7)


def test_every_mistake_is_named_at_once_with_its_line() -> None:
    found = problems(
        "time_zone: Mars/Base\n"
        "events:\n"
        "  a:\n"
        "    outcomes: [done]\n"
        "  b: {reasons: [other], colour: red}\n"
        "  c: {units: {money: {}}}\n"
        "  D: {}\n"
        "funnels:\n"
        "  f: [a, nowhere]\n"
        "retention: {event: zzz}\n"
        "features: [x]\n"
    )
    starts = [
        "c.yml:1: time_zone: is not a time zone that is known here",
        "c.yml:3: events.a: outcomes must have success",
        "c.yml:5: events.b.colour: is not a known key",
        "c.yml:5: events.b.reasons: other is what reasons that are not listed become",
        "c.yml:6: events.c: units.money needs currencies",
        "c.yml:7: events.D",
        "c.yml:9: funnels.f[1]: nowhere is not an event of this catalogue; there are a, b, c, D",
        "c.yml:10: retention.event: zzz is not an event",
        "c.yml:11: features: no event takes them",
    ]
    assert len(found) == len(starts)
    for problem, start in zip(found, starts, strict=True):
        assert problem.startswith(start)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("events: {}\n", "must not be empty"),
        ("events: {a: {outcomes: [success, success]}}\n", "each only once: success"),
        ("events: {a: {outcomes: [success], reasons: [x]}}\n", "need the outcome failed"),
        ("events: {a: {units: {seconds: {currencies: [EUR]}}}}\n", "has no currencies"),
        ("events: {a: {units: {seconds: {buckets: [2, 1]}}}}\n", "greater than the one before"),
        ("events: {a: {units: {seconds: {buckets: [.inf]}}}}\n", "finite"),
        ("events: {a: {critical: true}}\n", "critical needs an objective"),
        ("events: {a: {objective: {}}}\n", "say success_ratio, min_per_hour or both"),
        ("events: {a: {objective: {success_ratio: 1}}}\n", "less than 1"),
        ("events: {a: }\nretention: {event: a, days: [7, 1]}\n", "days must grow"),
        ("events: {a: {feature: true}}\n", "there are no features"),
        ("events: {a: {units: {money: {currencies: [euro]}}}}\n", "pattern"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, said: str) -> None:
    assert said in "\n".join(problems(text))


def test_a_catalogue_that_would_flood_prometheus_is_refused() -> None:
    many = "events:\n" + "".join(
        f"  e{number}: {{outcomes: [success, failed, a, b, c, d], "
        "units: {money: {currencies: [EUR, USD, GBP, CHF, SEK, NOK, DKK, PLN]}}}\n"
        for number in range(100)
    )
    assert "at most 20000 are allowed" in problems(many)[0]


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_catalogue(tmp_path / "missing.yml")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load_catalogue(tmp_path / "binary.yml")


def test_the_shipped_catalogue_has_what_the_example_platform_does() -> None:
    catalogue = platform_catalogue()
    assert set(catalogue.events) == {
        *("registration", "activation", "daily_checkin", "quest_completion", "recovery_milestone"),
        *("community_vote", "coaching_session", "payment", "mail_delivery", "feature_use"),
    }
    assert set(catalogue.events["coaching_session"].measures) == {Unit.SECONDS, Unit.TOKENS}
    assert "card_declined" in catalogue.events["payment"].reasons
    assert catalogue.retention is not None
    assert catalogue.retention.days == (1, 7, 30)
