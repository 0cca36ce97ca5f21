"""Bring servers up in order, keep them up, and take them down again."""

import json
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from specter_core.clock import Clock, SystemClock
from specter_stack.errors import StackError
from specter_stack.layout import Layout
from specter_stack.lock import launcher_lock
from specter_stack.orphans import end_processes, find_orphans
from specter_stack.postgres import cluster_folders
from specter_stack.ready import wait_until_ready
from specter_stack.secret_files import NAMES, ensure_secret
from specter_stack.servers import log_tail
from specter_stack.service import Service
from specter_stack.signals import STOP_SIGNALS, held_signals
from specter_stack.supervisor import Supervisor

SUPERVISOR_GRACE_SECONDS = 40.0


class Stopped(BaseException):
    """The launcher was asked to stop, by Ctrl-C, SIGTERM or a closed terminal."""


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise `Stopped` in the main thread on SIGINT, SIGTERM or SIGHUP; later ones are ignored.

    SIGHUP stays ignored where it was: that is what `nohup` asks for.
    """
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    numbers = [number for number in STOP_SIGNALS if not (ignored and number == signal.SIGHUP)]

    def ignore(_number: int, _frame: FrameType | None) -> None:
        """Stand for SIG_IGN, to which Python prints a traceback when a signal is just being delivered."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, ignore)
        raise Stopped

    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_left_over(layout: Layout) -> list[int]:
    """End what an earlier, killed run of this state folder has left; return the pids.

    supervisord first and gently, since it stops its children in order; then
    whatever children still run without it.
    """
    supervisor = [layout.pids / "supervisord.pid"]
    ended = end_processes(find_orphans(layout.state, supervisor), SUPERVISOR_GRACE_SECONDS)
    children = [path for path in layout.pids.glob("*.pid") if path not in supervisor]
    children += [path for folder in cluster_folders(layout) for path in folder.glob("*/postmaster.pid")]
    ended += end_processes(find_orphans(layout.state, children))
    for path in layout.pids.glob("*.pid"):
        path.unlink()
    return sorted(ended)


class Stack:
    """A running set of services; use `running_stack` to get one that is stopped whatever happens."""

    def __init__(self, layout: Layout, services: Iterable[Service], clock: Clock | None = None) -> None:
        self.layout = layout
        self.services: Mapping[str, Service] = {service.name: service for service in services}
        self._clock = clock or SystemClock()
        self._supervisor = Supervisor(layout, self.services.values(), self._clock)

    def open(self) -> None:
        """Start the process manager, with no program running yet."""
        self._supervisor.start()

    def start(self, *names: str) -> None:
        """Start the services called `names` and wait until each answers."""
        self._supervisor.start_programs(names)
        self.wait(*names)

    def wait(self, *names: str) -> None:
        """Wait until the services called `names` answer.

        Raises:
            StackError: one does not; the message quotes its log.
        """
        services = [self.services[name] for name in names]
        wait_until_ready(services, self._supervisor.states, self._log, self._clock)

    def stop_service(self, name: str) -> None:
        """Stop one service and wait for its end."""
        self._supervisor.stop_programs([name])

    def states(self) -> dict[str, str]:
        """Return what the process manager says of each service.

        Raises:
            StackError: the process manager itself has died.
        """
        if not self._supervisor.alive:
            raise StackError(f"supervisord has died; see {self.layout.logs / 'supervisord.log'}")
        return self._supervisor.states()

    def pid(self, name: str) -> int:
        """Return the process id of the service called `name`, 0 when it does not run."""
        return self._supervisor.pid(name)

    def close(self) -> None:
        """Stop every service and the process manager."""
        try:
            self._supervisor.stop()
        finally:
            self.layout.summary.unlink(missing_ok=True)

    def write_summary(self) -> None:
        """Write the URLs of this run, for `specter stack status` and scripts."""
        urls = {name: service.url for name, service in self.services.items() if service.url}
        text = json.dumps({"urls": urls, "services": sorted(self.services)}, indent=2)
        self.layout.summary.write_text(text + "\n", encoding="utf-8")

    def _log(self, name: str) -> str:
        return log_tail(self.layout.logs / f"{name}.log")


@contextmanager
def running_stack(
    layout: Layout, build: Callable[[], Iterable[Service]], say: Callable[[str], None]
) -> Iterator[Stack]:
    """Lock the state folder, end orphans, then yield an opened `Stack` of the services that `build` returns.

    `build` runs after the orphans have ended, so that it finds their ports free.
    """
    layout.create()
    with launcher_lock(layout.lock):
        ended = end_left_over(layout)
        if ended:
            say(f"ended {len(ended)} processes that an earlier run had left behind")
        for name in NAMES:
            ensure_secret(layout.secrets / name)
        stack = Stack(layout, build())
        try:
            stack.open()
            stack.write_summary()
            yield stack
        finally:
            say("stopping every server")
            # Also a first Ctrl-C may come now, at the end of a run that nobody interrupted.
            with held_signals():
                stack.close()
