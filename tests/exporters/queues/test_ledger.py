"""Counters that survive, and what differences of depth prove."""

from pathlib import Path

import pytest

from specter_core.clock import SystemClock
from specter_core.errors import SpecterError
from specter_exporters.queues.heads import first_seen
from specter_exporters.queues.ledger import FORGET_AFTER, Ledger, StateFolder
from specter_exporters.queues.model import Queue
from specter_exporters.queues.tally import tally
from specter_exporters.queues.telling import Telling


def counted(ledger: Ledger, now: float, **more: object) -> dict[str, float]:
    return dict(tally(ledger, "main", Queue("list", "q", **more), now))  # type: ignore[arg-type]


def test_without_the_brokers_counters_the_depth_tells_at_least() -> None:
    ledger = Ledger()
    assert counted(ledger, 1, ready=10) == {"completed": 0, "arrived": 0}
    assert counted(ledger, 2, ready=14) == {"completed": 0, "arrived": 4}
    assert counted(ledger, 3, ready=5, in_progress=2) == {"completed": 7, "arrived": 4}


def test_what_was_finished_and_does_not_show_in_the_depth_has_arrived_too() -> None:
    ledger = Ledger()
    counted(ledger, 1, ready=10, totals={"completed": 100, "failed": 3})
    after = counted(ledger, 2, ready=10, totals={"completed": 150, "failed": 5})
    assert after == {"completed": 150, "failed": 5, "arrived": 52}


def test_a_depth_that_is_not_known_proves_nothing() -> None:
    ledger = Ledger()
    counted(ledger, 1, ready=10)
    assert counted(ledger, 2) == {"arrived": 0, "completed": 0}
    assert counted(ledger, 3, ready=500) == {"arrived": 0, "completed": 0}


def test_what_a_server_lost_was_not_finished() -> None:
    ledger = Ledger()
    counted(ledger, 1, ready=10)
    lost = Queue("list", "q", ready=0)
    assert dict(tally(ledger, "main", lost, 2, kept=False)) == {"completed": 0, "arrived": 0}
    assert counted(ledger, 3, ready=4) == {"completed": 0, "arrived": 4}


def test_a_brokers_counter_that_begins_anew_is_counted_on() -> None:
    ledger = Ledger()
    assert counted(ledger, 1, totals={"arrived": 40}) == {"arrived": 40}
    assert counted(ledger, 2, totals={"arrived": 50}) == {"arrived": 50}
    assert counted(ledger, 3, totals={"arrived": 7}) == {"arrived": 57}
    # Of another epoch, all of it is new, also where it is more than before.
    assert counted(ledger, 4, totals={"arrived": 9}, epochs={"arrived": "b"}) == {"arrived": 66}


def test_who_told_of_failures_once_is_believed_to_tell_of_completions() -> None:
    ledger = Ledger()
    counted(ledger, 1, ready=9, totals={"completed": 1, "failed": 0})
    assert counted(ledger, 2, ready=4) == {"completed": 1, "failed": 0, "arrived": 0}


def test_a_head_is_as_old_as_it_was_first_seen_until_another_is_next() -> None:
    ledger = Ledger()
    seen = [
        first_seen(ledger, "main", Queue("list", "q", head=head), now)
        for head, now in ((7, 100.0), (7, 160.0), (8, 170.0), (None, 180.0), (8, 190.0), (8, 50.0))
    ]
    assert seen == [100, 100, 170, None, 190, 50]


def test_what_is_saved_is_there_again_and_what_is_old_is_forgotten(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "state")
    ledger = folder.load()
    ledger.put("old", 1, 0)
    ledger.put("new", 2, FORGET_AFTER)
    data = ledger.dump(FORGET_AFTER + 1)
    assert data is not None
    assert ledger.dump(FORGET_AFTER + 1) is None
    folder.save(data)
    with pytest.raises(SpecterError, match="is in use by another queue exporter"):
        StateFolder.open(tmp_path / "state")
    folder.close()
    again = StateFolder.open(tmp_path / "state")
    ledger = again.load()
    again.close()
    assert (ledger.get("old", FORGET_AFTER), ledger.get("new", FORGET_AFTER)) == (None, 2)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 9}', '{"format": 1, "entries": {"a": 1}}'])
def test_a_state_that_is_damaged_is_named_and_not_dropped(tmp_path: Path, text: str) -> None:
    (tmp_path / "queues.json").write_text(text)
    folder = StateFolder.open(tmp_path)
    with pytest.raises(SpecterError, match=r"queues.json.* to begin anew"):
        folder.load()
    folder.close()


def test_without_a_folder_to_keep_it_what_is_old_is_forgotten_too() -> None:
    ledger, clock = Ledger(), SystemClock()
    ledger.put("old", 1.0, clock.time() - FORGET_AFTER - 1)
    ledger.put("new", 1.0, clock.time())
    Telling(ledger, clock, None).save()
    assert (ledger.get("old", clock.time()), ledger.get("new", clock.time())) == (None, 1.0)
