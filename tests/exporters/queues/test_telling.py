"""What is told of workers that are known by what they say."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, generate_latest

from specter_core.clock import SystemClock
from specter_exporters.families import Families
from specter_exporters.queues.exposing import EXPOSED
from specter_exporters.queues.ledger import Ledger
from specter_exporters.queues.model import Answer, Outcome, Told, Worker
from specter_exporters.queues.telling import Telling
from tests.exporters.queues.asking import found
from tests.exporters.serving import samples

ONE = Worker("celery", "one@host", "idle")


def workers(telling: Telling, heard: Sequence[Worker], *, by_word: bool = True) -> dict[str, float]:
    """Return how many workers are told, by state."""
    answer = Answer(workers=heard, systems=("celery",), by_word=by_word)
    board = Families(EXPOSED)
    telling.tell(board, "main", Told(outcomes=[Outcome("celery", 0.0, answer)]))

    class Board:
        def collect(self) -> Families:
            return board

    registry = CollectorRegistry()
    registry.register(Board())
    told = found(samples(generate_latest(registry).decode()), "workers")
    return {state: value for (state, _), value in told.items()}


def test_of_workers_that_never_say_anything_it_is_not_known_that_there_are_none() -> None:
    ledger = Ledger()
    telling = Telling(ledger, SystemClock(), None)
    assert workers(telling, []) == {}
    none = dict.fromkeys(("busy", "idle", "suspended", "lost"), 0.0)
    assert workers(telling, [ONE]) == none | {"idle": 1.0}
    assert workers(telling, []) == none
    # Nor after a restart of the exporter.
    assert workers(Telling(ledger, SystemClock(), None), []) == none


def test_of_workers_that_are_registered_none_is_none() -> None:
    telling = Telling(Ledger(), SystemClock(), None)
    assert workers(telling, [], by_word=False) == dict.fromkeys(("busy", "idle", "suspended", "lost"), 0.0)
