"""Distinct users by day, week and month, sessions, who comes back; and that a restart keeps it."""

import logging
import random
from pathlib import Path

import pytest

from specter_core.errors import SpecterError
from specter_exporters.business import Business
from specter_exporters.business.days import Days
from specter_exporters.business.distinct import Distinct
from specter_exporters.business.pseudonyms import Pseudonyms
from specter_exporters.business.retention import Retention
from specter_exporters.business.sessions import Sessions
from tests.exporters.business_setup import ToldClock, catalogue, value

KEY = b"a key of thirty-two bytes, say.."


def active(business: Business) -> tuple[float | None, ...]:
    return tuple(value(business.registry, "active_users", period=name) for name in ("day", "week", "month"))


def retention(business: Business, days: int) -> tuple[float | None, float | None]:
    ratio = value(business.registry, "retention_ratio", days=str(days))
    return ratio, value(business.registry, "retention_cohort_users", days=str(days))


def test_days_weeks_and_months_begin_where_the_users_live() -> None:
    clock = ToldClock("2026-03-30", 12)  # a Monday
    business = Business(catalogue(), clock=clock)
    for user in ("a", "b", "a", 7, "7"):
        business.event("visit", user=user)
    assert active(business) == (3, 3, 3)
    clock.set("2026-03-31", 23)  # 21:00 in UTC
    business.event("visit", user="c")
    assert active(business) == (1, 4, 4)
    clock.advance(3600.0)  # midnight in Vienna: a new month in the same week
    assert active(business) == (0, 4, 0)
    clock.set("2026-04-06")
    assert active(business) == (0, 0, 0)


def test_a_day_has_the_hours_that_it_has_when_the_clocks_change() -> None:
    days = Days("Europe/Vienna")
    clock = ToldClock("2026-03-29", 0)  # 23 hours long
    first = days.day(clock.now)
    assert days.day(clock.now + 23 * 3600 - 1) == first
    assert days.day(clock.now + 23 * 3600) == first + 1


def test_a_clock_set_back_a_little_brings_no_day_again_and_one_far_ahead_is_put_right() -> None:
    days, clock = Days("UTC"), ToldClock("2026-03-02", 1)
    today = days.day(clock.now)
    assert days.day(clock.now - 7200) == today
    assert days.day(clock.now + 400 * 86400) == today + 400
    assert days.day(clock.now) == today


def test_users_are_counted_exactly_up_to_a_limit_and_then_within_three_standard_errors() -> None:
    pseudonyms, distinct = Pseudonyms(KEY), Distinct(exact_up_to=1000)
    for number in range(1000):
        distinct.add(pseudonyms.of(f"user-{number}"))
        distinct.add(pseudonyms.of(f"user-{number // 2}"))
    assert (distinct.exact, distinct.count) == (True, 1000)
    for number in range(100_000):
        distinct.add(pseudonyms.of(f"user-{number}"))
    assert not distinct.exact
    assert distinct.count == pytest.approx(100_000, rel=3 * 0.0082)
    again = Distinct()
    again.load(*_stored(distinct))
    assert again.count == distinct.count


def _stored(distinct: Distinct) -> tuple[str, bytes]:
    form, content = distinct.dump()
    assert isinstance(content, bytes)
    return form, content


def test_hashes_are_uniform_and_another_key_gives_others() -> None:
    pseudonyms = Pseudonyms(KEY)
    hashes = [pseudonyms.of(str(number)) for number in range(4000)]
    assert sum(one < 1 << 63 for one in hashes) == pytest.approx(2000, abs=4 * 32)
    assert Pseudonyms(KEY).of("ada") == pseudonyms.of("ada") != Pseudonyms(KEY[::-1]).of("ada")
    assert pseudonyms.of("\ud800") != pseudonyms.of("\ud801")
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        Pseudonyms(b"short")


def test_a_session_ends_after_a_pause_and_its_duration_is_counted() -> None:
    clock = ToldClock()
    business = Business(catalogue(), clock=clock)
    business.event("visit", user="a")
    clock.advance(100.0)
    business.event("visit", user="a")
    business.event("visit", user="b", session="phone")
    business.event("visit", user="b", session="laptop")
    assert value(business.registry, "active_sessions") == 3
    clock.advance(30 * 60.0)
    assert value(business.registry, "active_sessions") == 3
    clock.advance(1.0)
    assert value(business.registry, "active_sessions") == 0
    assert value(business.registry, "session_duration_seconds_count") == 3
    assert value(business.registry, "session_duration_seconds_sum") == 100.0
    assert value(business.registry, "session_duration_seconds_bucket", le="10.0") == 2


def test_sessions_of_a_clock_that_was_far_ahead_end_when_it_has_been_set_right() -> None:
    sessions = Sessions(1800.0, limit=2)
    assert sessions.touch(1, 4e9) == []
    assert sessions.touch(1, 4e9 + 60) == []
    assert sessions.touch(2, 1000.0) == [60.0]
    assert sessions.touch(3, 1100.0) == []
    assert (sessions.active, sessions.untracked) == (2, 0)
    assert sessions.expire(5000.0) == [0.0, 0.0]


def test_as_many_sessions_as_allowed_are_followed_and_the_rest_is_told() -> None:
    sessions = Sessions(idle=60.0, limit=2)
    for hashed in (1, 2, 3, 3, 1):
        assert sessions.touch(hashed, 10.0) == []
    assert (sessions.active, sessions.untracked) == (2, 2)
    assert sessions.touch(3, 100.0) == [0.0, 0.0]
    assert sessions.active == 1


