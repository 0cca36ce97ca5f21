"""The book: what is counted, kept and shown, over restarts and while the store is slow."""

import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from specter_exporters.jobs.book import Book, FullError
from specter_exporters.jobs.model import Event, Job
from specter_exporters.jobs.schedules import Cron
from specter_exporters.jobs.sqlite_store import SqliteStore
from specter_exporters.jobs.state import State
from specter_exporters.jobs.store import KeptEvent, KeptJob, KeptPush, StoreError
from tests.exporters.jobs.serving_jobs import Hand
from tests.exporters.serving import until

BERLIN = ZoneInfo("Europe/Berlin")
# The night in which clocks go back.
NIGHT = datetime(2026, 10, 24, 12, 0, tzinfo=BERLIN).timestamp()
NIGHTLY = Job("nightly", schedule=Cron("30 2 * * *", BERLIN), grace=600)
DAY = 86_400.0


def opened(folder: Path, clock: Hand, *jobs: Job, **options: object) -> Book:
    book = Book(jobs or (NIGHTLY,), SqliteStore(folder), clock, **options)  # type: ignore[arg-type]
    book.open()
    return book


def state(book: Book, name: str = "nightly") -> State:
    [found] = [each.state for each in book.entries() if each.job.name == name]
    return found


def test_a_run_that_was_due_while_the_exporter_was_down_is_missed_once(tmp_path: Path) -> None:
    clock = Hand(NIGHT)
    opened(tmp_path, clock).close()
    clock.now += DAY  # down over half past two, which came twice
    for _ in range(3):
        book = opened(tmp_path, clock)
        assert state(book).missed == 1
        book.close()
    clock.now += 2 * DAY
    book = opened(tmp_path, clock)
    assert (state(book).missed, state(book).overdue) == (3, True)
    book.close()


def test_a_week_away_of_many_minutely_jobs_does_not_keep_the_listeners_waiting(tmp_path: Path) -> None:
    schedule = Cron("* * * * *", BERLIN)
    jobs = [Job(f"sync-{number}", schedule=schedule, grace=60) for number in range(100)]
    clock = Hand(NIGHT)
    opened(tmp_path, clock, *jobs).close()
    clock.now += 7 * DAY
    book = Book(jobs, SqliteStore(tmp_path), clock)
    before = time.process_time()
    book.open()
    assert time.process_time() - before < 3, "one by one it takes 14 s"
    assert {each.state.missed for each in book.entries()} == {7 * 1440 - 1}
    book.close()


def test_a_run_that_was_missed_and_seen_is_counted_once_when_the_exporter_is_killed(tmp_path: Path) -> None:
    clock = Hand(NIGHT)
    book = opened(tmp_path, clock)
    clock.now += DAY
    assert state(book).missed == 1
    book._store.close()  # as a kill does: nothing more is written
    again = opened(tmp_path, clock)
    assert state(again).missed == 1
    again.close()


def test_what_time_brought_is_kept_by_itself(tmp_path: Path) -> None:
    clock = Hand(NIGHT)
    book = opened(tmp_path, clock)
    clock.now += DAY
    book.save()
    book.close()
    # Another schedule forgets what is waited for, so that what is counted must have been kept.
    other = Job("nightly", schedule=Cron("0 5 * * *", BERLIN))
    again = opened(tmp_path, clock, other)
    assert state(again).missed == 1
    again.close()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_that_was_a_year_ahead_keeps_nothing_from_being_watched(
    tmp_path: Path, restarted: bool
) -> None:
    clock = Hand(NIGHT)
    book = opened(tmp_path, clock)
    clock.now += 365 * DAY
    book.tell(book.entries()[0], Event("start", clock.now, "ahead"))
    counted = state(book).missed
    assert counted == 365
    clock.now = NIGHT + 60
    if restarted:
        book.close()
        book = opened(tmp_path, clock)
    right = state(book)
    assert right.expected == NIGHT + 14.5 * 3600
    assert (right.last_start, right.running) == (clock.now + 30, (("ahead", clock.now + 30),))
    clock.now = NIGHT + DAY
    assert (state(book).missed, state(book).overdue) == (counted + 1, True)
    book.tell(book.entries()[0], Event("success", clock.now, "after"))
    assert (state(book).last_success, state(book).overdue) == (clock.now, False)
    book.close()


