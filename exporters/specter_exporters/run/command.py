"""Run a job for cron or systemd: tell how it ended, one at a time, with a time-out and retries."""

import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.errors import SpecterError, UsageError
from specter_exporters.run.options import DURATION, POSITIVE_DURATION, run_options, state_option

if TYPE_CHECKING:
    from specter_exporters.run.dead_letters import DeadLetters

# What a replay does not say: the receiver knows the check from the run before.
AS_BEFORE = {
    "schedule": "",
    "timezone": "",
    "grace": None,
    "kind": "",
    "create": True,
    "overlap": "skip",
    "wait": 0.0,
}


class RunGroup(click.Group):
    """A command that has subcommands too: what begins with an option, or with `--`, is a job."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take options of the job, and leave its command in `ctx.args`."""
        if args and args[0] in self.commands:
            return super().parse_args(ctx, args)
        return click.Command.parse_args(self, ctx, args)


@click.group("run", cls=RunGroup, invoke_without_command=True, subcommand_metavar="-- COMMAND [ARGUMENT]...")
@click.option("--job", metavar="NAME", help="Lower-case letters, digits, - and _; required.")
@click.option(
    "--schedule",
    default="",
    help="When it runs, for the receiver: cron or OnCalendar expression, or `every 5m`.",
)
@click.option("--timezone", default="", help="Of the schedule: Europe/Berlin.")
@click.option("--grace", type=POSITIVE_DURATION, help="How late a run may begin.")
@click.option("--kind", default="", help="What it is, for the receiver: backup, mail_digest.")
@click.option("--create/--no-create", default=True, show_default=True, help="Let the receiver make a check.")
@click.option(
    "--overlap",
    type=click.Choice(["skip", "fail"]),
    default="skip",
    show_default=True,
    help="While a run goes on, the next ends with 75: told as a remark, or as a failure.",
)
@click.option(
    "--wait", type=DURATION, default="0s", show_default=True, help="Wait so long for its end before."
)
@run_options
@click.pass_context
def run(ctx: click.Context, /, job: str | None, **options: object) -> None:
    """Run COMMAND as the job NAME, as if it was run without.

    \b
    Its output, its exit code and signals to it pass through. Other exit codes:
      75   another run of the job goes on
      124  it took longer than --timeout
      126  the command cannot be executed
      127  it is not found
      128+n  it was ended by signal n

    \b
    Examples:
      specter run --job backup -- pg_dump -f shop.sql shop
      specter run --job digest --timeout 10m --retries 3 -- ./digest
      specter run --job backup --schedule "30 3 * * *" --timezone Europe/Berlin \\
          --ping-url http://127.0.0.1:9855/ping --ping-key-file ping.key -- ./backup
      specter run dead-letters list
    """
    if ctx.invoked_subcommand is not None:
        return
    if job is None or not ctx.args:
        raise UsageError("specter run --job NAME -- COMMAND: name the job, and the command behind --")
    from specter_exporters.run.running import leave, run_job  # noqa: PLC0415  (not for --help)

    leave(run_job(job, ctx.args, options))


@run.group("dead-letters")
def dead_letters() -> None:
    """Look at the runs that failed for good, and run them again.

    \b
    Examples:
      specter run dead-letters list
      specter run dead-letters show backup.1f0c6a52
      specter run dead-letters replay backup.1f0c6a52
    """


@dead_letters.command("list")
@state_option
def show_all(state: Path) -> None:
    """List them, the oldest first: name, when it ended, attempts, how the last one ended, command."""
    for letter in _folder(state).all():
        last = letter.attempts[-1].why
        row = (letter.id, _utc(letter.at), str(len(letter.attempts)), last, _shown(letter.command))
        click.echo("\t".join(row))


@dead_letters.command("show")
@click.argument("name")
@state_option
def show_one(name: str, state: Path) -> None:
    """Show all that is known of one, and the end of its output."""
    letter = _folder(state).find(name)
    click.echo(f"job      {letter.job}")
    click.echo(f"run      {letter.run_id}")
    click.echo(f"ended    {_utc(letter.at)}")
    click.echo(f"folder   {letter.folder}")
    click.echo(f"command  {_shown(letter.command)}")
    for number, attempt in enumerate(letter.attempts, 1):
        click.echo(f"attempt {number}: {_utc(attempt.at)}, {attempt.seconds:.1f} s, {attempt.why}")
    click.echo(f"\n{letter.tail}", nl=not letter.tail.endswith("\n"))


@dead_letters.command("forget")
@click.argument("names", nargs=-1, required=True)
@state_option
def forget(names: tuple[str, ...], state: Path) -> None:
    """Remove some."""
    folder = _folder(state)
    for name in names:
        folder.forget(name)


@dead_letters.command("replay")
@click.argument("name")
@click.argument("command", nargs=-1)
@run_options
@click.pass_context
def replay(ctx: click.Context, /, name: str, command: tuple[str, ...], **options: object) -> None:
    """Run one again where it was run, as a run of its job; forget it when that goes well.

    A command that had a secret in it is not kept: give it again, behind --.
    """
    from specter_exporters.run.running import run_job  # noqa: PLC0415

    folder = _folder(Path(str(options["state"])))
    letter = folder.find(name)
    if not letter.complete and not command:
        raise UsageError(f"{name}: its command had a secret, which is not kept: give the command behind --")
    try:
        os.chdir(letter.folder)
    except OSError as error:
        raise SpecterError(f"{name}: {letter.folder}: {error.strerror}") from error
    code = run_job(letter.job, command or letter.command, {**AS_BEFORE, **options})
    if code == 0:
        folder.forget(name)
    ctx.exit(code)


def _folder(state: Path) -> "DeadLetters":
    from specter_exporters.run.dead_letters import DeadLetters  # noqa: PLC0415

    return DeadLetters(state / "dead-letters")


def _utc(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _shown(command: Sequence[str]) -> str:
    """Return a command as a shell takes it; what is not UTF-8 in it cannot be shown."""
    return shlex.join(command).encode("utf-8", "replace").decode()
