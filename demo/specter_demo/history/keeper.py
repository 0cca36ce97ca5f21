"""Give Prometheus the shop's past: all of it on the first start, the gap on every later one."""

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specter_core.metrics import SERVICE
from specter_demo.files import write_atomically
from specter_demo.history.blocks import import_blocks
from specter_demo.history.calibration import Calibration
from specter_demo.history.fill import last_recorded, raw_tail, version_tail, write
from specter_demo.history.simulate import recorded_series, time_grid
from specter_demo.story.prometheus import PrometheusClient
from specter_demo.traffic.shape import TrafficShape

logger = logging.getLogger(__name__)

DAYS = 28
STEP_SECONDS = 15.0  # the step at which the detector reads, and scores
SECONDS = DAYS * 86400.0


@dataclass(frozen=True, slots=True)
class HistoryKeeper:
    """Imports before Prometheus starts, and fills after.

    Attributes:
        database: Prometheus' data folder.
        note: file that remembers for which shape of traffic the database was made.
        service: the target label of the shop.
    """

    database: Path
    note: Path
    promtool: Path
    shape: TrafficShape
    calibration: Calibration
    service: str = "shop"

    def import_if_new(self, until: float, random: np.random.Generator) -> bool:
        """Import four weeks that end at `until`, unless they are there; return whether it did.

        A database made for another local time would contradict the traffic: it is replaced.
        """
        described = {"peak": self.shape.peak, "utc_offset_hours": round(self.shape.utc_offset_hours, 2)}
        if self._noted() == described and any(self.database.iterdir()):
            return False
        if self.database.exists():
            shutil.rmtree(self.database)
        self.note.unlink(missing_ok=True)
        self.database.mkdir(parents=True)
        times = time_grid(until - SECONDS, until, STEP_SECONDS)
        series = recorded_series(
            self.calibration, self.shape.rate, times, step=STEP_SECONDS, service=self.service, random=random
        )
        import_blocks(self.promtool, self.database, times, series)
        write_atomically(self.note, json.dumps(described) + "\n")
        return True

    def lead_in(self, url: str, until: float, version: str, random: np.random.Generator) -> None:
        """Write to the Prometheus at `url` the raw counters of the minutes before `until`.

        To be called as soon as it answers: rates are computed from them within seconds.
        """
        target = {SERVICE: self.service, "instance": f"{self.service}-1", "job": self.service}
        times, series = raw_tail(self.calibration, self.shape.rate, until, target, random)
        write(url, times, [*series, version_tail(times, target, version)])

    def fill_gap(self, url: str, until: float, random: np.random.Generator) -> int:
        """Write what was not recorded since the demo last ran, up to `until`; return the samples written."""
        last = last_recorded(PrometheusClient(url), self.service, until)
        start = until - SECONDS if last is None else max(last + STEP_SECONDS, until - SECONDS)
        gap = time_grid(start, until, STEP_SECONDS)
        if not len(gap):
            return 0
        recorded = recorded_series(
            self.calibration, self.shape.rate, gap, step=STEP_SECONDS, service=self.service, random=random
        )
        return write(url, gap, recorded)

    def _noted(self) -> object:
        try:
            return json.loads(self.note.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except json.JSONDecodeError:
            logger.warning("%s is damaged: the history is made anew", self.note)
            return None
