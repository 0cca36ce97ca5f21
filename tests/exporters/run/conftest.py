import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exporters.run.wrapping import Wrapper
from tests.servers.ping_receiver import PingReceiver, running_receiver


@pytest.fixture(autouse=True)
def signals_of_a_terminal() -> Iterator[None]:
    """Give commands the signals that tests started in the background of a shell ignore, and pass on."""
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_IGN
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def wrapper(tmp_path: Path) -> Wrapper:
    return Wrapper(tmp_path / "state")


@pytest.fixture
def receiver() -> Iterator[PingReceiver]:
    with running_receiver() as receiver:
        yield receiver
