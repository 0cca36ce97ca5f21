"""`specter detector backtest`: replay history strictly causally, write the scores, count what they say."""

import json
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from specter_core.errors import SpecterError
from specter_detector.backtesting.alert_replay import AlertReplay
from specter_detector.backtesting.alert_report import AlertReport
from specter_detector.backtesting.chunk import Row, Scored, Task, chunks, score, task_of
from specter_detector.backtesting.executor import Executor
from specter_detector.backtesting.labels import Windows
from specter_detector.backtesting.progress import Progress
from specter_detector.backtesting.score_files import ScoreFiles
from specter_detector.backtesting.summary import Summary

LOGGER = logging.getLogger(__name__)


class Sink(Protocol):
    """Takes in each series once it is scored."""

    def take(self, row: Row, scored: Scored) -> None:
        """Take one series."""


@dataclass(frozen=True, slots=True)
class Backtest:
    """What came of it.

    Attributes:
        summary: the counts.
        files: that were written.
        alerts: what the alert rules would have done; None without rules.
    """

    summary: Summary
    files: tuple[Path, ...]
    alerts: AlertReport | None

    def json(self) -> str:
        """Render for scripts: one document."""
        document = self.summary.document()
        document["files"] = [str(path) for path in self.files]
        document["alerts"] = None if self.alerts is None else self.alerts.document()
        return json.dumps(document)

    def text(self) -> str:
        """Render for people."""
        lines = [self.summary.text()]
        if self.alerts is not None:
            lines.append(self.alerts.text())
        lines.append(f"Scores: {', '.join(str(path) for path in self.files)}")
        return "\n".join(lines)


def backtest(
    groups: Iterable[list[Row]],
    count: int,
    out: Path,
    executor: Executor,
    *,
    windows: Windows | None = None,
    alerts: AlertReplay | None = None,
    warm_up: float | None = None,
) -> Backtest:
    """Replay every series, write a CSV file an input into the folder `out`, and count.

    Args:
        groups: the series of each input, read as they are needed.
        count: how many inputs there are, for the progress bar.
        out: created if need be; files of the same name are replaced.
        executor: what replays. The results do not depend on it.
        windows: labels that replace those of the inputs.
        alerts: rules to replay over the scores.
        warm_up: seconds at the start of each series that are not counted.

    Raises:
        SpecterError: an input cannot be read, nothing is in it, or a file cannot be written.
    """
    summary = Summary(warm_up)
    with ExitStack() as stack:
        files = stack.enter_context(ScoreFiles(out))
        progress = stack.enter_context(Progress("backtest"))
        sinks: list[Sink] = [summary, files, *([alerts] if alerts else [])]
        for row, scored, share in _replay(_rows(groups, count, windows), executor):
            for sink in sinks:
                sink.take(row, scored)
            progress.advance(share)
        if not summary.series:
            raise SpecterError("there is no series to replay: no query returned a value in this time")
        if windows is not None and (unused := windows.unused((s.series, s.file) for s in summary.series)):
            LOGGER.warning("%s: no series is called %s; %s", windows.path, ", ".join(unused), _some(summary))
        report = None if alerts is None else alerts.run(warm_up)
    return Backtest(summary, tuple(files.written), report)


def _rows(groups: Iterable[list[Row]], count: int, windows: Windows | None) -> Iterator[tuple[Row, float]]:
    """Yield each series and which share of the whole it is."""
    for group in groups:
        for row in group:
            labelled = row if windows is None else replace(row, truth=windows.truth(row))
            yield labelled, 1 / (count * len(group))


def _replay(rows: Iterable[tuple[Row, float]], executor: Executor) -> Iterator[tuple[Row, Scored, float]]:
    """Yield each series with its scores and its share, in order; what is in flight is all that is held."""
    shares: deque[float] = deque()
    waiting: deque[list[Row]] = deque()

    def taken() -> Iterator[Row]:
        for row, share in rows:
            shares.append(share)
            yield row

    def tasks() -> Iterator[Task]:
        for chunk in chunks(taken()):
            waiting.append(chunk)
            yield task_of(chunk)

    for scored in executor.map(score, tasks()):
        for number, row in enumerate(waiting.popleft()):
            yield row, scored.row(number, row.times.size), shares.popleft()


def _some(summary: Summary) -> str:
    names = sorted({each.series for each in summary.series})
    return f"there are {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
