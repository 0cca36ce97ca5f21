"""The commands that look at history: backtest, explain, tune, size. Nothing heavy is imported for --help."""

import sys
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
    sources.check_names(files, out)
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
            written = METRIC_FORMAT if config is None else config.writer.form.template
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


@click.command("explain")
@click.argument("series")
@click.option("--at", required=True, metavar="T", help="The moment: a time, now, or now-1h.")
@CONFIG
@click.option("--query", metavar="ALIAS", help="Look at this query only.")
@URL
@OUTPUT
def explain_command(
    series: str, at: str, config_file: Path, query: str | None, datasource_url: str | None, output: str
) -> None:
    """Say why SERIES has its score at a moment: value, expectation and its parts, band, and what to look at.

    SERIES is a selector; its name may be a metric's or a query's. Without a match, exit with 1.

    \b
    Examples:
      specter detector explain 'rate{service="shop"}' --at now --config detector.yml
      specter detector explain '{service=~"sh.*"}' --at 2026-11-26T10:05:00Z --config detector.yml
    """
    from specter_detector.backtesting.explain import explain  # noqa: PLC0415  (numpy; not for --help)
    from specter_detector.backtesting.explain_text import as_json, as_text  # noqa: PLC0415
    from specter_detector.backtesting.selector import parse_selector  # noqa: PLC0415
    from specter_detector.backtesting.stored import StoredScores  # noqa: PLC0415
    from specter_detector.backtesting.times import parse_moment  # noqa: PLC0415
    from specter_detector.config import load  # noqa: PLC0415
    from specter_detector.prometheus_api import open_api  # noqa: PLC0415

    selector, moment = parse_selector(series), parse_moment(at, time.time(), "--at")
    config = load(config_file, datasource_url=datasource_url)
    check_query(config, query)
    with closing(open_reader(config)) as reader, closing(open_api(config.reader)) as api:
        scores = StoredScores(api, config.writer, config.reader.connection.timeout)
        explanations = explain(selector, moment, config, reader, scores, query)
    click.echo(as_json(explanations) if output == "json" else as_text(explanations))


@click.command("tune")
@CONFIG
@click.option("--query", metavar="ALIAS", help="Tune this query only.")
@click.option("--days", type=click.FloatRange(1, 366), default=28.0, show_default=True, help="Of history.")
@click.option("--try-tz", multiple=True, metavar="ZONE", help="A time zone to try, as Europe/Berlin.")
@URL
@click.option("--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def tune_command(
    config_file: Path, query: str | None, days: float, try_tz: tuple[str, ...], datasource_url: str | None,
    output: str,
) -> None:  # fmt: skip
    """Suggest settings from history; each is measured by a replay of it.

    \b
    Examples:
      specter detector tune --config detector.yml
      specter detector tune --config detector.yml --query rate --days 60 --try-tz Europe/Berlin
    """
    from specter_detector.backtesting.progress import Progress  # noqa: PLC0415  (numpy; not for --help)
    from specter_detector.backtesting.sources import settings_of  # noqa: PLC0415
    from specter_detector.backtesting.times import check_zones  # noqa: PLC0415
    from specter_detector.backtesting.tune import tune  # noqa: PLC0415
    from specter_detector.backtesting.tune_text import as_json, as_yaml  # noqa: PLC0415
    from specter_detector.config import load  # noqa: PLC0415

    check_zones(try_tz)
    config = load(config_file, datasource_url=datasource_url)
    check_query(config, query)
    settings = [
        settings_of(config, alias)[0]
        for alias in config.reader.queries
        if query in {None, alias} and settings_of(config, alias)
    ]
    with closing(open_reader(config)) as reader, Progress("tune") as progress:
        tunings = [
            tune(
                config, reader, setting, time.time(), days, try_tz,
                lambda share: progress.advance(share / len(settings)),
            )
            for setting in settings
        ]  # fmt: skip
    click.echo(as_json(tunings) if output == "json" else as_yaml(tunings))


@click.command("size")
@click.option("--series", type=click.IntRange(1), required=True, help="How many are to be watched.")
@click.option("--step", required=True, help="Between two values of the history, as 5m.")
@click.option("--fit-every", default="1h", show_default=True, help="Between two refits.")
@click.option("--infer-every", default="15s", show_default=True, help="Between two ticks.")
@click.option("--days", type=click.FloatRange(1, 366), default=28.0, show_default=True, help="Of history.")
@click.option("--check", is_flag=True, help="Also run up to 3,000 series and compare; exit with 1 if off.")
@OUTPUT
def size_command(
    series: int, step: str, fit_every: str, infer_every: str, days: float, check: bool, output: str
) -> None:
    """Predict CPU, memory, disk, bandwidth and shards, from a short measurement on this machine.

    \b
    Examples:
      specter detector size --series 10000 --step 5m
      specter detector size --series 100000 --step 1m --check --output json
    """
    from specter_detector.backtesting import size  # noqa: PLC0415  (numpy; not for --help)
    from specter_detector.backtesting.times import parse_span, parse_step  # noqa: PLC0415

    seconds, every = parse_step(step), parse_span(infer_every, "--infer-every")
    fits = parse_span(fit_every, "--fit-every")
    probe, costs = size.measure(seconds, days, every)
    sizing = size.predict(costs, series, step=seconds, days=days, fit_every=fits, infer_every=every)
    checked = size.check(probe, costs, series, every) if check else None
    click.echo(size.as_json(sizing, checked) if output == "json" else size.as_text(sizing, checked))
    if checked is not None and not checked.ok:
        sys.exit(1)


def check_query(config: "DetectorConfig", query: str | None) -> None:
    """Raise UsageError unless the configuration has a query of that alias."""
    if query is not None and query not in config.reader.queries:
        raise UsageError(f"--query {query!r} is none of the queries: {', '.join(config.reader.queries)}")


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


COMMANDS = (backtest_command, explain_command, tune_command, size_command)
