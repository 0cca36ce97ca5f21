"""What a scrape of several servers is answered with."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from specter_core import metrics
from specter_exporters.postgres.exposing import Servers
from specter_exporters.postgres.model import Fact


class Asked:
    """A server that answers as it is told."""

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name = name
        self._error = error

    def scrape(self, deadline: float) -> Sequence[Fact]:
        assert deadline > time.monotonic()
        if self._error is not None:
            raise self._error
        return [Fact(metrics.PG_UP, [], 1)]

    def close(self) -> None:
        """Nothing is open."""


def test_a_defect_costs_its_own_server_only(caplog: pytest.LogCaptureFixture) -> None:
    with ThreadPoolExecutor(2) as pool:
        servers = Servers([Asked("odd", KeyError("row")), Asked("main")], pool, time.monotonic() + 10)
        samples = [sample for family in servers.collect() for sample in family.samples]
    assert [(each.name, each.labels["server"], each.value) for each in samples] == [
        ("specter_pg_up", "main", 1)
    ]
    assert "odd: cannot be asked" in caplog.text
    assert "KeyError: 'row'" in caplog.text
