"""Replay alert rules over scores: what would have fired, when, and whether it was right.

The scores become the history of a real Prometheus, which evaluates the rules' expressions; only `for` and
`keep_firing_for` are reckoned here (`alert_states`). A score is held until the next one, at every
evaluation, as the ticks of a running detector do. Nothing else is in that Prometheus but the series' own
values under their own names: a rule that needs more finds nothing.
"""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

import numpy as np

from specter_core.metrics import (
    ANOMALY_CONFIDENCE,
    ANOMALY_DIRECTION,
    ANOMALY_SCORE,
    YHAT,
    YHAT_LOWER,
    YHAT_UPPER,
)
from specter_detector import defaults
from specter_detector.backtesting.alert_report import Alert, AlertReport, Watched, report
from specter_detector.backtesting.alert_states import episodes, firing
from specter_detector.backtesting.chunk import Row, Scored
from specter_detector.backtesting.local_prometheus import (
    LocalPrometheus,
    import_history,
    program,
    record,
    running,
)
from specter_detector.backtesting.outcome import warm_up_samples
from specter_detector.backtesting.rule_file import AlertRule, RuleFile
from specter_detector.models.arrays import Bools, Floats
from specter_detector.output import NAME, output_labels
from specter_detector.series import Labels

LONGEST_INTERVAL = 60.0
COLUMNS = {
    ANOMALY_SCORE: "score",
    YHAT: "yhat",
    YHAT_LOWER: "lower",
    YHAT_UPPER: "upper",
    ANOMALY_CONFIDENCE: "confidence",
    ANOMALY_DIRECTION: "direction",
}


@dataclass(slots=True)
class AlertReplay:
    """Collects scores on disk, then evaluates the rules of a file over them.

    Args:
        rules: what is replayed.
        metric_format: names and labels of the outputs, as in the configuration.
        interval: seconds between two evaluations; a minute, or the shortest step if that is less, by default.
    """

    rules: RuleFile
    metric_format: Mapping[str, str] = field(default_factory=lambda: dict(defaults.METRIC_FORMAT))
    interval: float = LONGEST_INTERVAL
    _folder: "tempfile.TemporaryDirectory[str] | None" = None
    _file: TextIO | None = None
    _watched: list[Watched] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Look for the programs before hours of work, and make a temporary folder."""
        for name in ("prometheus", "promtool"):
            program(name)
        self._folder = tempfile.TemporaryDirectory(prefix="specter-backtest-")
        self._file = (Path(self._folder.name) / "history").open("w", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the folder."""
        if self._file is not None:
            self._file.close()
        if self._folder is not None:
            self._folder.cleanup()

    def take(self, row: Row, scored: Scored) -> None:
        """Write the outputs of one series that the rules speak of."""
        setting = row.setting
        variables = {
            "QUERY_KEY": setting.alias,
            "MODEL_ALIAS": setting.model,
            "SCHEDULER_ALIAS": setting.scheduler,
        }
        said = np.isfinite(scored.score)
        for output, column in COLUMNS.items():
            labels = output_labels(row.labels, self.metric_format, {**variables, "VAR": output})
            if self._spoken_of(dict(labels)[NAME]):
                self._write(labels, row, getattr(scored, column), said)
            if output == ANOMALY_SCORE:
                self._watch(labels, row)
        name = dict(row.labels).get(NAME)
        if name is not None and self._spoken_of(name):
            self._write(row.labels, row, row.values, np.isfinite(row.values))

    def run(self, warm_up: float | None) -> AlertReport:
        """Evaluate the rules and count; see `backtest.backtest`.

        Raises:
            PrometheusError: a program is missing, or an expression is refused.
        """
        if self._file is None or self._folder is None:
            raise RuntimeError("not entered")
        self._file.write("# EOF\n")
        self._file.close()
        folder = Path(self._folder.name)
        data = folder / "data"
        data.mkdir()
        import_history(data, folder / "history")
        (folder / "history").unlink()
        times = self._times()
        if self.rules.records:
            with running(data, self.interval) as server:
                record(server.url, self.rules.path, times, self.interval, data)
        with running(data, self.interval) as server:
            alerts = [alert for rule in self.rules.alerts for alert in self._alerts(server, rule, times)]
        firsts = [
            float(each.times[min(warm_up_samples(each.times, each.step, warm_up), each.times.size - 1)])
            for each in self._watched
        ]
        return report(alerts, self._watched, firsts)

    def _spoken_of(self, name: str) -> bool:
        return re.search(rf"(?<![\w:]){re.escape(name)}(?![\w:])", self.rules.text) is not None

    def _watch(self, labels: Labels, row: Row) -> None:
        bare = {name: value for name, value in labels if name != NAME}
        self._watched.append(Watched(row.series, bare, row.times, row.setting.options.step, row.truth))

    def _write(self, labels: Labels, row: Row, values: Floats, said: Bools) -> None:
        """Write `values` where something is said, each held until the next sample."""
        if self._file is None:
            raise RuntimeError("not entered")
        rest = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels if name != NAME)
        series = f"{dict(labels)[NAME]}{{{rest}}}"
        step = row.setting.options.step
        for at, value in zip(row.times[said].tolist(), values[said].tolist(), strict=True):
            first = np.ceil(at / self.interval) * self.interval
            held = np.arange(first, at + step - 1e-6, self.interval).tolist()
            self._file.writelines(f"{series} {value:.9g} {moment:.0f}\n" for moment in held)

    def _times(self) -> Floats:
        first = min(each.times[0] for each in self._watched)
        last = max(each.times[-1] + each.step for each in self._watched)
        start = np.ceil(first / self.interval) * self.interval
        return np.asarray(np.arange(start, last + self.interval / 2, self.interval), np.float64)

    def _alerts(self, server: LocalPrometheus, rule: AlertRule, times: Floats) -> list[Alert]:
        holds: dict[tuple[tuple[str, str], ...], Bools] = {}
        for labels, stamps in server.range(rule.expr, times, self.interval):
            labels.pop(NAME, None)
            held = holds.setdefault(tuple(sorted(labels.items())), np.zeros(times.size, np.bool_))
            held[np.rint((stamps - times[0]) / self.interval).astype(np.int64)] = True
        return [
            Alert(rule.name, dict(labels), start, end)
            for labels, held in sorted(holds.items())
            for start, end in episodes(times, firing(times, held, rule.pending, rule.keep))
        ]


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
