"""The sign-in exporter: memory and speed under ten million addresses, and what a call costs.

Times are processor time, because the machine is shared. The stream is made of distinct addresses, one
failed attempt each, and of eight sources with a little more than 1 % to 2 % of all failures: four all the
time, four in the first tenth only.
"""

import gc
import multiprocessing
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from socket import inet_ntoa
from time import process_time
from typing import Any

from datasketches import frequent_strings_sketch

from benchmarks import report
from specter_core import metrics
from specter_exporters.signin import Settings, SignIns
from specter_exporters.signin.frequent import FrequentItems

DISTINCT = 10_000_000
CHUNK = 8192
HEAVY = {f"198.51.100.{number}": 0.0105 + 0.0013 * number for number in range(8)}
FREQUENT_LG = 12  # of the peer's table: 3072 counters, as many as ours before a purge
PEER = "datasketches frequent_strings_sketch"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
MB = 1e6
US = 1e6


def report_heavy_hitters(distinct: int = DISTINCT) -> None:
    """Report memory and speed of the whole recorder, and speed of its summary alone beside the peer's."""
    # A process of its own: memory that earlier suites freed would hide what is taken here.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        whole = pool.apply(_whole, (distinct,))
    report("heavy_hitters_mb", whole["mb"], "MB")
    report("heavy_hitters_updates_per_s", whole["per_s"], "1/s")
    report("heavy_hitters_found", whole["found"], f"of {len(HEAVY)}")
    report("heavy_hitters_largest_error", whole["error"] * 100, "% of failures")
    ours, peer = _summaries(distinct // 10)
    report("heavy_hitters_summary_alone_per_s", ours, "1/s", baseline=peer, baseline_name=PEER)


def report_calls(calls: int = 200_000) -> None:
    """Report microseconds a call, counting included."""
    sources, accounts = _columns(calls)
    for name, record in _calls().items():
        record(sources[: calls // 10], accounts[: calls // 10])  # warm
        started = process_time()
        record(sources, accounts)
        report(name, (process_time() - started) / calls * US, "us")


def _chunks(distinct: int) -> Iterator[tuple[list[str], list[str], bool]]:
    """Yield sources and accounts of about `CHUNK` failures, and whether it is the stream's first tenth."""
    share = sum(HEAVY.values())
    total = distinct / (1 - share)
    sent = 0
    while sent < distinct:
        early = sent < distinct / 10
        # Multiplying with an odd number permutes the 32-bit numbers: addresses that are all different.
        sources = [
            inet_ntoa((number * 2_654_435_761 % 2**32).to_bytes(4, "big"))
            for number in range(sent, min(sent + CHUNK, distinct))
        ]
        chunks = distinct / CHUNK
        for place, (source, part) in enumerate(HEAVY.items()):
            if place % 2:
                sources += [source] * round(part * total / chunks + 0.5)
            elif early:
                sources += [source] * round(part * total / (chunks / 10) + 0.5)
        yield sources, [f"user{sent + number}" for number in range(len(sources))], early
        sent += CHUNK


def _whole(distinct: int) -> dict[str, float]:
    signins = SignIns(settings=Settings(show_addresses=True))
    seconds, count, peak = 0.0, 0, 0.0
    warm = next(iter(_chunks(CHUNK)))
    gc.collect()
    base = _resident()
    exact = dict.fromkeys(HEAVY, 0)
    for sources, accounts, _early in _chunks(distinct):
        started = process_time()
        signins.attempts(sources, accounts, "failed")
        seconds += process_time() - started
        count += len(sources)
        for source in HEAVY:
            exact[source] += sources.count(source)
        peak = max(peak, _resident() - base)
    del warm
    (family,) = (each for each in signins.collect() if each.name == metrics.AUTH_SOURCE_FAILURES.name)
    shown = {
        each.labels["source"]: each.value for each in family.samples if each.labels["grouping"] == "address"
    }
    frequent = {source: number for source, number in exact.items() if number > count / 100}
    errors = [number - shown[source] for source, number in frequent.items() if source in shown]
    return {
        "mb": peak / MB,
        "per_s": count / seconds,
        "found": float(len(errors)),
        "error": max(errors, default=count) / count,
    }


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def _summaries(distinct: int) -> tuple[float, float]:
    """Return updates a second of our summary and of the peer's, over the same chunks in turn."""
    ours: FrequentItems[str] = FrequentItems(1024)
    peer = frequent_strings_sketch(FREQUENT_LG)
    update = peer.update
    times = [0.0, 0.0]
    count = 0
    for sources, _, _early in _chunks(distinct):
        started = process_time()
        ours.add(sources)
        between = process_time()
        for source in sources:
            update(source)
        ended = process_time()
        times[0] += between - started
        times[1] += ended - between
        count += len(sources)
    return count / times[0], count / times[1]


def _columns(calls: int) -> tuple[list[str], list[str]]:
    sources: list[str] = []
    accounts: list[str] = []
    for some, names, _early in _chunks(calls):
        sources += some
        accounts += names
    return sources[:calls], accounts[:calls]


def _calls() -> dict[str, Callable[[list[str], list[str]], None]]:
    failing, succeeding, requested = SignIns(), SignIns(), SignIns()

    def each(record: Callable[[str, str], Any]) -> Callable[[list[str], list[str]], None]:
        def run(sources: list[str], accounts: list[str]) -> None:
            for source, account in zip(sources, accounts, strict=True):
                record(source, account)

        return run

    return {
        "signin_failure_us": each(lambda source, account: failing.attempt(source, account, "failed")),
        "signin_success_us": each(lambda source, account: succeeding.attempt(source, account, "success")),
        "signin_request_us": each(lambda source, _account: requested.request(source, FIREFOX)),
    }
