from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exporters.run.wrapping import Wrapper
from tests.servers.ping_receiver import PingReceiver, running_receiver


@pytest.fixture
def wrapper(tmp_path: Path) -> Wrapper:
    return Wrapper(tmp_path / "state")


@pytest.fixture
def receiver() -> Iterator[PingReceiver]:
    with running_receiver() as receiver:
        yield receiver
