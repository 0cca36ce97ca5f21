"""Write the scores of each series to a CSV file."""

import csv
import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.evaluation.series import LabelledSeries, Scores

HEADER = ("timestamp", "value", "label", "score", "confidence")


def write_scores(folder: Path, series: LabelledSeries, scores: Scores) -> Path:
    """Write `timestamp,value,label,score,confidence` to the file under `folder` that has the series' name.

    A row is a sample of the grid: times are ISO 8601 in UTC, what is unknown is empty. Missing folders are
    made.
    """
    path = folder / series.name
    path.parent.mkdir(parents=True, exist_ok=True)
    labelled = np.ones(len(series.times), dtype=np.bool_) if series.labelled is None else series.labelled
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for row in zip(
            series.times.tolist(),
            series.values.tolist(),
            series.anomalous.tolist(),
            labelled.tolist(),
            scores.score.tolist(),
            scores.confidence.tolist(),
            strict=True,
        ):
            time, value, anomalous, known, score, confidence = row
            label = str(int(anomalous)) if known else ""
            writer.writerow(
                (_moment(time), _number(value, 17), label, _number(score, 6), _number(confidence, 6))
            )
    return path


def _moment(time: float) -> str:
    whole = time.is_integer()
    moment = datetime.fromtimestamp(time, UTC)
    return moment.isoformat(timespec="seconds" if whole else "milliseconds").replace("+00:00", "Z")


def _number(value: float, digits: int) -> str:
    if math.isnan(value):
        return ""
    return repr(value) if digits >= 17 else f"{value:.{digits}g}"
