"""The newest run as a file for node_exporter's textfile collector, beside a receiver or without one."""

import logging
import re
from collections.abc import Mapping
from pathlib import Path

from specter_core import metrics
from specter_core.files import replace_file
from specter_core.metrics import FAILED, JOB_NAME, LOST, SUCCESS, Metric
from specter_exporters.run.pings import FAIL, LOG, START, Ping

logger = logging.getLogger(__name__)

_LINE = re.compile(r"(\w+\{[^{}]*\}) (\S+)")
EXPOSED = (
    metrics.JOB_RUNS,
    metrics.JOB_LAST_START,
    metrics.JOB_LAST_SUCCESS,
    metrics.JOB_LAST_FAILURE,
    metrics.JOB_LAST_DURATION,
    metrics.JOB_RUNNING,
    metrics.JOB_RUNNING_SINCE,
    metrics.JOB_EXIT_STATUS,
    metrics.JOB_ATTEMPTS,
)


class Textfile:
    """The file of a job; it is told what a receiver is told.

    Args:
        folder: that node_exporter reads (`--collector.textfile.directory`).
        job: its name.
    """

    def __init__(self, folder: Path, job: str) -> None:
        self._path = folder / f"specter_job_{job}.prom"
        self._job = job

    def put(self, ping: Ping) -> None:
        """Take `ping` into the file, which is replaced in one step; what goes wrong is logged."""
        if ping.action == LOG or (ping.action.isdecimal() and not ping.attempts):
            return  # a remark, or a run that did not begin: one that goes on is none of its business
        try:
            values = _after(self._known(), ping, self._job)
            replace_file(self._path, [exposition(values).encode()], durable=False, mode=0o644)
        except OSError as error:
            logger.warning("%s is not written: %s", self._path, error.strerror)

    def _known(self) -> dict[str, float]:
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return {}
        return values_of(text)


def values_of(text: str) -> dict[str, float]:
    """Return the value of each series in `text`; lines that are none are left out."""
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return {match[1]: float(match[2]) for match in found if match and _is_number(match[2])}


def exposition(values: Mapping[str, float]) -> str:
    """Return `values` by series in Prometheus' text format."""
    lines: list[str] = []
    for metric in EXPOSED:
        mine = [(series, value) for series, value in values.items() if series.startswith(f"{metric.name}{{")]
        if mine:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
            lines += [f"{series} {value!r}" for series, value in mine]
    return "".join(f"{line}\n" for line in lines)


def _after(known: Mapping[str, float], ping: Ping, job: str) -> dict[str, float]:
    """Return the series after `ping`: what it does not tell stays, above all the last success."""
    values = {_series(metrics.JOB_RUNS, job, outcome): 0.0 for outcome in (SUCCESS, FAILED, LOST)}
    values |= known
    running, since = _series(metrics.JOB_RUNNING, job), _series(metrics.JOB_RUNNING_SINCE, job)
    began = values.pop(since, None)
    if ping.action == START:
        return values | {_series(metrics.JOB_LAST_START, job): ping.at, since: ping.at, running: 1.0}
    values[running] = 0.0
    if ping.action != FAIL:
        values[_series(metrics.JOB_EXIT_STATUS, job)] = float(ping.action)
        values[_series(metrics.JOB_ATTEMPTS, job)] = float(ping.attempts)
        if began is not None:
            values[_series(metrics.JOB_LAST_DURATION, job)] = max(0.0, ping.at - began)
    # FAIL tells of the run before, which has not told its end.
    outcome = {"0": SUCCESS, FAIL: LOST}.get(ping.action, FAILED)
    when = metrics.JOB_LAST_SUCCESS if outcome == SUCCESS else metrics.JOB_LAST_FAILURE
    return values | {
        _series(metrics.JOB_RUNS, job, outcome): values[_series(metrics.JOB_RUNS, job, outcome)] + 1,
        _series(when, job): ping.at,
    }


def _series(metric: Metric, job: str, outcome: str = "") -> str:
    more = f',{metrics.OUTCOME}="{outcome}"' if outcome else ""
    return f'{metric.name}{{{JOB_NAME}="{job}"{more}}}'


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
