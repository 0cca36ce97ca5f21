"""Take what jobs tell of their runs, and expose what ran and what should have run."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.errors import SpecterError, UsageError
from specter_core.signals import StopSignals
from specter_core.web import WebOptions, parse_listen_address, web_options
from specter_exporters.commands import storage_option

if TYPE_CHECKING:
    from specter_exporters.jobs.config import JobsConfig
    from specter_exporters.jobs.store import Store

PINGS_ADDRESS = "127.0.0.1:9855"


@click.group("jobs", invoke_without_command=True)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="Which jobs, and when they are to run (YAML), see docs/exporters-jobs.md.",
)
@click.option(
    "--ping.listen-address",
    "ping_address",
    default=PINGS_ADDRESS,
    show_default=True,
    help="HOST:PORT on which pings are taken, apart from /metrics; TLS is that of --web.config.file.",
)
@storage_option(
    "jobs",
    "Folder that keeps what is known of the jobs, unless the configuration names a database.",
    Path("data-jobs"),
)
@web_options(9844)
@click.pass_context
def jobs(
    context: click.Context, config_file: Path | None, ping_address: str, storage_path: Path, web: WebOptions
) -> None:
    """Take pings of jobs as healthchecks.io does, and expose what ran and what should have run.

    \b
    Examples:
      specter exporter jobs --config jobs.yml
      specter exporter jobs --config jobs.yml --ping.listen-address 10.0.0.5:9855
      curl http://127.0.0.1:9855/ping/$(cat ping.key)/backup
      crontab -l | specter exporter jobs import --crontab - > jobs.yml
    """
    from specter_exporters.jobs.config import load  # noqa: PLC0415  (not for --help)

    if context.invoked_subcommand is not None:
        return
    if config_file is None:
        raise click.UsageError("Missing option '--config'.", context)
    host, port = parse_listen_address(ping_address, "--ping.listen-address", PINGS_ADDRESS)
    run(load(config_file), web, (host, port), storage_path, StopSignals().wait)


@jobs.command("import")
@click.option(
    "--crontab",
    "crontabs",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A crontab, as `crontab -l` prints it; `-` reads standard input.",
)
@click.option(
    "--system", is_flag=True, help="The crontabs have a user before the command, as in /etc/cron.d."
)
@click.option("--systemd-timers", is_flag=True, help="The timers of this machine, as systemctl shows them.")
@click.option("--time-zone", default="UTC", show_default=True, help="Whose clock cron and systemd follow.")
def import_jobs(crontabs: tuple[Path, ...], time_zone: str, *, system: bool, systemd_timers: bool) -> None:
    """Print a configuration of the jobs that cron or systemd have.

    Comments in it say what to do next, with the line by which each job tells of its runs, and what is left
    out, and why. Name the jobs as you like.

    \b
    Examples:
      crontab -l | specter exporter jobs import --crontab - > jobs.yml
      specter exporter jobs import --system --crontab /etc/cron.d/backup --time-zone Europe/Berlin
      specter exporter jobs import --systemd-timers
    """
    from specter_exporters.jobs.importing import configuration, crontab, timers  # noqa: PLC0415

    if not crontabs and not systemd_timers:
        raise UsageError("say what to import: --crontab FILE or --systemd-timers")
    _check_zone(time_zone)
    found = [each for path in crontabs for each in crontab(_text(path), system=system, zone=time_zone)]
    if systemd_timers:
        found += timers(_systemctl(), zone=time_zone)
    click.echo(configuration(found, time_zone), nl=False)
    click.echo("next: a key, and a line for each job; the first lines of the configuration say how", err=True)


def _check_zone(name: str) -> None:
    from zoneinfo import ZoneInfo  # noqa: PLC0415  (not for --help)

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(f"--time-zone {name!r}: is no time zone such as Europe/Berlin") from None


def _text(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"--crontab {path}: cannot be read: {reason}") from error


def _systemctl() -> str:
    from specter_exporters.jobs.importing import PROPERTIES  # noqa: PLC0415

    command = ["systemctl", "show", "--all", f"--property={','.join(PROPERTIES)}", "*.timer"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpecterError(f"systemctl cannot be run: {type(error).__name__}") from error
    if done.returncode:
        raise SpecterError(f"systemctl ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def run(
    config: "JobsConfig",
    web: WebOptions,
    ping_address: tuple[str, int],
    storage: Path,
    wait: Callable[[float], bool],
) -> None:
    """Serve until `wait`, which takes seconds, returns True.

    Raises:
        SpecterError: the store cannot be opened, or an address cannot be listened on.
    """
    from specter_core.clock import SystemClock  # noqa: PLC0415  (not for --help)
    from specter_exporters.jobs.running import JobsExporter  # noqa: PLC0415

    exporter = JobsExporter(config, web, ping_address, _store(config, storage), SystemClock())
    exporter.start()
    try:
        click.echo(f"metrics: {exporter.metrics_url}", err=True)
        click.echo(f"pings: {exporter.ping_url}", err=True)
        exporter.save()
        while not wait(SAVE_EVERY):
            exporter.save()
    finally:
        exporter.stop()


SAVE_EVERY = 5.0
"""Seconds between two writes of what time alone has brought."""


def _store(config: "JobsConfig", storage: Path) -> "Store":
    if config.database is None:
        from specter_exporters.jobs.sqlite_store import SqliteStore  # noqa: PLC0415

        return SqliteStore(storage)
    try:
        from specter_exporters.jobs.postgres_store import PostgresStore  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SpecterError(
            f"database: {error}; install it: pip install 'specter-observability[jobs,postgres]'"
        ) from error
    return PostgresStore(config.database.dsn, config.database.password_file)
