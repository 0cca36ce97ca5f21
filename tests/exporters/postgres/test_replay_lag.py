"""How old what a standby shows may be."""

from specter_exporters.postgres.collectors.replication import ReplayLag
from tests.exporters.signin_driving import ManualClock


def test_an_idle_primary_makes_no_lag() -> None:
    lag = ReplayLag(ManualClock())
    assert lag.seconds(receiving=True, behind=0, since_replayed=3600) == 0


def test_a_standby_that_is_cut_off_while_it_was_whole_ages_from_then_on() -> None:
    clock = ManualClock()
    lag = ReplayLag(clock)
    assert lag.seconds(receiving=True, behind=0, since_replayed=3600) == 0
    clock.sleep(15)
    assert lag.seconds(receiving=False, behind=0, since_replayed=3615) == 15
    clock.sleep(60)
    assert lag.seconds(receiving=False, behind=0, since_replayed=3675) == 75


def test_a_standby_that_replays_late_is_as_old_as_what_it_replayed() -> None:
    clock = ManualClock()
    lag = ReplayLag(clock)
    lag.seconds(receiving=True, behind=0, since_replayed=5)
    clock.sleep(100)
    assert lag.seconds(receiving=True, behind=4096, since_replayed=40) == 40


def test_a_standby_cut_off_before_the_exporter_came_is_as_old_as_its_newest_transaction() -> None:
    assert ReplayLag(ManualClock()).seconds(receiving=False, behind=0, since_replayed=500) == 500


def test_what_nothing_tells_is_not_known() -> None:
    assert ReplayLag(ManualClock()).seconds(receiving=False, behind=None, since_replayed=None) is None
