"""Check data in SQL databases: integrity, business numbers, synchronisation."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.errors import UsageError
from specter_core.signals import StopSignals
from specter_core.web import WebOptions, web_options
from specter_exporters.commands import listening

if TYPE_CHECKING:
    from specter_exporters.sql.model import Plan

FILE = click.Path(path_type=Path)


@click.group("sql", invoke_without_command=True)
@click.option(
    "--config", "config_file", type=FILE, help="Databases and checks (YAML), see docs/exporters-sql.md."
)
@web_options(9842)
@click.pass_context
def sql(context: click.Context, config_file: Path | None, web: WebOptions) -> None:
    """Run checks of data in the background, and expose what they found; a database that is down is said.

    \b
    Examples:
      specter exporter sql --config sql.yml
      specter exporter sql check --config sql.yml
      specter exporter sql check --config sql.yml --output json
    """
    if context.invoked_subcommand is not None:
        return
    if config_file is None:
        raise UsageError("say what to check: --config FILE; docs/exporters-sql.md shows one")
    from specter_exporters.sql.config import load  # noqa: PLC0415  (not for --help)

    run(load(config_file), web, StopSignals().wait)


def run(plan: "Plan", web: WebOptions, wait: Callable[[], object]) -> None:
    """Check and serve until `wait` returns. A database that is down is no reason not to start.

    Raises:
        SpecterError: the address cannot be listened on.
    """
    from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415  (not for --help)

    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_core.web import WebServer  # noqa: PLC0415
    from specter_exporters.site import exporter_site  # noqa: PLC0415
    from specter_exporters.sql.asking import Sessions  # noqa: PLC0415
    from specter_exporters.sql.collector import SqlCollector  # noqa: PLC0415
    from specter_exporters.sql.pages import Pages  # noqa: PLC0415
    from specter_exporters.sql.results import Results  # noqa: PLC0415
    from specter_exporters.sql.running import Checker  # noqa: PLC0415
    from specter_exporters.sql.schedule import Schedule  # noqa: PLC0415

    clock = SystemClock()
    results = Results(plan.checks, clock.time())
    registry = CollectorRegistry()
    registry.register(SqlCollector(plan, results, clock))
    ProcessCollector(registry=registry)
    pages = Pages(plan, results, clock)
    site = exporter_site(
        registry,
        title="Specter SQL exporter",
        telemetry_path=web.telemetry_path,
        shown={"/checks": pages.as_html, "/api/v1/checks": pages.as_json},
    )
    schedule = Schedule(plan, Checker(plan, Sessions(plan.databases).open), results, clock)
    with listening(WebServer(site, web, threads=4)):
        try:
            schedule.start()
            wait()
        finally:
            schedule.stop()


@sql.command("check")
@click.option("--config", "config_file", type=FILE, required=True, help="Databases and checks (YAML).")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check_command(config_file: Path, output: str) -> None:
    """Run every check once and show what it found; exit with 1 if one is violated or not known.

    \b
    Examples:
      specter exporter sql check --config sql.yml
      specter exporter sql check --config sql.yml --output json
    """
    from specter_core.clock import SystemClock  # noqa: PLC0415  (not for --help)
    from specter_exporters.sql.asking import Sessions  # noqa: PLC0415
    from specter_exporters.sql.config import load  # noqa: PLC0415
    from specter_exporters.sql.pages import as_text, described  # noqa: PLC0415
    from specter_exporters.sql.results import Results  # noqa: PLC0415
    from specter_exporters.sql.running import Checker  # noqa: PLC0415
    from specter_exporters.sql.schedule import completed  # noqa: PLC0415

    plan = load(config_file)
    clock = SystemClock()
    results = Results(plan.checks, clock.time())
    checker = Checker(plan, Sessions(plan.databases).open)
    found = [
        described(check, completed(check, checker, results, clock)[1], clock.time()) for check in plan.checks
    ]
    click.echo(json.dumps({"checks": found}) if output == "json" else as_text(found))
    sys.exit(any(each["state"] != "ok" for each in found))
