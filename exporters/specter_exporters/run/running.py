"""Wire a run to this process: its signals, its clock, its folders, its receiver."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from specter_core.clock import SystemClock
from specter_core.errors import SpecterError, UsageError
from specter_exporters.run.dead_letters import Attempt, DeadLetter, DeadLetters
from specter_exporters.run.job import Job, Outcome, Run
from specter_exporters.run.masking import Secrets
from specter_exporters.run.options import PingOptions
from specter_exporters.run.pings import JOB_NAME, Check, Ping
from specter_exporters.run.receiver import Receiver
from specter_exporters.run.retries import Retries
from specter_exporters.run.sender import Sender
from specter_exporters.run.signals import Signals
from specter_exporters.run.spool import Spool

logger = logging.getLogger(__name__)


def run_job(name: str, command: Sequence[str], options: Mapping[str, Any]) -> int:
    """Run `command` as the job `name`; return the exit code.

    Args:
        name: of the job.
        command: program and arguments.
        options: of the command line, by their names.

    Raises:
        UsageError: the name or the ping URL cannot be.
    """
    job = _job(name, command, options)
    pings = PingOptions(options["ping_url"], options["ping_key_file"], options["ping_timeout"])
    sender = _sender(pings, job.state)
    _open_standard_descriptors()
    signals = Signals()
    outcome = Run(
        job,
        ping=_nobody if sender is None else sender.put,
        signals=signals,
        clock=SystemClock(),
        chance=_chance,
        mask=lambda text: _secrets(pings).masked(text),
    ).run()
    if outcome.began is not None and outcome.code:
        _bury(job, outcome, _secrets(pings))
    if sender is not None:
        sender.close(pings.timeout)
    return outcome.code


def _job(name: str, command: Sequence[str], options: Mapping[str, Any]) -> Job:
    if not JOB_NAME.fullmatch(name):
        raise UsageError(f"--job {name}: expected lower-case letters, digits, - and _, 100 at most")
    check = Check(
        options["create"], options["schedule"], options["timezone"], options["grace"], options["kind"]
    )
    for header, value in check.headers().items():
        if not (value.isascii() and value.isprintable()):
            raise UsageError(f"--{header.rpartition('-')[2].lower()}: expected printable ASCII")
    return Job(
        name,
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


def _sender(pings: PingOptions, state: Path) -> Sender | None:
    if not pings.url:
        return None
    receiver = Receiver(pings.url, pings.key, seconds=pings.timeout)
    return Sender(receiver, Spool(state / "spool"), seconds=pings.timeout)


def _nobody(_ping: Ping) -> None:
    """Nobody is told."""


def _chance() -> float:
    import random  # noqa: PLC0415  (only when something is tried again)

    return random.random()  # noqa: S311  (spreads load)


def _secrets(pings: PingOptions) -> Secrets:
    try:
        return Secrets(os.environ, [pings.key()])
    except SpecterError:  # no key, nothing to mask; whoever delivers says so
        return Secrets(os.environ)


def _bury(job: Job, outcome: Outcome, secrets: Secrets) -> None:
    shown = secrets.masked_command(job.command)
    letter = DeadLetter(
        job.name,
        outcome.run_id,
        outcome.ended,
        shown,
        shown == list(job.command),
        os.getcwd(),  # noqa: PTH109  (a text)
        [Attempt(at, ended.seconds, ended.code, ended.why) for at, ended in outcome.attempts],
        secrets.masked(outcome.tail),
    )
    try:
        DeadLetters(job.state / "dead-letters").add(letter)
    except OSError as error:
        logger.warning("no dead letter of %s is kept: %s", job.name, error.strerror)


def _open_standard_descriptors() -> None:
    """Make sure that 0, 1 and 2 are taken, so that no pipe of ours gets such a number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest that is free
