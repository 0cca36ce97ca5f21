"""Detector accuracy on labelled series: F1 by event, false alarms, delay, coverage, and NAB scores.

Events and false alarms are counted as `evaluation.events` says, an alarm being a score above 1. Beside the
detector stand, on the same series, a rolling z-score over a day whose threshold is the best in hindsight,
noise likewise, and a detector that is always in alarm. F1 comes with the 95 % interval of a bootstrap over
series.
"""

import importlib
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from benchmarks import report
from benchmarks.evaluation import events, nab
from benchmarks.evaluation.baselines import AlwaysOn, Random, RollingZ, windowed_gaussian
from benchmarks.evaluation.datasets import NabSeries, read_cloud, read_labelled, read_nab
from benchmarks.evaluation.ours import Specter
from benchmarks.evaluation.rows import DataError, MissingDataError
from benchmarks.evaluation.running import run
from benchmarks.evaluation.score_files import write_scores
from benchmarks.evaluation.series import Detector, LabelledSeries, Scores

WITHOUT_DATA = ("--synthetic",)

HOUR = 3_600.0
SHARE = "share"
POINTS = "points"
GAUSSIAN = "windowed Gaussian, best threshold"
GAUSSIAN_PUBLISHED = {"standard": 39.6, "low_fp": 20.9, "low_fn": 47.4}

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class EventSet:
    """Series that are scored together by event.

    Attributes:
        name: for messages.
        prefix: of the names of its results.
        series: of the set.
        rolling_hour: whether a rolling z-score over an hour is measured too.
    """

    name: str
    prefix: str
    series: tuple[LabelledSeries, ...]
    rolling_hour: bool = False


@click.command("accuracy")
@click.option("--labelled", type=FOLDER, help="Folder of CSV files: timestamp,value,label.")
@click.option(
    "--nab", "nab_folder", type=FOLDER, help="Folder of the Numenta Anomaly Benchmark: data, labels."
)
@click.option("--cloud", type=FOLDER, help="Folder of the cloud-monitoring set.")
@click.option("--synthetic", is_flag=True, help="Made-up series of known truth; needs no data.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write each series' scores under this folder, at its path in its own.",
)
def suite(
    labelled: Path | None, nab_folder: Path | None, cloud: Path | None, synthetic: bool, out: Path | None
) -> None:
    """Measure how well the detector finds labelled anomalies, and how often it alarms without one."""
    if not (labelled or nab_folder or cloud or synthetic):
        raise click.UsageError("say what to measure: --labelled DIR, --nab DIR, --cloud DIR or --synthetic")
    detector = Specter()
    try:
        sets = [*_labelled_set(labelled), *_cloud_sets(cloud)]
        corpus = read_nab(nab_folder) if nab_folder else ()
    except MissingDataError as error:
        raise click.UsageError(str(error)) from error
    except DataError as error:
        raise click.ClickException(str(error)) from error
    _check_names([*(one.name for each in sets for one in each.series), *(one.name for one in corpus)], out)
    for each in sets:
        report_events(each, detector, out)
    if corpus:
        report_nab(corpus, detector, out)
    if synthetic:
        importlib.import_module("benchmarks.evaluation.synthetic").run(detector)


