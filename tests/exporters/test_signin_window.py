"""The window slides pane by pane; what is usual is learnt from full panes."""

import pytest

from specter_exporters.signin.window import SlidingWindow, Usual, in_panes, sums


class Pane:
    def __init__(self) -> None:
        self.values: list[str] = []
        self.closed = False

    def close(self) -> None:
        self.closed = True


def window() -> SlidingWindow[Pane]:
    return SlidingWindow(Pane, panes=3, seconds=10.0)


def ignore(_end: float) -> None:
    pass


def put(window: SlidingWindow[Pane], number: int, value: str) -> None:
    window.advance(number, ignore)
    pane = window.pane(number)
    assert pane is not None
    pane.values.append(value)


def held(window: SlidingWindow[Pane]) -> list[str]:
    return [value for pane in window.live for value in pane.values]


def test_a_pane_falls_out_when_the_window_has_moved_past_it() -> None:
    panes = window()
    for number, value in ((7, "a"), (8, "b"), (9, "c")):
        put(panes, number, value)
    assert held(panes) == ["a", "b", "c"]
    put(panes, 10, "d")
    assert held(panes) == ["b", "c", "d"]
    assert [pane.closed for pane in panes.live] == [True, True, False]
    panes.advance(12, ignore)
    assert held(panes) == ["d"]
    panes.advance(1000, ignore)
    assert held(panes) == []


def test_the_end_of_each_pane_is_told_once_with_its_time() -> None:
    panes, ends = window(), list[float]()
    for number in (5, 5, 6, 8, 8):
        panes.advance(number, ends.append)
    assert ends == [60.0, 70.0, 80.0]
    panes.advance(500, ends.append)  # nothing was there to be seen in between
    assert len(ends) == 3


def test_panes_before_the_window_and_to_come_are_none() -> None:
    panes = window()
    assert panes.pane(7) is None
    panes.advance(7, ignore)
    assert panes.pane(5) is not None  # late entries have their place from the start
    assert panes.pane(4) is None
    assert panes.pane(8) is None


def test_time_that_steps_back_changes_nothing() -> None:
    panes = window()
    put(panes, 7, "a")
    panes.advance(3, ignore)
    assert held(panes) == ["a"]


def test_entries_are_put_in_order_of_their_panes() -> None:
    entries = [(25.0, "c"), (3.0, "a"), (12.0, "b"), (4.0, "a2")]
    assert list(in_panes(window(), entries)) == [
        (0, [(3.0, "a"), (4.0, "a2")]),
        (1, [(12.0, "b")]),
        (2, [(25.0, "c")]),
    ]
    assert list(in_panes(window(), [])) == []
    assert list(in_panes(window(), entries[:1])) == [(2, [(25.0, "c")])]


def taught(usual: Usual, value: float, times: int, *, suspected: bool = False) -> float | None:
    for _ in range(times):
        usual.learn({"x": value}, suspected=suspected)
    return usual.get("x")


def test_a_window_is_full_when_all_of_its_panes_were_seen_from_their_beginning() -> None:
    panes, full = window(), list[bool]()
    assert not panes.full
    for number in range(7, 12):
        panes.advance(number, lambda _end: full.append(panes.full))
    assert full == [False, False, False, True]
    panes.advance(500, ignore)
    assert not panes.full


def test_nothing_is_usual_before_a_window_was_over() -> None:
    usual = Usual(panes=3, half_life=10)
    assert taught(usual, 10.0, 3) is None
    assert taught(usual, 10.0, 1) == pytest.approx(10.0)


def test_half_of_a_change_is_usual_after_the_half_life_and_a_window() -> None:
    usual = Usual(panes=3, half_life=10)
    taught(usual, 10.0, 500)
    assert taught(usual, 20.0, 3) == pytest.approx(10.0)
    assert taught(usual, 20.0, 10) == pytest.approx(15.0, abs=0.01)


def test_what_is_suspected_becomes_usual_ten_times_slower() -> None:
    usual = Usual(panes=3, half_life=10)
    taught(usual, 10.0, 500)
    assert 10.4 < (taught(usual, 20.0, 13, suspected=True) or 0) < 11.0


def test_the_beginning_of_what_is_suspected_later_was_not_usual_either() -> None:
    usual = Usual(panes=3, half_life=10)
    taught(usual, 10.0, 500)
    taught(usual, 20.0, 3)
    assert (taught(usual, 20.0, 3, suspected=True) or 0) < 10.3


def test_counters_add_up_by_name() -> None:
    assert sums([{"a": 1}, {"a": 2, "b": 3}, {}]) == {"a": 3, "b": 3}
