"""Turn log files into metrics."""

import json
import sys
from pathlib import Path

import click

from specter_core.config import ConfigError
from specter_core.errors import UsageError
from specter_core.web import WebOptions, web_options
from specter_exporters.commands import storage_option

CONFIG_OPTION = click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="Configuration file (YAML)."
)


@click.group(invoke_without_command=True)
@CONFIG_OPTION
@storage_option("logs", "Folder for read offsets, counters and error templates.", Path("data-logs"))
@web_options(9847)
@click.pass_context
def logs(context: click.Context, config_file: Path | None, storage_path: Path, web: WebOptions) -> None:
    """Follow log files, or standard input, and expose what their lines say as metrics.

    \b
    Examples:
      specter exporter logs --config logs.yml
      specter exporter logs check logs.yml
      specter exporter logs try logs.yml shop < /var/log/shop.log
      journalctl -fu shop -o cat | specter exporter logs --config stdin.yml
    """
    if context.invoked_subcommand is not None:
        return
    if config_file is None:
        raise UsageError("say what to read: --config FILE; docs/exporters-logs.md shows some")
    from specter_core.config import load_config  # noqa: PLC0415
    from specter_exporters.logs.run import run  # noqa: PLC0415  (drain3, flask; not for --help)
    from specter_exporters.logs.schema import LogsSchema  # noqa: PLC0415

    run(load_config(config_file, LogsSchema), storage_path, web)


@logs.command("check")
@click.argument("config_file", type=click.Path(path_type=Path))
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def check_command(config_file: Path, output: str) -> None:
    """Validate a configuration file; list every error in it and exit with 2.

    \b
    Examples:
      specter exporter logs check logs.yml
      specter exporter logs check logs.yml --output json
    """
    from specter_core.config import load_config  # noqa: PLC0415
    from specter_exporters.logs.schema import LogsSchema  # noqa: PLC0415

    try:
        config = load_config(config_file, LogsSchema)
    except ConfigError as error:
        if output == "text":
            raise
        problems = [
            {"file": p.file, "line": p.line, "path": p.path, "message": p.message} for p in error.problems
        ]
        click.echo(json.dumps({"ok": False, "problems": problems}))
        sys.exit(error.exit_code)
    if output == "json":
        click.echo(json.dumps({"ok": True, "logs": [log.name for log in config.logs]}))
        return
    for log in config.logs:
        source = "standard input" if log.stdin else ", ".join(log.files)
        click.echo(f"{log.name}: {log.format}, from {source}")
    click.echo(f"{config_file}: ok")


@logs.command("try")
@click.argument("config_file", type=click.Path(path_type=Path))
@click.argument("log")
def try_command(config_file: Path, log: str) -> None:
    """Read lines from standard input as those of LOG, and print the metrics that come of them.

    Nothing is saved. The first lines that are not of the format are shown on standard error.

    \b
    Examples:
      specter exporter logs try logs.yml shop < /var/log/shop.log
      tail -n 1000 /var/log/nginx/access.log | specter exporter logs try logs.yml web
    """
    from specter_core.config import load_config  # noqa: PLC0415
    from specter_exporters.logs.schema import LogsSchema  # noqa: PLC0415
    from specter_exporters.logs.trial import trial  # noqa: PLC0415  (drain3; not for --help)

    config = load_config(config_file, LogsSchema)
    if log not in {each.name for each in config.logs}:
        raise UsageError(f"{config_file} has no log {log}: {', '.join(each.name for each in config.logs)}")
    text, problems = trial(config, log, sys.stdin.buffer)
    for problem in problems:
        click.echo(problem, err=True)
    click.echo(text, nl=False)
