"""What of a storm of alarms reaches the log."""

import math

from specter_detector.alarms import MOST_A_TICK, QUIET_FOR, Alarms
from specter_detector.series import labels_of
from specter_detector.verdict import Verdict
from tests.detector.fitted import verdicts_of


def verdict(
    name: str, score: float, value: float = 2.0, direction: int = -1, reason: str = "drop"
) -> Verdict:
    labels = labels_of({"service": name, "route": "/"})
    return Verdict(labels, value, score, direction, reason, 10.0, 8.0, 12.0, 1.0)


def begun(alarms: Alarms, at: float, verdicts: list[Verdict]) -> list[Verdict]:
    return alarms.begun(at, verdicts_of(verdicts))


def test_an_alarm_says_what_where_and_why() -> None:
    assert str(verdict("shop", 4.0)) == (
        '{route="/", service="shop"} scores 4 (drop): 2 is below the expected 10 (8 to 12)'
    )
    absent = verdict("shop", 1.01, math.nan, 0, "absent")
    assert str(absent) == (
        '{route="/", service="shop"} scores 1.01 (absent): no value for the expected 10 (8 to 12)'
    )


def test_an_alarm_is_told_when_it_begins_and_not_again_within_an_hour() -> None:
    alarms = Alarms()
    assert begun(alarms, 0.0, [verdict("a", 1.0), verdict("b", math.nan)]) == []
    assert len(begun(alarms, 15.0, [verdict("a", 2.0)])) == 1
    assert begun(alarms, 30.0, [verdict("a", 3.0)]) == []
    assert begun(alarms, 45.0, [verdict("a", 0.5)]) == []
    assert begun(alarms, 60.0, [verdict("a", 2.0)]) == []
    assert begun(alarms, 75.0, [verdict("a", 0.5)]) == []
    assert len(begun(alarms, 16.0 + QUIET_FOR, [verdict("a", 2.0)])) == 1


def test_an_alarm_that_stays_for_hours_is_told_once() -> None:
    alarms = Alarms()
    told = [begun(alarms, 15.0 * tick, [verdict("a", 2.0)]) for tick in range(1000)]
    assert sum(map(len, told)) == 1


def test_of_a_storm_the_highest_are_told() -> None:
    told = begun(Alarms(), 0.0, [verdict(str(number), 2.0 + number) for number in range(50)])
    assert [alarm.score for alarm in told] == [51.0 - number for number in range(MOST_A_TICK)]