class SlowStore(SqliteStore):
    """Waits with its writes until it is let go."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.waits = threading.Event()
        self.go = threading.Event()
        self.go.set()

    def write(self, jobs: Sequence[KeptJob], events: Sequence[KeptEvent], pushes: Sequence[KeptPush]) -> None:
        self.waits.set()
        self.go.wait(20)
        super().write(jobs, events, pushes)


def test_a_run_that_came_in_time_is_not_missed_while_it_waits_for_the_disk(tmp_path: Path) -> None:
    clock, store = Hand(NIGHT), SlowStore(tmp_path)
    book = Book((NIGHTLY,), store, clock)
    book.open()
    store.go.clear()
    store.waits.clear()
    clock.now = datetime(2026, 10, 25, 2, 39, 59, tzinfo=BERLIN).timestamp()
    entry = book.by_name("nightly")
    assert entry is not None
    pinging = threading.Thread(target=book.tell, args=(entry, Event("success", 0.0)))
    pinging.start()
    assert store.waits.wait(20)
    clock.now += 60
    assert (state(book).missed, state(book).succeeded) == (0, 0), "neither missed nor kept"
    store.go.set()
    pinging.join(20)
    assert (state(book).missed, state(book).succeeded) == (0, 1)
    book.close()


def test_one_write_keeps_all_that_wait(tmp_path: Path) -> None:
    clock, store = Hand(NIGHT), SlowStore(tmp_path)
    book = Book(tuple(Job(f"job-{number}") for number in range(20)), store, clock)
    book.open()
    store.go.clear()
    store.waits.clear()
    threads = [
        threading.Thread(target=book.tell, args=(book.make(f"job-{number}"), Event("success", 0.0)))
        for number in range(20)
    ]
    threads[0].start()
    assert store.waits.wait(20)
    for thread in threads[1:]:
        thread.start()
    until(lambda: len(book._queue) == 19, "nineteen wait")
    store.go.set()
    for thread in threads:
        thread.join(20)
    assert book.counts.writes == 2
    assert sum(each.state.succeeded for each in book.entries()) == 20
    book.close()
    again = Book((), SqliteStore(tmp_path), clock)
    assert sum(each.state.succeeded for each in again._store.open()) == 20
    again._store.close()


def test_an_event_that_brings_a_defect_about_does_not_end_the_others(tmp_path: Path) -> None:
    book = opened(tmp_path, Hand(NIGHT))
    entry = book.by_name("nightly")
    assert entry is not None
    with pytest.raises(StoreError, match="by a defect"):
        book.tell(entry, Event("success", 0.0, duration="soon"))  # type: ignore[arg-type]
    book.tell(entry, Event("success", 0.0))
    assert state(book).succeeded == 1
    book.close()


@pytest.mark.parametrize("ahead", [0.05, 2.0, 29.0])
def test_what_is_told_again_by_a_clock_that_is_ahead_counts_once(tmp_path: Path, ahead: float) -> None:
    clock = Hand(NIGHT)
    book = opened(tmp_path, clock)
    job = book.by_name("nightly")
    assert job is not None
    start, end = Event("start", NIGHT + ahead, "r"), Event("success", NIGHT + 1.5 + ahead, "r")
    assert book.tell(job, start)
    clock.now += 1.5
    assert book.tell(job, end)
    clock.now += 60  # the answers got lost
    assert [book.tell(job, each) for each in (start, end)] == [False, False]
    assert (state(book).succeeded, state(book).lost, state(book).running) == (1, 0, ())
    assert state(book).last_duration == pytest.approx(1.5)
    book.close()


def test_a_job_with_one_rid_for_all_its_runs_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Hand(NIGHT)
    book = opened(tmp_path, clock)
    job = book.by_name("nightly")
    assert job is not None
    assert [book.tell(job, Event("success", 0.0, "r")) for _ in range(2)] == [True, False]
    assert caplog.messages == []
    clock.now += 300 * DAY
    assert book.tell(job, Event("success", 0.0, "r"))
    book.save()
    clock.now = NIGHT  # it was ahead
    book.save()
    for _ in range(2):
        clock.now += DAY
        assert book.tell(job, Event("success", 0.0, "r"))
    assert state(book).succeeded == 4
    warned = [each for each in caplog.messages if "rid" in each]
    assert warned == ["job nightly sends one rid for several runs: some are not counted"]
    book.close()


def test_jobs_that_pings_make_are_bounded_kept_and_forgotten(tmp_path: Path) -> None:
    clock = Hand(NIGHT)
    book = opened(tmp_path, clock, most_made=1)
    book.tell(book.make("made"), Event("success", 0.0))
    with pytest.raises(FullError):
        book.make("another")
    book.close()
    again = opened(tmp_path, clock, most_made=1)
    assert state(again, "made").succeeded == 1
    again.close()
    last = opened(tmp_path, clock, most_made=1, forgotten={"made"})
    assert last.by_name("made") is None
    last.close()