def report_events(what: EventSet, detector: Detector, out: Path | None) -> None:
    """Print what a detector and the baselines come to on a set; write the detector's scores under `out`."""
    scores = run(detector, what.series, what.name, sys.stderr)
    _write(what.series, scores, out)
    outcomes = _judge(what.series, scores)
    ours = events.total(outcomes)
    low, high = events.f1_interval(outcomes)
    rolling = _at_best_threshold(RollingZ(), what.series)
    peer = f"{RollingZ().name}, best threshold"
    name = what.prefix
    report(f"{name}series", len(what.series), "series")
    report(f"{name}events", ours.events, "events")
    report(f"{name}event_f1", ours.f1, SHARE, baseline=rolling.f1, baseline_name=peer)
    report(f"{name}event_f1_low", low, SHARE)
    report(f"{name}event_f1_high", high, SHARE)
    report(f"{name}event_precision", ours.precision, SHARE)
    report(f"{name}event_recall", ours.recall, SHARE)
    report(f"{name}false_alarms_per_series_day", ours.false_alarms_per_day, "1/d")
    report(f"{name}delay_median_s", statistics.median(ours.delays or [float("nan")]), "s")
    report(f"{name}delay_mean_s", statistics.fmean(ours.delays or [float("nan")]), "s")
    report(f"{name}coverage", ours.coverage, SHARE)
    always = events.total(_judge(what.series, AlwaysOn().scores(what.series)))
    report(f"{name}always_on_event_f1", always.f1, SHARE)
    report(f"{name}random_event_f1", _at_best_threshold(Random(), what.series).f1, SHARE)
    report(f"{name}rolling_z_best_event_f1", rolling.f1, SHARE)
    if what.rolling_hour:
        hour = _at_best_threshold(RollingZ(HOUR), what.series)
        report(f"{name}rolling_z_hour_best_event_f1", hour.f1, SHARE)


def report_nab(corpus: Sequence[NabSeries], detector: Detector, out: Path | None) -> None:
    """Print NAB's scores of a detector beside the windowed Gaussian's, and these beside what is published."""
    series = [one.labelled_series() for one in corpus]
    scores = run(detector, series, "nab", sys.stderr)
    _write(series, scores, out)
    ours = nab.gather(corpus, [one.by_row(its.score) for one, its in zip(corpus, scores, strict=True)])
    theirs = nab.gather(corpus, [windowed_gaussian(one.rows.values) for one in corpus])
    for profile in nab.PROFILES:
        name = f"nab_{profile.name}"
        peer = nab.optimised(theirs, profile).score
        report(name, nab.optimised(ours, profile).score, POINTS, baseline=peer, baseline_name=GAUSSIAN)
        fixed = nab.at_threshold(ours, profile).score
        report(f"{name}_fixed", fixed, POINTS, baseline=peer, baseline_name=GAUSSIAN)
    for profile in nab.PROFILES:
        suffix = "" if profile.name == "standard" else f"_{profile.name}"
        report(
            f"nab_check_windowed_gaussian{suffix}",
            nab.optimised(theirs, profile).score,
            POINTS,
            baseline=GAUSSIAN_PUBLISHED[profile.name],
            baseline_name="published",
        )


def _labelled_set(folder: Path | None) -> Iterable[EventSet]:
    if folder is None:
        return
    found = read_labelled(folder)
    for message in found.left_out:
        click.echo(message, err=True)
    if not found.series:
        raise MissingDataError(f"{folder}: no CSV file in it has values and labels")
    yield EventSet("labelled", "", found.series)


def _cloud_sets(folder: Path | None) -> Iterable[EventSet]:
    if folder is None:
        return
    cloud = read_cloud(folder)
    sets = (
        EventSet("cloud, hourly", "cloud_hourly_", cloud.hourly),
        EventSet("cloud, by minute", "cloud_minute_", cloud.minute, rolling_hour=True),
    )
    for one in sets:
        if one.series:
            yield one
        else:
            click.echo(f"{folder}: no series for the set {one.name}", err=True)


def _check_names(names: Sequence[str], out: Path | None) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if out is not None and twice:
        raise click.UsageError(
            f"--out: {len(twice)} files of the same name in two folders, such as {twice[0]}"
        )


def _judge(
    series: Sequence[LabelledSeries], scores: Sequence[Scores], above: float = 1.0
) -> list[events.Outcome]:
    return [events.judge(one, its, above) for one, its in zip(series, scores, strict=True)]


def _at_best_threshold(detector: Detector, series: Sequence[LabelledSeries]) -> events.Outcome:
    scores = detector.scores(series)
    return events.total(_judge(series, scores, events.best_threshold(series, scores)))


def _write(series: Sequence[LabelledSeries], scores: Sequence[Scores], out: Path | None) -> None:
    if out is None:
        return
    try:
        for one, its in zip(series, scores, strict=True):
            write_scores(out, one, its)
    except OSError as error:
        raise click.ClickException(f"--out: {error}") from error
