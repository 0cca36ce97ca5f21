"""Run the demo from start to end: on a terminal as a live view, elsewhere as lines."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.live import Live

from specter_core.clock import Clock, SystemClock
from specter_core.errors import SpecterError
from specter_demo.coaching.node import find_runtime
from specter_demo.faults import find_fault
from specter_demo.faults.control import Control
from specter_demo.platform import PORTS, Platform, build_platform, build_services
from specter_demo.story.bring_up import bring_up
from specter_demo.story.log import Log
from specter_demo.story.narrator import Narrator
from specter_demo.story.observe import is_over
from specter_demo.story.prometheus import PrometheusClient, PrometheusError
from specter_demo.story.timeline import Timeline, stages_of
from specter_demo.story.view import draw, timeline_text
from specter_demo.traffic.shape import utc_offset_for
from specter_stack.install import ensure_programs
from specter_stack.launcher import Stack, running_stack, stop_on_signals
from specter_stack.layout import Layout
from specter_stack.ports import reserved_ports
from specter_stack.service import Service

POLL_SECONDS = 1.0
HOLD_SECONDS = 60.0
# An alert or a web vital looks back over minutes.
RECOVERY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    Attributes:
        fault: name of the fault to inject.
        state: folder of the run.
        started: when the user's command began, epoch seconds.
        local_time: time of day that it is at the shop now, None for UTC.
    """

    fault: str
    state: Path
    started: float
    local_time: str | None = None


@contextmanager
def brought_up(
    request: Request, clock: Clock, say: Callable[[str], None], ask: Callable[[str], bool] | None
) -> Iterator[tuple[Stack, Platform]]:
    """Yield the running stack and platform of `request`; everything is stopped on the way out."""
    offset = 0.0 if request.local_time is None else utc_offset_for(request.local_time, clock.time())
    ensure_programs(say, ask)
    node = find_runtime(say)
    layout = Layout(request.state.resolve())
    platforms: list[Platform] = []

    def build() -> tuple[Service, ...]:
        ports = reservations.enter_context(reserved_ports(PORTS))
        platforms.append(build_platform(layout, offset, ports, node))
        return build_services(platforms[-1], say)

    with ExitStack() as reservations, running_stack(layout, build, say) as stack:
        bring_up(stack, platforms[-1], clock, say)
        yield stack, platforms[-1]


def narrator_of(request: Request, platform: Platform, clock: Clock, say: Callable[[str], None]) -> Narrator:
    """Return the narrator of the fault in `request`."""
    fault = find_fault(request.fault)
    return Narrator(
        client=PrometheusClient(platform.url("prometheus")),
        control=Control(platform.settings, clock),
        fault=fault,
        timeline=Timeline(request.fault, request.started, stages=stages_of(fault)),
        notifications=platform.settings.notifications_file,
        clock=clock,
        say=say,
    )


@contextmanager
def told(
    request: Request, console: Console, ask: Callable[[str], bool] | None
) -> Iterator[tuple[Narrator, Stack, Log]]:
    """Yield the narrator of a running demo, its stack and its log; a signal ends it in order.

    Raises:
        UsageError: there is no such fault; nothing has been started then.
        SpecterError: something does not start.
    """
    clock = SystemClock()
    find_fault(request.fault)
    log = Log(console, clock, request.started)
    with stop_on_signals(), brought_up(request, clock, log, ask) as (stack, platform):
        yield narrator_of(request, platform, clock, log), stack, log


def check(request: Request, console: Console, ask: Callable[[str], bool] | None) -> Timeline:
    """Tell the story unattended and return its timeline, complete or not; raises as `told` does."""
    with told(request, console, ask) as (narrator, _, log):
        while not narrator.over:
            narrator.tick()
            narrator.clock.sleep(POLL_SECONDS)
        clear(narrator, narrator.clock, log)
    return narrator.timeline


def clear(narrator: Narrator, clock: Clock, say: Callable[[str], None]) -> None:
    """End the fault and wait until its scores, or its alert, say so too.

    A next start finds quiet then; otherwise it would have to wait for the last run's alert to end.
    """
    if narrator.timeline.injected is None:
        return
    try:
        say(narrator.fault.clear(narrator.control))
        _see_recovery(narrator, clock, say)
    except PrometheusError as error:
        say(f"whether {narrator.fault.end} cannot be seen: {error}")
    except SpecterError as error:
        say(f"{narrator.fault.name} could not be cleared, the next start clears it: {error}")


def _see_recovery(narrator: Narrator, clock: Clock, say: Callable[[str], None]) -> None:
    fault, cleared = narrator.fault, clock.time()
    injected = narrator.timeline.injected or cleared
    say(f"waiting until {fault.end}, {RECOVERY_SECONDS:.0f} s at most")
    while clock.time() - cleared < RECOVERY_SECONDS:
        if is_over(narrator.client, fault, injected, cleared):
            say(f"{fault.end} {clock.time() - cleared:.1f} s later")
            return
        clock.sleep(POLL_SECONDS)
    say(f"not yet, {RECOVERY_SECONDS:.0f} s later: {fault.end}")


def show(request: Request, console: Console, ask: Callable[[str], bool] | None) -> None:
    """Tell the story on the terminal until Ctrl-C; raises as `told` does.

    The fault is cleared a minute after the notification.
    """
    with told(request, console, ask) as (narrator, stack, log):
        narrator.hold_seconds = HOLD_SECONDS
        if console.is_terminal:
            _live(narrator, stack, log, console, narrator.clock)
        else:
            _plain(narrator, narrator.clock, console)


def _plain(narrator: Narrator, clock: Clock, console: Console) -> None:
    told = False
    while True:
        narrator.tick()
        if narrator.timeline.complete and not told:
            console.print(timeline_text(narrator.timeline), highlight=False, markup=False)
            told = True
        clock.sleep(POLL_SECONDS)


def _live(narrator: Narrator, stack: Stack, log: Log, console: Console, clock: Clock) -> None:
    log.quiet = True
    urls = {name: service.url or "" for name, service in stack.services.items()}
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                seen = narrator.tick()
                services = {name: (state, urls[name]) for name, state in stack.states().items()}
                now = clock.time()
                size = console.size
                picture = draw(narrator.phase, narrator.timeline, seen, services, log.lines, now, size)
                live.update(picture, refresh=True)
                clock.sleep(POLL_SECONDS)
    finally:
        log.quiet = False
        # The live view leaves nothing on the terminal: what it showed is said once more.
        if narrator.timeline.injected is not None:
            console.print(timeline_text(narrator.timeline), highlight=False, markup=False)
        if narrator.problem:
            console.print(narrator.problem, highlight=False, markup=False)
