"""The scores that the running detector has written, as the server keeps them."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from specter_core.metrics import ANOMALY_SCORE
from specter_detector.backtesting.chunk import Setting
from specter_detector.config import Writer
from specter_detector.output import NAME, output_labels, writable
from specter_detector.prometheus_api import PrometheusApi
from specter_detector.series import Labels

MILLISECOND = 0.001


@dataclass(frozen=True, slots=True)
class Stored:
    """The highest score that is stored of a series in a stretch.

    Attributes:
        start, end: of the stretch, Unix seconds; the end is not in it.
        score: the highest.
        at: when it was first written, Unix seconds.
    """

    start: float
    end: float
    score: float
    at: float


class StoredScores:
    """Asks the data source for scores: there they are, unless the detector writes elsewhere.

    Args:
        api: of the data source.
        writer: says what they are called.
        timeout: of a question (s).
    """

    def __init__(self, api: PrometheusApi, writer: Writer, timeout: float) -> None:
        self._api = api
        self._template = writer.form.templates([ANOMALY_SCORE])[ANOMALY_SCORE]
        self._scraped = writer.scrape
        self._timeout = timeout

    def highest(self, setting: Setting, labels: Labels, start: float, end: float) -> Stored | None:
        """Return the highest score of the series `labels` from `start` to before `end`; None for no score.

        Raises:
            DatasourceError: there is no answer.
        """
        variables = {
            "VAR": ANOMALY_SCORE,
            "QUERY_KEY": setting.alias,
            "MODEL_ALIAS": setting.model,
            "SCHEDULER_ALIAS": setting.scheduler,
        }
        wanted = dict(output_labels(labels, self._template, variables))
        if not writable(labels):
            return None
        # The samples as they are, not max_over_time: their times are asked for, too.
        selector = ",".join(
            f"{name}={json.dumps(value, ensure_ascii=False)}"
            for name, value in wanted.items()
            if name != NAME
        )
        expr = f"{wanted[NAME]}{{{selector}}}[{round((end - start) * 1000)}ms]"
        rows = self._api.query(expr, end - MILLISECOND, self._timeout)
        samples = [
            (float(score), float(at))
            for row in rows
            if self._meant(row["metric"], wanted)
            for at, score in row["values"]
            if start <= float(at) < end and not math.isnan(float(score))
        ]
        if not samples:
            return None
        score, at = max(samples, key=lambda sample: (sample[0], -sample[1]))
        return Stored(start, end, score, at)

    def _meant(self, found: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
        """Tell the series from those that have further labels; a scrape adds `job` and `instance`."""
        further = found.keys() - wanted.keys()
        return not further or (self._scraped and further <= {"job", "instance"})
