"""A scrape is answered in time, whatever a source does, and tells the others."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from prometheus_client import generate_latest

from specter_core.clock import SystemClock
from specter_exporters.deadlines import HEADER
from specter_exporters.queues.exposing import Exposition
from specter_exporters.queues.ledger import Ledger
from specter_exporters.queues.model import Answer, Outcome, Queue, Source, Told, Worker
from tests.exporters.serving import samples

FINE = Told(outcomes=[Outcome("keys", 0.001, Answer([Queue("list", "q", ready=3)]))])


class Fake:
    """A source that does what it is told."""

    def __init__(self, name: str, ask: Callable[[], Told]) -> None:
        self.name = name
        self._ask = ask
        self.cuts = 0

    def start(self) -> None:
        """Nothing goes on."""

    def ask(self) -> Told:
        return self._ask()

    def cut(self) -> None:
        self.cuts += 1

    def close(self) -> None:
        """Nothing is open."""


@contextmanager
def scraping(
    *sources: Source, save: Callable[[bytes], None] | None = None
) -> Iterator[Callable[..., dict[Any, float]]]:
    exposition = Exposition(sources, SystemClock(), Ledger(), save, [])

    def scrape(within: str = "") -> dict[Any, float]:
        return samples(generate_latest(exposition({HEADER: within})).decode())

    with closing(exposition):
        yield scrape


def up(seen: dict[Any, float]) -> dict[str, float]:
    return {labels[0]: value for (name, labels), value in seen.items() if name == "specter_queue_up"}


def reasons(seen: dict[Any, float]) -> dict[str, str]:
    return {
        labels[1]: labels[0]
        for (name, labels), value in seen.items()
        if name == "specter_queue_failure" and value
    }


def test_a_source_with_a_defect_costs_itself(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> Told:
        raise RuntimeError("a defect")

    with scraping(Fake("bad", fails), Fake("good", lambda: FINE)) as scrape:
        seen = scrape()
    assert (up(seen), reasons(seen)) == ({"bad": 0, "good": 1}, {"bad": "other"})
    assert seen["specter_queue_ready", ("q", "good", "list")] == 3
    assert "a defect" in caplog.text


def test_a_source_that_hangs_is_cut_and_not_asked_again_until_it_has_answered() -> None:
    going_on, asked = threading.Event(), []

    def hangs() -> Told:
        asked.append(True)
        going_on.wait(30)
        return FINE

    source = Fake("slow", hangs)
    with scraping(source, Fake("good", lambda: FINE)) as scrape:
        first, second = scrape("0.7"), scrape("0.7")
        assert up(first) == up(second) == {"slow": 0, "good": 1}
        assert reasons(first) == {"slow": "timeout"}
        assert (len(asked), source.cuts) == (
            1,
            2,
        )  # cut again: what was being connected to may have answered since
        going_on.set()
        while up(scrape("1")) != {"slow": 1, "good": 1}:
            assert len(asked) <= 3


def test_what_cannot_be_saved_is_told_once_and_scraped_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(data: bytes) -> None:
        raise OSError(28, "No space left on device")

    depths = iter((1, 2, 3))
    source = Fake(
        "main",
        lambda: Told(outcomes=[Outcome("keys", 0.0, Answer([Queue("list", "q", ready=next(depths))]))]),
    )
    with scraping(source, save=full) as scrape:
        assert [scrape()["specter_queue_ready", ("q", "main", "list")] for _ in range(3)] == [1, 2, 3]
    assert caplog.messages == ["state: other: cannot be saved: No space left on device"]


def test_workers_that_nobody_can_tell_are_absent_and_none_is_0() -> None:
    def told(workers: list[Worker] | None) -> dict[Any, float]:
        answer = Answer([], workers, systems=() if workers is None else ("celery",))
        with scraping(Fake("main", lambda: Told(outcomes=[Outcome("celery", 0.0, answer)]))) as scrape:
            return {
                key[1]: value for (name, key), value in scrape().items() if name == "specter_queue_workers"
            }

    assert told(None) == {}
    assert told([]) == {"busy": 0, "idle": 0, "lost": 0, "suspended": 0}
    assert told([Worker("celery", "a", "lost", 1e9)])["lost"] == 1
