"""The commands that look at history: backtest, explain, tune, size. Nothing heavy is imported for --help."""

import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.errors import UsageError

if TYPE_CHECKING:
    from specter_detector.backtesting.executor import Executor
    from specter_detector.config import DetectorConfig
    from specter_detector.reader import PrometheusReader

FILE = click.Path(path_type=Path)
CONFIG = click.option("--config", "config_file", type=FILE, required=True, help="Configuration file (YAML).")
URL = click.option(
    "--datasource-url",
    envvar="SPECTER_DATASOURCE_URL",
    show_envvar=True,
    help="Read from this server, whatever the file says.",
)
OUTPUT = click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.command("backtest")
@click.argument("more", type=FILE, nargs=-1, metavar="[FILE]...")
@click.option("--csv", "csv_files", type=FILE, multiple=True, metavar="FILE...", help="CSV files to replay.")
@click.option(
    "--from", "start", metavar="T", help="Replay the configured queries from here: a time, now-28d."
)
@click.option("--to", "end", metavar="T", help="To here; now by default.")
@click.option("--config", "config_file", type=FILE, help="Configuration; its settings are those of the run.")
@URL
@click.option("--step", help="Seconds between two samples; a file's own, or the query's, by default.")
@click.option("--out", type=FILE, required=True, help="Folder for the scores, created if need be.")
@click.option("--labels", type=FILE, help="CSV of start,end[,series]: when something was wrong.")
@click.option("--rules", type=FILE, help="Rule file whose alerts are replayed over the scores.")
@click.option("--rules-interval", default="1m", show_default=True, help="Between two evaluations of rules.")
@click.option("--warm-up", help="Not counted at the start of each series: 4.5d by default, 15d if hourly.")
@click.option("--jobs", type=click.IntRange(1), help="Processes; as many as cores by default.")
@click.option("--executor", type=click.Choice(["local", "dask"]), default="local", show_default=True)
@click.option("--dask-address", metavar="ADDR", help="Scheduler of the cluster, as tcp://10.0.0.5:8786.")
@OUTPUT
def backtest_command(
    more: tuple[Path, ...], csv_files: tuple[Path, ...], start: str | None, end: str | None,
    config_file: Path | None, datasource_url: str | None, step: str | None, out: Path, labels: Path | None,
    rules: Path | None, rules_interval: str, warm_up: str | None, jobs: int | None, executor: str,
    dask_address: str | None, output: str,
) -> None:  # fmt: skip
    """Replay history as the running detector would have seen it, and write what it would have said.

    The history comes from CSV files (`timestamp,value`, or a column a series; a column `label` is the
    truth) or from the server. Strictly causal: refits look back only.

    \b
    Examples:
      specter detector backtest --csv requests.csv --out scores/
      specter detector backtest --csv *.csv --labels incidents.csv --out scores/ --output json
      specter detector backtest --config detector.yml --from now-60d --rules anomaly.rules.yml --out scores/
    """
    from specter_detector.backtesting import sources  # noqa: PLC0415  (numpy; not for --help)
    from specter_detector.backtesting.alert_replay import AlertReplay  # noqa: PLC0415
    from specter_detector.backtesting.backtest import backtest  # noqa: PLC0415
    from specter_detector.backtesting.labels import read_windows  # noqa: PLC0415
    from specter_detector.backtesting.rule_file import read_rules  # noqa: PLC0415
    from specter_detector.backtesting.times import parse_moment, parse_span, parse_step  # noqa: PLC0415
    from specter_detector.config import load  # noqa: PLC0415
    from specter_detector.defaults import METRIC_FORMAT  # noqa: PLC0415

    files = (*csv_files, *more)
    if bool(csv_files) == (start is not None) or (more and not csv_files) or (end and not start):
        raise UsageError("give either --csv FILE... or --from T [--to T]")
    if start is not None and config_file is None:
        raise UsageError("--from: the queries are in a configuration: give --config FILE")
    seconds = None if step is None else parse_step(step)
    config = None if config_file is None else load(config_file, datasource_url=datasource_url)
    windows = None if labels is None else read_windows(labels)
    sources.check_names(files)
    with ExitStack() as stack:
        if config is not None and start is not None:
            now = time.time()
            span = parse_moment(start, now, "--from"), parse_moment(end or "now", now, "--to")
            if span[0] >= span[1]:
                raise UsageError("--from is not before --to")
            reader = stack.enter_context(closing(open_reader(config)))
            groups = sources.rows_of_server(reader, config, *span, seconds)
        else:
            groups = sources.rows_of_files(files, config, seconds)
        alerts = None
        if rules is not None:
            written = METRIC_FORMAT if config is None else config.writer.metric_format
            interval = parse_span(rules_interval, "--rules-interval")
            alerts = stack.enter_context(AlertReplay(read_rules(rules), written, interval))
        result = backtest(
            groups,
            len(files) if start is None or config is None else len(config.reader.queries),
            out,
            stack.enter_context(_executor(executor, jobs, dask_address)),
            windows=windows,
            alerts=alerts,
            warm_up=None if warm_up is None else parse_span(warm_up, "--warm-up", zero=True),
        )
    click.echo(result.json() if output == "json" else result.text())


def _executor(kind: str, jobs: int | None, dask_address: str | None) -> "Executor":
    from specter_detector.backtesting.executor import Dask, local  # noqa: PLC0415

    if (kind == "dask") != (dask_address is not None):
        raise UsageError("--executor dask and --dask-address belong together")
    if dask_address is None:
        return local(jobs)
    if jobs is not None:
        raise UsageError("--jobs is for the local executor: a Dask cluster has its own workers")
    return Dask(dask_address)


def open_reader(config: "DetectorConfig") -> "PrometheusReader":
    """Return a reader of the configured data source, to be closed."""
    from specter_detector.http import open_session  # noqa: PLC0415
    from specter_detector.reader import PrometheusReader  # noqa: PLC0415

    return PrometheusReader(config.reader, open_session(config.reader.connection))


COMMANDS = (backtest_command,)
