"""Feedback: what is stored stays stored, through crashes, damage and a full disk; nothing grows for ever."""

import json
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from specter_detector.series import labels_of
from specter_detector.web.feedback import (
    KEPT,
    FeedbackCollector,
    FeedbackError,
    FeedbackStore,
    UnknownWindowError,
    covered,
)
from tests.detector.web_watch import NOW, FixedClock

SHOP = labels_of({"service": "shop", "text": 'a"\\\n🦊\u202e'})
OTHER = labels_of({"service": "other"})


def store(path: Path, clock: FixedClock | None = None, most: int = 100) -> FeedbackStore:
    numbers = count(1 + (path.read_bytes().count(b"\n") if path.exists() else 0))
    return FeedbackStore(path, clock=clock or FixedClock(), new_id=lambda: f"w{next(numbers)}", most=most)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "feedback.jsonl"


def test_what_is_stored_is_there_after_a_restart_and_what_is_withdrawn_is_not(path: Path) -> None:
    first = store(path)
    kept = first.add("rate", SHOP, NOW - 600, NOW, "incident", author="ada")
    taken = first.add("rate", OTHER, NOW - 600, NOW, "normal")
    assert first.withdraw(taken.id) == taken
    again = store(path)
    assert again.windows() == first.windows() == (kept,)
    assert (kept.query, kept.labels, kept.kind) == ("rate", SHOP, "incident")
    assert (kept.author, kept.created) == ("ada", NOW)
    assert path.stat().st_mode & 0o077 == 0
    with pytest.raises(UnknownWindowError, match=taken.id):
        again.withdraw(taken.id)


def test_the_same_said_twice_is_one_window(path: Path) -> None:
    subject = store(path)
    one = subject.add("rate", SHOP, NOW - 600, NOW, "normal")
    assert subject.add("rate", SHOP, NOW - 600, NOW, "normal") == one
    assert subject.add("rate", SHOP, NOW - 600, NOW, "incident") != one
    assert len(path.read_text().splitlines()) == 2


def test_a_line_cut_short_by_a_crash_costs_no_other(path: Path) -> None:
    window = store(path).add("rate", SHOP, NOW - 600, NOW, "normal")
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole + whole[:cut])
        subject = store(path)
        assert subject.windows() == (window,)
        new = subject.add("rate", OTHER, NOW - 600, NOW, "normal")
        assert store(path).windows() == (window, new)


def test_damaged_lines_are_set_aside_and_said(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    window = store(path).add("rate", SHOP, NOW - 600, NOW, "normal")
    line = json.loads(path.read_text())
    bad = [b"\xff\xfe", b"[]", b"{}", b"null", b"1", json.dumps({**line, "kind": "odd"}).encode()]
    bad.append(json.dumps({**line, "labels": [1]}).encode())
    damaged = b"\n".join([*bad, path.read_bytes()])
    path.write_bytes(damaged)
    assert store(path).windows() == (window,)
    assert "7 lines" in caplog.text
    assert "line 1" in caplog.text
    assert path.with_name("feedback.jsonl.damaged").read_bytes() == damaged
    caplog.clear()
    assert store(path).windows() == (window,)
    assert caplog.text == ""


def test_windows_are_bounded_and_old_ones_expire(path: Path) -> None:
    clock = FixedClock()
    subject = store(path, clock, most=3)
    for number in range(3):
        subject.add("rate", SHOP, NOW - 600, NOW + number, "normal")
    with pytest.raises(FeedbackError, match="3 windows already: withdraw some"):
        subject.add("rate", SHOP, NOW - 600, NOW + 9, "normal")
    clock.now = NOW + KEPT + 1.5
    assert [window.end for window in subject.windows()] == [NOW + 2]
    subject.add("rate", SHOP, clock.now - 600, clock.now, "normal")


def test_the_file_does_not_grow_with_what_was_withdrawn(path: Path) -> None:
    subject = store(path)
    kept = subject.add("rate", OTHER, NOW - 600, NOW, "incident")
    for _ in range(400):
        subject.withdraw(subject.add("rate", SHOP, NOW - 600, NOW, "normal").id)
    assert len(path.read_text().splitlines()) < 600
    assert store(path).windows() == (kept,)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file become larger than `size`: a full disk."""
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old)


@pytest.mark.parametrize("room", [0, 1, 50])
def test_a_full_disk_is_said_and_leaves_no_half_line(path: Path, room: int) -> None:
    subject = store(path)
    window = subject.add("rate", SHOP, NOW - 600, NOW, "normal")
    with (
        largest_file(path.stat().st_size + room),
        pytest.raises(FeedbackError, match=r"cannot write .*jsonl"),
    ):
        subject.add("rate", OTHER, NOW - 600, NOW, "normal")
    assert subject.windows() == store(path).windows() == (window,)
    later = subject.add("rate", OTHER, NOW - 600, NOW, "normal")
    assert store(path).windows() == (window, later)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Exception, match=r"feedback: cannot read .*file/feedback.jsonl: "):
        store(tmp_path / "file" / "feedback.jsonl")


def test_the_metric_counts_windows_of_queries_that_exist(path: Path) -> None:
    subject = store(path)
    subject.add("rate", SHOP, NOW - 600, NOW, "normal")
    subject.add("rate", OTHER, NOW - 600, NOW, "normal")
    subject.add("gone", OTHER, NOW - 600, NOW, "incident")
    registry = CollectorRegistry()
    registry.register(FeedbackCollector(subject, lambda: ["rate", "idle"]))
    samples = {
        (sample.labels["query"], sample.labels["kind"]): sample.value
        for family in registry.collect()
        for sample in family.samples
    }
    expected = {
        ("rate", "normal"): 2,
        ("rate", "incident"): 0,
        ("idle", "normal"): 0,
        ("idle", "incident"): 0,
    }
    assert samples == expected


def test_what_a_window_covers(path: Path) -> None:
    subject = store(path)
    subject.add("rate", SHOP, 200.0, 400.0, "incident")
    subject.add("rate", SHOP, 600.0, 700.0, "normal")
    subject.add("rate", OTHER, 0.0, 900.0, "incident")
    times = np.arange(100.0, 800.0, 100.0)
    clock = FixedClock(1000.0)
    mask = covered(store(path, clock).windows(), "rate", SHOP, times, kind="incident")
    assert times[mask].tolist() == [200.0, 300.0, 400.0]
    assert not covered(store(path, clock).windows(), "other", SHOP, times, kind="incident").any()


def test_only_the_owner_of_the_process_reads_it(path: Path) -> None:
    store(path).add("rate", SHOP, NOW - 600, NOW, "normal")
    assert path.stat().st_uid == os.getuid()
    assert oct(path.stat().st_mode & 0o777) == "0o600"
