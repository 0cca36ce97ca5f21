"""Open the history of a query, whatever number of columns it had before."""

import logging
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from specter_detector.series import History
from specter_detector.store.errors import StoreError, explained
from specter_detector.store.geometry import LARGEST
from specter_detector.store.ring import MAX_SERIES, Ring
from specter_detector.store.ring_file import other_capacity

LOGGER = logging.getLogger(__name__)
RESIZED = "resized"
"""Begins the names of files that take the place of others when they are complete."""


def open_history(
    folder: Path, name: str, *, step: float, capacity: int, identity: str, max_series: int = MAX_SERIES
) -> Ring:
    """Do what `Ring.open` does, and take over what fits where the number of columns was another.

    Raises:
        StoreError: the file system refuses; `Ring.in_memory` is a way to go on.
    """
    path = folder / f"{name}.ring"
    opened = partial(Ring.open, folder, step=step, identity=identity, max_series=max_series)
    before = other_capacity(path, step=step, capacity=capacity, identity=identity)
    if before is not None:
        new = folder / f"{RESIZED}-{name}.ring"
        _remove(new)  # of a process that died
        try:
            with (
                closing(opened(name, capacity=before)) as old,
                closing(opened(new.stem, capacity=capacity)) as ring,
            ):
                take_over(ring, old)
                ring.flush()
            with explained("rename", new):
                new.with_suffix(".labels").replace(path.with_suffix(".labels"))
                new.replace(path)
            LOGGER.info("%s: has %d columns now, and had %d", path, capacity, before)
        except StoreError as error:
            LOGGER.warning("%s: %d columns cannot be made %d: %s", path, before, capacity, error)
            _remove(new)
    return opened(name, capacity=capacity)


def take_over(ring: Ring, old: Ring) -> None:
    """Write to `ring` what `old`, of the same step, has, as far as there are columns for it.

    Raises:
        StoreError: the file system refuses.
    """
    if old.newest is None:
        return
    start, end = old.newest - (min(ring.capacity, old.capacity) - 1) * ring.step, old.newest
    labels = old.labels
    for begin in range(0, len(labels), LARGEST):
        ring.write(old.history(start, end, labels[begin : begin + LARGEST]), complete=False)
    # What lies between gaps was looked at, with or without values.
    begins = [start, *(last + ring.step for _, last in old.gaps(start, end))]
    ends = [*(first - ring.step for first, _ in old.gaps(start, end)), end]
    for first, last in zip(begins, ends, strict=True):
        times = np.asarray(ring.step * np.arange(round(first / ring.step), round(last / ring.step) + 1))
        ring.write(History(times.astype(np.float64), (), np.empty((0, times.size))))


def _remove(path: Path) -> None:
    with explained("remove", path):
        path.unlink(missing_ok=True)
        path.with_suffix(".labels").unlink(missing_ok=True)
