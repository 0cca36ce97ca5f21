"""Ticks of a detector beside a real Prometheus, which is fed the present values before each.

The detector is in a process of its own, so that its memory can be told: it is made of the real pieces, and
keeps history, state and spool in a folder. What it has learnt is that of a few hundred series with four
weeks of history, given to all. The peer comes afterwards, with another Prometheus that knows as many series.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks import report
from benchmarks.servicing.assembly import Assembly, MovedClock, config_of
from benchmarks.servicing.feed import Feed
from benchmarks.servicing.memory import anonymous_mb
from benchmarks.servicing.peer import PEER, Peer
from benchmarks.servicing.series import METRIC, some_labels, values_at
from specter_core.clock import align_down
from specter_detector.allocation import return_large_arrays
from specter_detector.http import open_session
from specter_detector.own_output import own_output
from specter_detector.reader import PrometheusReader
from specter_detector.remote_write import RemoteWriteClient
from tests.servers.prometheus import Prometheus, running_prometheus

INTERVAL, STEP = 15.0, 300.0
FIT_PAUSE = 0.1
"""Seconds of a batch of a fit."""
MOST_WARM_UP = 19
"""Ticks until all series have been scored once, which begins while they are fitted."""
PARTS = ("read", "score", "encode", "write")
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
    report(f"tick_{name}_kept_remember_s", taken[-1]["remember"], "s")
    report(f"tick_{name}_first_s", max(each["tick"] for each in first), "s")
    if memory:
        report(f"tick_{name}_rss_mb", largest["ticks"], "MB")
        report(f"tick_{name}_rss_saving_mb", largest["saving"], "MB")


def _ours(folder: Path, series: int, ticks: int) -> tuple[list[Seconds], list[Seconds], Seconds]:
    """Return the seconds of each tick, of the warm-up, and the megabytes with and without a checkpoint."""
    labels = some_labels(series, METRIC)
    kept = align_down(time.time() - 60.0, STEP)
    begin = kept - 2 * STEP
    measured = [kept - INTERVAL * number for number in range(ticks)][::-1]
    with (
        running_prometheus(folder / "prometheus") as server,
        closing(Feed(server.url, labels)) as feed,
        _detector(folder, server, series, begin) as child,
    ):

        def tick(at: float) -> Seconds:
            feed.write(at, values_at(at, series))
            return child.ask("tick", at)

        first = [tick(begin)]
        child.ask("fit", begin)
        while first[-1]["scored"] < series or first[-2]["scored"] < series:
            if len(first) > MOST_WARM_UP:
                raise RuntimeError(f"only {first[-1]['scored']:.0f} of {series} series are scored")
            first.append(tick(begin + INTERVAL * len(first)))
        child.largest = 0.0
        taken = [tick(at) for at in measured]
        if min(each["scored"] for each in taken) < series:
            raise RuntimeError("not all series were scored")
        largest = {"ticks": child.largest}
        child.ask("save", kept)
        child.largest = 0.0
        tick(kept + INTERVAL)
        child.ask("saved", kept)
        largest["saving"] = child.largest
    return taken, first, largest


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
    return_large_arrays()
    config = config_of(url, series)
    own = own_output(config.writer.form.template)
    reader = PrometheusReader(
        config.reader, open_session(config.reader.connection), accepts=lambda labels: not own(labels)
    )
    sink = RemoteWriteClient(url, open_session(config.writer.connection))
    detector = Assembly(
        config, folder, clock=MovedClock(), reader=reader, sink=sink, begin=begin, pause=FIT_PAUSE
    )
    with closing(reader), closing(sink), closing(detector), ThreadPoolExecutor(1, "fits") as fits:
        while (asked := connection.recv()) is not None:
            what, at = asked
            answer: Seconds = {}
            if what == "tick":
                answer = {**detector.tick(at), "scored": detector.job.counts.get("scored", 0)}
            elif what == "fit":
                # As in the service: in a thread of its own, while ticks go on.
                fits.submit(detector.fit, at)
            elif what == "save":
                detector.save_at_next_tick()
            elif what == "saved":
                detector.wait_until_saved()
            connection.send(answer)


def _median(taken: Sequence[Seconds], part: str) -> float:
    return statistics.median(each.get(part, 0.0) for each in taken)
