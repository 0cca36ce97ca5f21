"""Learn what is normal and write anomaly scores: run the detector, check its configuration."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from specter_core.config import ConfigError
from specter_core.errors import SpecterError, UsageError
from specter_core.web import WebOptions, web_options
from specter_detector.backtesting.commands import COMMANDS

NEITHER = "say what to watch: a configuration file, or --datasource-url for all that fits of the presets"
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
      specter detector run --datasource-url http://127.0.0.1:9090
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
    help="Configuration file (YAML). Without one, every preset that fits is watched.",
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
def run_command(
    config_file: Path | None, datasource_url: str | None, storage_path: Path, web: WebOptions
) -> None:
    """Score every query of the configuration, and of the presets, until stopped.

    SIGHUP and POST /-/reload read the configuration again; an invalid one is refused and the old one kept.

    \b
    Examples:
      specter detector run --datasource-url http://127.0.0.1:9090
      specter detector run --config detector.yml
      specter detector run --config detector.yml --datasource-url http://127.0.0.1:9090
    """
    from specter_detector.app import run  # noqa: PLC0415  (numpy; not for --help)
    from specter_detector.config import default_config, load  # noqa: PLC0415

    if config_file is not None:
        run(lambda: load(config_file, datasource_url=datasource_url), storage_path, web)
    elif datasource_url is not None:
        run(lambda: default_config(datasource_url), storage_path, web)
    else:
        raise UsageError(NEITHER)


@detector.command("check")
@click.argument("config_file", type=click.Path(path_type=Path), required=False)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option(
    "--resolve",
    is_flag=True,
    help="Ask the server: series of each query, which presets would be on, scrape intervals.",
)
@click.option("--strict", is_flag=True, help="Exit with 1 if there are lints.")
@URL_OPTION
def check_command(
    config_file: Path | None, output: str, resolve: bool, strict: bool, datasource_url: str | None
) -> None:
    """Validate and lint a configuration file; list every error in it and exit with 2.

    Lints are what is allowed and hardly ever meant, such as a counter without a rate. With --resolve, exit
    with 1 when a query cannot be answered. Without a file, what would be watched without one is shown.

    \b
    Examples:
      specter detector check detector.yml
      specter detector check detector.yml --strict
      specter detector check detector.yml --resolve --datasource-url http://127.0.0.1:9090
      specter detector check --resolve --datasource-url http://127.0.0.1:9090
      specter detector check detector.yml --output json
    """
    from specter_detector.check import check  # noqa: PLC0415  (numpy; not for --help)
    from specter_detector.check_report import as_json, as_text  # noqa: PLC0415

    if config_file is None and datasource_url is None:
        raise UsageError(NEITHER)
    try:
        report = check(
            config_file, datasource_url=datasource_url, resolve_queries=resolve, tell=_progress(output)
        )
    except ConfigError as error:
        if output == "text":
            raise
        problems = [
            {"file": p.file, "line": p.line, "path": p.path, "message": p.message} for p in error.problems
        ]
        click.echo(json.dumps({"ok": False, "problems": problems}))
        sys.exit(error.exit_code)
    click.echo(as_json(report) if output == "json" else as_text(report))
    if not report.ok or (strict and report.lints):
        sys.exit(SpecterError.exit_code)


def _progress(output: str) -> Callable[[str], None]:
    """Return what tells somebody who waits at a terminal what is being done."""
    waiting = output == "text" and sys.stderr.isatty()
    return lambda text: click.echo(text, err=True) if waiting else None


@detector.command("presets")
@click.argument("names", nargs=-1)
@click.option("--output", type=click.Choice(["text", "json", "markdown"]), default="text", show_default=True)
def presets_command(names: tuple[str, ...], output: str) -> None:
    """Show the presets, or those named: what each query watches, how, and from which deviation on.

    \b
    Examples:
      specter detector presets
      specter detector presets node postgres
      specter detector presets --output json
    """
    from specter_detector.presets.catalogue import PRESETS  # noqa: PLC0415  (numpy; not for --help)
    from specter_detector.presets.table import as_json, as_markdown, as_text  # noqa: PLC0415

    unknown = [name for name in names if name not in PRESETS]
    if unknown:
        raise UsageError(f"not a preset: {', '.join(unknown)}; there are {', '.join(PRESETS)}")
    chosen = [preset for name, preset in PRESETS.items() if not names or name in names]
    click.echo({"json": as_json, "markdown": as_markdown, "text": as_text}[output](chosen))


@detector.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--from",
    "source",
    type=click.Choice(["vmanomaly", "promql-anomaly-detection"]),
    help="Whose file it is; found out by itself where possible.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write here; standard output otherwise.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def import_command(file: Path, source: str | None, out: Path | None, force: bool) -> None:
    """Turn the configuration of another detector into one of ours.

    Whatever has no counterpart is listed, with what was chosen instead, on standard error and as a
    comment in the result. The result passes `specter detector check`.

    \b
    Examples:
      specter detector import vmanomaly.yml --out detector.yml
      specter detector import rules/http.yml --from promql-anomaly-detection
    """
    from specter_detector.importers.run import import_file  # noqa: PLC0415  (numpy; not for --help)

    if out is not None and out.exists() and not force:
        raise UsageError(f"{out} exists: choose another --out, or replace it with --force")
    text, notes = import_file(file, source)
    for note in notes:
        click.echo(f"{file}: {note}", err=True)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SpecterError(f"{out}: cannot be written: {error.strerror}") from error
    click.echo(f"{out}: written; next: specter detector check {out} --resolve", err=True)
