"""Ticks of a detector beside a real Prometheus, which is fed the present values before each.

The detector is in a process of its own, so that its memory can be told: it is made of the real pieces, and
keeps history, state and spool in a folder. What it has learnt is that of a few hundred series with four
weeks of history, given to all. The peer comes afterwards, with another Prometheus that knows as many series.
"""

import multiprocessing
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks import report
from benchmarks.servicing.assembly import Assembly, MovedClock, config_of
from benchmarks.servicing.feed import Feed
from benchmarks.servicing.peer import PEER, Peer
from benchmarks.servicing.series import METRIC, STEP, some_labels, values_at
from specter_core.clock import align_down
from specter_detector.http import open_session
from specter_detector.own_output import own_output
from specter_detector.reader import PrometheusReader
from specter_detector.remote_write import RemoteWriteClient
from tests.servers.prometheus import Prometheus, running_prometheus

INTERVAL = 15.0
WARM_UP = 3
"""Ticks: all series are new, all are fitted, all have been written once."""
PARTS = ("read", "score", "remember", "encode", "write")
MB = 1000**2
SAMPLING = 0.02

Seconds = dict[str, float]


def report_ticks(series: int, name: str, *, ticks: int, peer_ticks: int, memory: bool) -> None:
    """Report the median tick, its parts, and the one whose values are kept as history.

    Args:
        series: how many.
        name: of the figures, such as 10k.
        ticks: measured, after the warm-up; the last is one that is kept.
        peer_ticks: measured of the peer.
        memory: whether to report it.
    """
    with tempfile.TemporaryDirectory() as folder:
        taken, first, largest = _ours(Path(folder), series, ticks)
    with tempfile.TemporaryDirectory() as folder:
        theirs = _theirs(Path(folder), series, peer_ticks)
    report(f"tick_{name}_s", _median(taken, "tick"), "s", baseline=theirs, baseline_name=PEER)
    for part in PARTS:
        report(f"tick_{name}_{part}_s", _median(taken, part), "s")
    report(f"tick_{name}_kept_s", taken[-1]["tick"], "s")
    report(f"tick_{name}_first_s", max(each["tick"] for each in first), "s")
    if memory:
        report(f"tick_{name}_rss_mb", largest["ticks"], "MB")
        report(f"tick_{name}_rss_saving_mb", largest["saving"], "MB")


def _ours(folder: Path, series: int, ticks: int) -> tuple[list[Seconds], list[Seconds], Seconds]:
    """Return the seconds of each tick, of the warm-up, and the megabytes with and without a checkpoint."""
    labels = some_labels(series, METRIC)
    kept = align_down(time.time() - 60.0, STEP)
    times = [kept - STEP + INTERVAL * number for number in range(WARM_UP)]
    times += [kept - INTERVAL * number for number in range(ticks)][::-1]
    with (
        running_prometheus(folder / "prometheus") as server,
        closing(Feed(server.url, labels)) as feed,
        _detector(folder, server, series, times[0]) as child,
    ):
        taken = []
        for number, at in enumerate(times):
            feed.write(at, values_at(at, series))
            if number == 1:
                child.ask("fit", times[0])
            taken.append(child.ask("tick", at))
        largest = {"ticks": child.largest}
        child.ask("save", 0.0)
        feed.write(kept + INTERVAL, values_at(kept + INTERVAL, series))
        child.ask("tick", kept + INTERVAL)
        child.ask("saved", 0.0)
        largest["saving"] = child.largest
    return taken[WARM_UP:], taken[:WARM_UP], largest


def _theirs(folder: Path, series: int, ticks: int) -> float:
    """Return the median seconds of a tick of the peer after the first."""
    begin = align_down(time.time() - 60.0, STEP) - INTERVAL * ticks
    with (
        running_prometheus(folder / "prometheus") as server,
        closing(Feed(server.url, some_labels(series, METRIC))) as feed,
        closing(Peer(server.url)) as peer,
    ):
        taken = []
        for number in range(ticks + 1):
            at = begin + INTERVAL * number
            feed.write(at, values_at(at, series))
            started = time.perf_counter()
            if peer.tick(at) != 4 * series:
                raise RuntimeError("the peer did not write all")
            taken.append(time.perf_counter() - started)
        return statistics.median(taken[1:])


class Child:
    """A detector in another process.

    Attributes:
        largest: megabytes of anonymous memory that it had at most.
    """

    def __init__(self, connection: Connection, pid: int) -> None:
        self.largest = 0.0
        self._connection = connection
        self._pid = pid

    def ask(self, what: str, at: float) -> Seconds:
        """Let it do `what` at Unix time `at` (s)."""
        self._connection.send((what, at))
        while not self._connection.poll(SAMPLING):
            self.largest = max(self.largest, anonymous_mb(self._pid))
        answer: Seconds = self._connection.recv()
        return answer


@contextmanager
def _detector(folder: Path, server: Prometheus, series: int, begin: float) -> Iterator[Child]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, server.url, folder / "detector", series, begin))
    process.start()
    theirs.close()
    assert process.pid is not None
    try:
        yield Child(ours, process.pid)
        ours.send(None)
        process.join()
    finally:
        process.kill()
        process.join()


def _run(connection: Connection, url: str, folder: Path, series: int, begin: float) -> None:
    """Do what is asked of a detector until it is told to stop."""
    config = config_of(url, series)
    own = own_output(config.writer.form.template)
    reader = PrometheusReader(
        config.reader, open_session(config.reader.connection), accepts=lambda labels: not own(labels)
    )
    sink = RemoteWriteClient(url, open_session(config.writer.connection))
    detector = Assembly(config, folder, clock=MovedClock(), reader=reader, sink=sink, begin=begin)
    with closing(reader), closing(sink), closing(detector):
        while (asked := connection.recv()) is not None:
            what, at = asked
            answer: Seconds = {}
            if what == "tick":
                answer = detector.tick(at)
                missing = 0 if detector.job.counts.get("warming") else series - detector.job.counts["scored"]
                if missing:
                    raise RuntimeError(f"{missing} series were not scored")
            elif what == "fit":
                detector.fit(at)
            elif what == "save":
                detector.save_at_next_tick()
            elif what == "saved":
                detector.wait_until_saved()
            connection.send(answer)


def anonymous_mb(pid: int | str = "self") -> float:
    """Return the megabytes of memory of a process that are no file's."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = re.search(r"^RssAnon:\s*(\d+) kB", status, re.M)
    return float(found[1]) * 1024 / MB if found else float("nan")


def _median(taken: Sequence[Seconds], part: str) -> float:
    return statistics.median(each.get(part, 0.0) for each in taken)
