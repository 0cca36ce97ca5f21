"""Give Prometheus the shop's past: all of it on the first start, the gap on every later one."""

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from specter_core.errors import SpecterError
from specter_core.metrics import SERVICE, WEB_VITALS_LCP
from specter_demo.files import write_atomically
from specter_demo.history.blocks import import_blocks
from specter_demo.history.calibration import Calibration
from specter_demo.history.fill import (
    MILLISECOND,
    last_recorded,
    last_scraped,
    raw_tail,
    version_tail,
    vitals_tail,
    write,
)
from specter_demo.history.past import Past
from specter_demo.history.simulate import Array, Series, recorded_series, time_grid
from specter_demo.story.prometheus import PrometheusClient
from specter_demo.traffic.shape import ROUTES, TrafficShape

logger = logging.getLogger(__name__)

DAYS = 28
# The detector scores every 15 s, and no rate over a minute changes faster than that can show.
STEP_SECONDS = 15.0
# Says that a database folder is the demo's own; Prometheus ignores files it does not know.
MARK = "made-by-specter-demo"
SECONDS = DAYS * 86400.0


@dataclass(frozen=True, slots=True)
class HistoryKeeper:
    """Imports before Prometheus starts, and fills after.

    Attributes:
        database: Prometheus' data folder.
        note: file that remembers for which shape of traffic the database was made.
        service: the target label of the shop.
        beside: other services that have a past too.
        seconds: length of the past.
    """

    database: Path
    note: Path
    promtool: Path
    shape: TrafficShape
    calibration: Calibration
    service: str = "shop"
    beside: tuple[Past, ...] = ()
    seconds: float = SECONDS

    def import_if_new(self, until: float, random: np.random.Generator) -> bool:
        """Import the weeks that end at `until`, unless they are there; return whether it did.

        A database made for another local time, other routes or services would contradict the traffic:
        it is replaced.

        Raises:
            SpecterError: the folder holds something that the demo did not put there.
        """
        # Rounded to 36 s: the offset is derived from the clock when a time of day was asked for.
        described = asdict(self.shape) | {
            "utc_offset_hours": round(self.shape.utc_offset_hours, 2),
            "routes": ROUTES,
            "views": [[views.page, views.device] for views in self.calibration.views],
            "beside": {past.service: list(past.calibration.routes) for past in self.beside},
        }
        if self._noted() == described and self.database.is_dir() and any(self.database.iterdir()):
            return False
        # The note first: a run that is killed in between must not leave half a database with a note.
        self.note.unlink(missing_ok=True)
        self._empty_database()
        times = time_grid(until - self.seconds, until, STEP_SECONDS)
        series = [one for past in self._pasts() for one in _recorded(past, times, random)]
        import_blocks(self.promtool, self.database, times, series)
        write_atomically(self.note, json.dumps(described) + "\n")
        return True

    def _empty_database(self) -> None:
        mark = self.database / MARK
        if self.database.is_dir() and any(self.database.iterdir()):
            if not mark.exists():
                raise SpecterError(
                    f"{self.database} holds data that the demo did not make, and it would be replaced; "
                    "name an empty folder, or remove it yourself"
                )
            shutil.rmtree(self.database)
        self.database.mkdir(parents=True, exist_ok=True)
        mark.touch()

    def _pasts(self, version: str = "") -> tuple[Past, ...]:
        """Return the past of the shop, which ran `version` last, and of every other service."""
        return (Past(self.service, version, self.calibration, self.shape.rate), *self.beside)

    def lead_in(self, url: str, until: float, version: str, random: np.random.Generator) -> None:
        """Write to the Prometheus at `url` the raw counters of the minutes before `until`.

        To be called as soon as it answers: rates are computed from them within seconds.
        Where an earlier run ended within those minutes, they begin after it.
        """
        client = PrometheusClient(url)
        for past in self._pasts(version):
            target = {SERVICE: past.service, "instance": f"{past.service}-1", "job": past.service}
            after = last_scraped(client, target, until)
            labels = {**target, **past.labels}
            times, series = raw_tail(past.calibration, past.rate_of, until, labels, random, after)
            write(url, times, [*series, version_tail(times, target, past.version)])
        browsers = {SERVICE: self.service, "instance": "browser-1", "job": "browser"}
        after = last_scraped(client, browsers, until, WEB_VITALS_LCP)
        write(url, *vitals_tail(self.calibration, self.shape.rate, until, browsers, random, after))

    def fill_gap(self, url: str, until: float, random: np.random.Generator) -> int:
        """Write what was not recorded since the demo last ran, up to `until`; return the samples written."""
        return sum(self._fill(past, url, until, random) for past in self._pasts())

    def _fill(self, past: Past, url: str, until: float, random: np.random.Generator) -> int:
        last = last_recorded(PrometheusClient(url), past.service, until, self.seconds)
        start = until - self.seconds if last is None else max(last + MILLISECOND, until - self.seconds)
        gap = time_grid(start, until, STEP_SECONDS)
        return write(url, gap, _recorded(past, gap, random)) if len(gap) else 0

    def _noted(self) -> object:
        try:
            return json.loads(self.note.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError:  # neither JSON nor, after a crash, text
            logger.warning("%s is damaged: the history is made anew", self.note)
            return None


def _recorded(past: Past, times: Array, random: np.random.Generator) -> list[Series]:
    return recorded_series(
        past.calibration, past.rate_of, times, step=STEP_SECONDS, service=past.service, random=random
    )