def test_who_registered_and_came_back_is_known_when_the_day_is_over() -> None:
    clock = ToldClock("2026-03-02")
    business = Business(catalogue(), clock=clock)
    for number in range(10):
        business.event("signup", user=number)
    business.event("signup", user=99, outcome="failed", reason="email_taken")
    clock.set("2026-03-03")
    for number in (0, 1, 2, 2, 50, 99):
        business.event("visit", user=number)
    assert retention(business, 1) == (None, None)  # the day is not over
    clock.set("2026-03-04")
    assert retention(business, 1) == (0.3, 10)
    assert retention(business, 7) == (None, None)
    clock.set("2026-03-05")
    assert retention(business, 1) == (None, None)  # nobody registered on the 3rd
    for day in range(6, 10):
        clock.set(f"2026-03-{day:02}")
        business.event("visit", user=4)
    clock.set("2026-03-10")
    assert retention(business, 7) == (0.1, 10)


def test_a_day_that_was_not_watched_says_nothing_of_who_came_back() -> None:
    clock = ToldClock("2026-03-02")
    business = Business(catalogue(), clock=clock)
    business.event("signup", user=1)
    clock.set("2026-03-04")
    business.event("visit", user=1)
    assert retention(business, 1) == (None, None)


def test_a_large_cohort_is_a_fair_sample_in_fixed_memory() -> None:
    chance, kept = random.Random(7), Retention((1,), limit=4096)
    users = [chance.getrandbits(64) for _ in range(50_000)]
    for one in users:
        kept.registered(one, 100)
    assert 2048 <= len(kept.cohorts[100].returned) <= 4096
    for one in users[:15_000]:
        kept.seen(one, 101)
    kept.roll(101, 102)
    assert kept.known[1].ratio == pytest.approx(0.3, abs=3 * 0.011)
    assert kept.known[1].registered == pytest.approx(50_000, rel=0.07)
    kept.roll(102, 103)
    assert kept.cohorts == {}


def restarted(folder: Path, clock: ToldClock) -> Business:
    return Business(catalogue(), storage=folder, clock=clock)


def test_a_restart_keeps_the_users_of_today_and_the_cohorts(tmp_path: Path) -> None:
    clock = ToldClock("2026-03-02")
    before = restarted(tmp_path / "data", clock)
    for number in range(10):
        before.event("signup", user=number)
    before.event("feature_use", feature="chat", user=3)
    assert before.save()
    after = restarted(tmp_path / "data", clock)
    after.event("visit", user=3)
    after.event("visit", user="new")
    assert active(after) == (11, 11, 11)
    assert value(after.registry, "feature_users", feature="chat", period="day") == 1
    clock.set("2026-03-03")
    after.event("visit", user=3)
    assert after.save()
    clock.set("2026-03-04")
    assert retention(restarted(tmp_path / "data", clock), 1) == (0.1, 10)


def test_a_sketch_outlives_a_restart_as_well(tmp_path: Path) -> None:
    clock = ToldClock()
    before = Business(catalogue(), storage=tmp_path, clock=clock, exact_up_to=100)
    for number in range(5000):
        before.event("visit", user=number)
    counted = active(before)
    assert before.save()
    after = Business(catalogue(), storage=tmp_path, clock=clock, exact_up_to=100)
    assert active(after) == counted
    for number in range(5000):
        after.event("visit", user=number)
    assert active(after) == counted


def test_only_the_owner_reads_the_files_and_nobody_a_user(tmp_path: Path) -> None:
    business = restarted(tmp_path / "data", ToldClock())
    business.event("visit", user="ada@example.org")
    assert business.save()
    files = sorted((tmp_path / "data").iterdir())
    assert [file.name for file in files] == ["user.key", "users.json"]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert b"ada" not in files[1].read_bytes()


def damage_content(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"day"', b'"dax"', 1))


def damage_end(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def damage_all(file: Path) -> None:
    file.write_bytes(b"\x80\x04pickle")


@pytest.mark.parametrize("damage", [damage_content, damage_end, damage_all])
def test_a_damaged_file_is_put_aside_and_users_are_counted_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: object
) -> None:
    clock = ToldClock()
    before = restarted(tmp_path, clock)
    before.event("visit", user=1)
    before.save()
    assert callable(damage)
    damage(tmp_path / "users.json")
    with caplog.at_level(logging.WARNING):
        after = restarted(tmp_path, clock)
    assert "it is damaged" in caplog.text
    assert active(after) == (0, 0, 0)
    assert (tmp_path / "users.json.unusable").is_file()
    assert after.save()


def test_another_key_or_time_zone_begins_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = ToldClock()
    before = Business(catalogue(), storage=tmp_path, user_key=KEY, clock=clock)
    before.event("visit", user=1)
    before.save()
    after = Business(catalogue(), storage=tmp_path, user_key=KEY[::-1], clock=clock)
    assert "under another user key" in caplog.text
    assert active(after) == (0, 0, 0)


def test_a_disk_that_refuses_is_counted_and_nothing_else_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    business = restarted(tmp_path, ToldClock())
    assert business.save()
    (tmp_path / "users.json.new").mkdir()  # even root cannot open a folder for writing
    assert not business.save()
    business.event("visit", user=1)
    assert active(business) == (1, 1, 1)
    assert value(business.registry, "state_saves_total", outcome="ok") == 1
    assert value(business.registry, "state_saves_total", outcome="error") == 1
    assert value(business.registry, "state_last_save_timestamp_seconds") == ToldClock().now


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecterError, match="file/data: cannot be made"):
        restarted(tmp_path / "file" / "data", ToldClock())
    (tmp_path / "user.key").write_bytes(b"cut")
    with pytest.raises(SpecterError, match=r"user\.key: is damaged"):
        restarted(tmp_path, ToldClock())


def test_without_a_storage_nothing_is_saved() -> None:
    assert not Business(catalogue()).save()
