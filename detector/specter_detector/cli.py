"""Learn what is normal and write anomaly scores: run the detector, check its configuration."""

import json
import sys
from pathlib import Path

import click

from specter_core.config import ConfigError
from specter_core.errors import SpecterError
from specter_core.web import WebOptions, web_options
from specter_detector.backtesting.commands import COMMANDS

URL_OPTION = click.option(
    "--datasource-url",
    envvar="SPECTER_DATASOURCE_URL",
    show_envvar=True,
    help="Read from and write to this server, whatever the file says.",
)


@click.group()
def detector() -> None:
    """Learn each series' season through PromQL and write an anomaly score back.

    \b
    Examples:
      specter detector check detector.yml
      specter detector check detector.yml --resolve
      specter detector run --config detector.yml
      specter detector backtest --csv requests.csv --out scores/
    """


for command in COMMANDS:
    detector.add_command(command)


@detector.command("run")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    required=True,
    help="Configuration file (YAML).",
)
@URL_OPTION
@click.option(
    "--storage.path",
    "storage_path",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("data-detector"),
    show_default=True,
    envvar="SPECTER_DETECTOR_STORAGE_PATH",
    show_envvar=True,
    help="Folder for history, what has been learnt, and scores that wait to be written.",
)
@web_options(9845)
def run_command(config_file: Path, datasource_url: str | None, storage_path: Path, web: WebOptions) -> None:
    """Score every query of the configuration until stopped.

    SIGHUP and POST /-/reload read the configuration again; an invalid one is refused and the old one kept.

    \b
    Examples:
      specter detector run --config detector.yml
      specter detector run --config detector.yml --datasource-url http://127.0.0.1:9090
    """
    from specter_detector.app import run  # noqa: PLC0415  (numpy; not for --help)
    from specter_detector.config import load  # noqa: PLC0415
    from specter_detector.storage import Storage  # noqa: PLC0415

    run(lambda: load(config_file, datasource_url=datasource_url), Storage(storage_path), web)


@detector.command("check")
@click.argument("config_file", type=click.Path(path_type=Path))
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--resolve", is_flag=True, help="Ask the server how many series each query returns now.")
@URL_OPTION
def check_command(config_file: Path, output: str, resolve: bool, datasource_url: str | None) -> None:
    """Validate a configuration file; list every error in it and exit with 2.

    With --resolve, exit with 1 when a query cannot be answered.

    \b
    Examples:
      specter detector check detector.yml
      specter detector check detector.yml --resolve --datasource-url http://127.0.0.1:9090
      specter detector check detector.yml --output json
    """
    from specter_detector.check import as_json, as_text, check  # noqa: PLC0415  (numpy; not for --help)

    try:
        report = check(config_file, datasource_url=datasource_url, resolve=resolve)
    except ConfigError as error:
        if output == "text":
            raise
        problems = [
            {"file": p.file, "line": p.line, "path": p.path, "message": p.message} for p in error.problems
        ]
        click.echo(json.dumps({"ok": False, "problems": problems}))
        sys.exit(error.exit_code)
    click.echo(as_json(report) if output == "json" else as_text(report))
    if not report.ok:
        sys.exit(SpecterError.exit_code)
