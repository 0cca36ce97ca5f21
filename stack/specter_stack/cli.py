"""Install, look at and end the servers that a checkout runs natively."""

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import click

from specter_core.clock import SystemClock
from specter_core.errors import SpecterError
from specter_stack.install import ensure_programs
from specter_stack.launcher import end_left_over
from specter_stack.layout import CHECKOUT, Layout
from specter_stack.lock import LockHeldError, launcher_lock
from specter_stack.postgres import cluster_folders
from specter_stack.programs import PROGRAMS, TEST_PROGRAMS, locate
from specter_stack.ready import answers
from specter_stack.secret_files import ensure_secret

STOP_SECONDS = 60.0

state_option = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=CHECKOUT / ".specter",
    show_default="<checkout>/.specter",
    help="Folder with everything of a run.",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def stack() -> None:
    """Install, look at and end the servers that a checkout runs natively.

    \b
    Examples:
      specter stack install      install what is missing
      specter stack status       what runs where
      specter stack down         end a run, also one that was killed
      specter stack clean        the same, and remove its data
    """


def ask_on_terminal() -> bool:
    """Whether somebody is there to answer a question."""
    return sys.stdin.isatty()


@stack.command()
@click.option("--with-tests", is_flag=True, help="What only the tests run, too: a browser, VictoriaMetrics.")
def install(with_tests: bool) -> None:
    """Install the servers that are missing (Debian's packages, as root or after asking for sudo)."""

    def ask(question: str) -> bool:
        return click.confirm(question, err=True)

    programs = (*PROGRAMS, *TEST_PROGRAMS) if with_tests else PROGRAMS
    ensure_programs(lambda text: click.echo(text, err=True), ask if ask_on_terminal() else None, programs)
    for program in programs:
        click.echo(f"{program.name:<18} {locate(program)}")


@stack.command()
@state_option
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(state_dir: Path, output: str) -> None:
    """Show the URLs of the running stack and whether they answer; exit 1 when none does."""
    layout = Layout(state_dir.resolve())
    if not layout.summary.exists():
        raise SpecterError(f"nothing runs from {layout.state}; `make demo` starts it")
    urls: dict[str, str] = json.loads(layout.summary.read_text(encoding="utf-8"))["urls"]
    rows = {name: {"url": url, "answers": answers(url)} for name, url in urls.items()}
    if output == "json":
        click.echo(json.dumps(rows))
    else:
        for name, row in rows.items():
            click.echo(f"{name:<14} {row['url']:<28} {'answers' if row['answers'] else 'does not answer'}")
    if not any(row["answers"] for row in rows.values()):
        raise SpecterError(
            f"nothing answers any more; `specter stack down` ends what is left in {layout.state}"
        )


@stack.command()
@state_option
def down(state_dir: Path) -> None:
    """End the run of a state folder: its launcher if it lives, else what it left behind."""
    layout = Layout(state_dir.resolve())
    if not layout.lock.is_file():
        raise SpecterError(f"nothing was ever started from {layout.state}")
    with _sole_user(layout):
        ended = end_left_over(layout)
        layout.summary.unlink(missing_ok=True)
    click.echo(
        f"ended {len(ended)} processes that a killed run had left behind"
        if ended
        else "nothing runs any more"
    )


@stack.command()
@state_option
@click.pass_context
def clean(ctx: click.Context, state_dir: Path) -> None:
    """End the run of a state folder and remove the folder with all its data."""
    layout = Layout(state_dir.resolve())
    # A folder without a lock is none of ours, and a wrong --state-dir must not empty it.
    if not layout.lock.is_file():
        click.echo(f"nothing was ever started from {layout.state}: nothing to remove")
        return
    ctx.invoke(down, state_dir=state_dir)
    with _sole_user(layout):
        for folder in (*cluster_folders(layout), layout.state):
            shutil.rmtree(folder)
    click.echo(f"removed {layout.state}")


@stack.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False))
def secrets(files: tuple[Path, ...]) -> None:
    """Create each of FILES with a random secret, unless it is there (for docker-compose.yml)."""
    for path in files:
        # The reader is another container's unprivileged user; the volume is what keeps others out.
        ensure_secret(path, mode=0o444)


@contextmanager
def _sole_user(layout: Layout) -> Iterator[None]:
    """Hold the launcher's lock, after asking a launcher that holds it to stop."""
    clock = SystemClock()
    deadline = clock.monotonic() + STOP_SECONDS
    asked: set[int] = set()
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(launcher_lock(layout.lock))
                break
            except LockHeldError as held:
                if clock.monotonic() > deadline:
                    raise SpecterError(
                        f"the launcher (process {held.holder}) has not stopped within {STOP_SECONDS:.0f} s"
                    ) from held
                if held.holder is not None and held.holder not in asked:
                    click.echo(f"asking the launcher (process {held.holder}) to stop", err=True)
                    asked.add(held.holder)
                    with suppress(ProcessLookupError):
                        os.kill(held.holder, signal.SIGTERM)
            clock.sleep(0.2)
        yield
