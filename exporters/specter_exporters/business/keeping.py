"""Where users' counts outlive a restart: a folder with the key of the hashes and the last snapshot."""

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from secrets import token_bytes

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics
from specter_core.catalogue import Catalogue
from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_exporters.business.snapshot import SnapshotError, read, restored, write
from specter_exporters.business.users import Users

logger = logging.getLogger(__name__)

KEY = "user.key"
SNAPSHOT = "users.json"
DAMAGED = "users.json.unusable"
KEY_BYTES = 32


class Keeper:
    """Keeps one snapshot in `folder`, which it makes if need be; readable by its owner only.

    Raises:
        SpecterError: the folder cannot be made.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._saved = {"ok": 0, "error": 0}
        self._last = 0.0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SpecterError(f"{folder}: cannot be made: {error.strerror}") from error

    def user_key(self) -> bytes:
        """Return the key that is kept here; one is made the first time.

        Raises:
            SpecterError: it cannot be read or written, or is damaged.
        """
        path = self._folder / KEY
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return self._read_key(path)
        except OSError as error:
            raise SpecterError(f"{path}: cannot be written: {error.strerror}") from error
        with os.fdopen(file, "wb") as output:
            key = token_bytes(KEY_BYTES)
            output.write(key)
        return key

    def _read_key(self, path: Path) -> bytes:
        try:
            key = path.read_bytes()
        except OSError as error:
            raise SpecterError(f"{path}: cannot be read: {error.strerror}") from error
        if len(key) != KEY_BYTES:
            raise SpecterError(f"{path}: is damaged; remove it, and users of today are counted anew")
        return key

    def restored(self, catalogue: Catalogue, exact_up_to: int, fingerprint: str) -> Users:
        """Return the users of the snapshot; none if there is none or it cannot be used, which is logged."""
        path = self._folder / SNAPSHOT
        try:
            state = read(path)
            if state is not None:
                return restored(state, fingerprint, catalogue, exact_up_to)
        except SnapshotError as error:
            aside = self._folder / DAMAGED
            logger.warning("%s is not used, users are counted anew: %s; kept as %s", path, error, aside)
            self._put_aside(path, aside)
        return Users(catalogue, exact_up_to)

    def _put_aside(self, path: Path, aside: Path) -> None:
        try:
            path.replace(aside)
        except OSError as error:
            logger.warning("%s cannot be put aside: %s", path, error.strerror)

    def save(self, state: dict[str, object]) -> bool:
        """Write a snapshot; a disk that refuses is logged and counted. Return whether it was written."""
        with self._lock:
            try:
                write(self._folder / SNAPSHOT, state)
            except SnapshotError as error:
                self._saved["error"] += 1
                logger.warning("the users' counts are not saved: %s", error)
                return False
            self._saved["ok"] += 1
            self._last = self._clock.time()
        return True

    def families(self) -> Iterator[Family]:
        """Yield how saving went."""
        saves = metrics.BUSINESS_STATE_SAVES
        counter = CounterMetricFamily(saves.name.removesuffix("_total"), saves.help, labels=saves.labels)
        for outcome, count in self._saved.items():
            counter.add_metric((outcome,), count)
        yield counter
        last = metrics.BUSINESS_STATE_LAST_SAVE
        gauge = GaugeMetricFamily(last.name, last.help)
        if self._last:
            gauge.add_metric((), self._last)
        yield gauge
