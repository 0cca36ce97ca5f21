"""The seasonal shape of the demo's traffic."""

import datetime as dt

import numpy as np
import pytest
from numpy.typing import NDArray

from specter_demo.traffic.noise import slow_noise
from specter_demo.traffic.shape import ROUTES, TrafficShape, utc_offset_for

DAY = 86400
MINUTE = 60.0


def epoch(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


def four_weeks() -> NDArray[np.float64]:
    return epoch("2024-03-04T00:00") + np.arange(0, 28 * DAY, 60, dtype=np.float64)


def at(shape: TrafficShape, text: str) -> float:
    return float(shape.total(np.array([epoch(text)]))[0])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_total_never_falls_below_the_floor(seed: int) -> None:
    assert TrafficShape(seed=seed).total(four_weeks()).min() >= 6.0


def test_weekday_levels_are_those_promised() -> None:
    shape = TrafficShape()
    assert at(shape, "2024-03-06T15:00") == pytest.approx(24.0, rel=0.045)
    assert at(shape, "2024-03-06T03:00") == pytest.approx(8.0, rel=0.045)


def test_weekday_peaks_in_the_afternoon_and_bottoms_before_dawn() -> None:
    times = four_weeks()
    weekday = ((times // DAY + 3) % 7) < 5
    by_hour = [
        TrafficShape().total(times[weekday & ((times % DAY) // 3600 == hour)]).mean() for hour in range(24)
    ]
    assert int(np.argmax(by_hour)) in {14, 15}
    assert int(np.argmin(by_hour)) == 3


def test_weekend_daytime_has_seven_tenths_of_a_weekday() -> None:
    times = four_weeks()
    afternoon = (times % DAY >= 13 * 3600) & (times % DAY < 17 * 3600)
    weekend = ((times // DAY + 3) % 7) >= 5
    total = TrafficShape().total(times)
    ratio = total[weekend & afternoon].mean() / total[~weekend & afternoon].mean()
    assert ratio == pytest.approx(0.71, abs=0.02)


def test_weekend_day_is_busiest_later_than_a_weekday() -> None:
    shape = TrafficShape()
    weekday = at(shape, "2024-03-06T19:00") / at(shape, "2024-03-06T11:00")
    weekend = at(shape, "2024-03-09T19:00") / at(shape, "2024-03-09T11:00")
    assert weekend > 1.1 * weekday


def test_shape_is_continuous_also_at_the_midnights_of_a_weekend() -> None:
    total = TrafficShape().total(four_weeks())
    assert np.max(np.abs(np.diff(total)) / total[1:]) < 0.02


def test_route_shares_match_the_mix_over_a_day() -> None:
    shape, times = TrafficShape(), four_weeks()
    total = shape.total(times).mean()
    for route, share in ROUTES.items():
        assert shape.rate(route, times).mean() / total == pytest.approx(share, abs=0.02)
    assert sum(ROUTES.values()) == pytest.approx(1.0)


def test_more_people_check_out_in_the_evening() -> None:
    shape, times = TrafficShape(), four_weeks()
    share = shape.rate("/checkout", times) / shape.total(times)
    hour = (times % DAY) / 3600
    assert share[(hour > 20) & (hour < 21)].mean() > 1.15 * share[(hour > 8) & (hour < 9)].mean()


def test_the_same_instant_has_the_same_rate_whatever_else_is_asked() -> None:
    shape, times = TrafficShape(), four_weeks()
    whole = shape.rate("/search", times)
    tail = shape.rate("/search", times[-100:])
    np.testing.assert_array_equal(whole[-100:], tail)


def test_noise_is_slow_bounded_and_decided_by_the_seed() -> None:
    times = four_weeks()
    noise = slow_noise(times, 1)
    assert np.abs(noise).max() <= 1.0
    assert np.abs(noise.mean()) < 0.05
    assert 0.2 < noise.std() < 0.5
    assert np.abs(np.diff(noise)).max() < 0.1
    assert abs(np.corrcoef(noise, slow_noise(times, 2))[0, 1]) < 0.1


def test_utc_offset_moves_the_local_day() -> None:
    times = four_weeks()
    np.testing.assert_allclose(
        TrafficShape(utc_offset_hours=2.0).rate("/", times) / TrafficShape().rate("/", times + 7200),
        1.0,
        atol=0.09,  # the noise belongs to the instant, not to the local time
    )


@pytest.mark.parametrize(
    "now", ["2024-03-06T15:00", "2024-03-06T00:10", "2024-03-06T23:59", "2024-03-07T03:00"]
)
@pytest.mark.parametrize("local_time", ["03:00", "15:00", "00:00"])
def test_utc_offset_for_makes_it_that_time_now(local_time: str, now: str) -> None:
    offset = utc_offset_for(local_time, now=epoch(now))
    local = dt.datetime.fromtimestamp(epoch(now) + offset * 3600 + 0.001, tz=dt.UTC)
    assert local.strftime("%H:%M") == local_time
    assert -12.0 <= offset <= 12.0


def test_utc_offset_for_refuses_what_is_no_time_of_day() -> None:
    with pytest.raises(ValueError, match="HH:MM"):
        utc_offset_for("three", now=0.0)


def test_unknown_route_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="/checkout"):
        TrafficShape().rate("/nowhere", np.array([0.0]))


@pytest.mark.parametrize("local_time", ["03:00", "15:00"])
@pytest.mark.parametrize("day", range(7))
def test_losing_four_fifths_of_the_traffic_is_beyond_a_minutes_noise(local_time: str, day: int) -> None:
    now = epoch("2024-03-04T11:22") + day * DAY
    shape = TrafficShape(utc_offset_hours=utc_offset_for(local_time, now=now))
    expected = float(shape.total(np.array([now]))[0]) * MINUTE
    poisson = expected**0.5
    assert (expected - 0.2 * expected) / poisson > 6.0
    assert (expected * 1.04 - 0.2 * expected) / (expected * 1.04) ** 0.5 > 6.0
    busiest = float(shape.rate("/", np.array([now]))[0]) * MINUTE
    assert (busiest - 0.2 * busiest) / busiest**0.5 > 6.0
