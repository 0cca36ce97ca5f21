"""Wire a run to this process: its signals, its clock, its folders, its receiver."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from specter_core.clock import SystemClock
from specter_exporters.run.job import Job, Outcome, Run
from specter_exporters.run.options import PingOptions
from specter_exporters.run.pings import Check, Ping, checked_name
from specter_exporters.run.retries import Retries
from specter_exporters.run.signals import Signals

if TYPE_CHECKING:
    from specter_exporters.run.sender import Sender


def run_job(name: str, command: Sequence[str], options: Mapping[str, Any]) -> int:
    """Run `command` as the job `name`; return the exit code.

    Args:
        name: of the job.
        command: program and arguments.
        options: of the command line, by their names.

    Raises:
        UsageError: the name, or what the receiver is to be told of the job, cannot be.
    """
    job = _job(name, command, options)
    pings = PingOptions(options["ping_url"], options["ping_key_file"], options["ping_timeout"])
    sender = _sender(pings, job.state)
    told = [] if sender is None else [sender.put]
    if options["textfile"] is not None:
        from specter_exporters.run.textfile import Textfile  # noqa: PLC0415  (not without one)

        told.append(Textfile(options["textfile"], name).put)
    _open_standard_descriptors()
    signals = Signals()
    outcome = Run(
        job,
        ping=_all_of(told),
        signals=signals,
        clock=SystemClock(),
        chance=_chance,
        mask=lambda text: _masked(text, pings),
    ).run()
    if outcome.began is not None and outcome.code:
        _bury(job, outcome, pings)
    if sender is not None:
        sender.close(pings.timeout)
    return outcome.code


def leave(code: int) -> NoReturn:
    """End the process with `code` at once, though a thread may still wait for the receiver."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _job(name: str, command: Sequence[str], options: Mapping[str, Any]) -> Job:
    check = Check(
        options["create"], options["schedule"], options["timezone"], options["grace"], options["kind"]
    )
    check.headers()  # what is wrong is said before anything is run
    return Job(
        checked_name(name),
        command,
        options["state"],
        check,
        options["timeout"],
        options["kill_after"],
        Retries(options["retries"], options["retry_delay"], options["retry_max_delay"]),
        options["overlap"],
        options["wait"],
        options["tail"],
    )


def _sender(pings: PingOptions, state: Path) -> "Sender | None":
    if not pings.url:
        return None
    from specter_exporters.run.sender import Sender  # noqa: PLC0415  (not without a receiver)

    return Sender.of(pings, state)


def _all_of(takers: Sequence[Callable[[Ping], None]]) -> Callable[[Ping], None]:
    def put(ping: Ping) -> None:
        for take in takers:
            take(ping)

    return put


def _chance() -> float:
    import random  # noqa: PLC0415  (only when something is tried again)

    return random.random()  # noqa: S311  (spreads load)


def _masked(text: str, pings: PingOptions) -> str:
    from specter_exporters.run.masking import secrets_of  # noqa: PLC0415  (only when there is output to tell)

    return secrets_of(pings).masked(text)


def _bury(job: Job, outcome: Outcome, pings: PingOptions) -> None:
    from specter_exporters.run.failing import bury  # noqa: PLC0415  (only when it failed)
    from specter_exporters.run.masking import secrets_of  # noqa: PLC0415

    bury(job, outcome, secrets_of(pings))


def _open_standard_descriptors() -> None:
    """Make sure that 0, 1 and 2 are taken, so that no pipe of ours gets such a number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free
