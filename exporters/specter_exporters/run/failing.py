"""What remains of a run that failed: loaded only then."""

import logging
import os

from specter_exporters.run.dead_letters import Attempt, DeadLetter, DeadLetters
from specter_exporters.run.job import Job, Outcome
from specter_exporters.run.masking import Secrets

logger = logging.getLogger(__name__)


def bury(job: Job, outcome: Outcome, secrets: Secrets) -> None:
    """Keep a dead letter of `outcome`; say so where that is not possible."""
    shown = secrets.masked_command(job.command)
    letter = DeadLetter(
        job.name,
        outcome.run_id,
        outcome.ended,
        shown,
        shown == list(job.command),
        _folder(),
        [Attempt(at, ended.seconds, ended.code, ended.why) for at, ended in outcome.attempts],
        secrets.masked(outcome.tail),
    )
    try:
        DeadLetters(job.state / "dead-letters").add(letter)
    except OSError as error:
        logger.warning("no dead letter of %s is kept: %s", job.name, error.strerror)


def _folder() -> str:
    """Return the folder of this process; the job may have removed it."""
    try:
        return os.getcwd()  # noqa: PTH109  (a text)
    except OSError:
        return ""
