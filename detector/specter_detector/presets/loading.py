"""The configuration with the presets that are on: what the detector loads at its start and at each reload."""

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from specter_core.clock import Clock
from specter_detector.config import DetectorConfig, Reader
from specter_detector.datasource import DatasourceError
from specter_detector.presets.remembered import recall, remember
from specter_detector.presets.watch import PresetWatch
from specter_detector.prometheus_api import PrometheusApi, open_api

LOGGER = logging.getLogger(__name__)


class PresetLoader:
    """Loads a configuration and adds presets; calling it does that, as often as it is reloaded.

    Args:
        load: reads the configuration without presets.
        folder: where what is on is remembered, see `remembered`.
        clock: the time.
        connect: opens the server that a reader reads from.
    """

    def __init__(
        self,
        load: Callable[[], DetectorConfig],
        folder: Path,
        clock: Clock,
        connect: Callable[[Reader], PrometheusApi] = open_api,
    ) -> None:
        self._load = load
        self._folder = folder
        self._clock = clock
        self._connect = connect
        self._watch: PresetWatch | None = None
        self._config: DetectorConfig | None = None
        self._checked = False
        self._failure = ""

    def __call__(self) -> DetectorConfig:
        """Return the configuration with all presets that are on.

        With the server away those are on that were before, and `due` says when to ask again.

        Raises:
            SpecterError: the configuration cannot be used.
        """
        config = self._load()
        if self._watch is None or config != self._config:
            chosen = recall(self._folder) if self._watch is None else self._watch.chosen
            self._config, self._watch, self._checked = config, PresetWatch(config, chosen), False
        if not self._checked:
            self._ask(config, self._watch)
        self._checked = False
        return self._watch.config

    def due(self) -> bool:
        """Whether `check` should be called now: every hour, and a minute after the server did not answer."""
        return self._watch is not None and self._watch.due(self._clock.time())

    def check(self) -> bool:
        """Ask the server again; returns whether there is more to watch, so that all should be loaded anew."""
        if self._config is None or self._watch is None:
            return False
        self._checked = self._ask(self._config, self._watch)
        return self._checked

    def _ask(self, config: DetectorConfig, watch: PresetWatch) -> bool:
        """Return whether something new is on."""
        if not config.presets:
            return False
        try:
            with closing(self._connect(config.reader)) as server:
                new = watch.check(self._clock.time(), server)
        except DatasourceError as error:
            if str(error) != self._failure:
                LOGGER.warning("presets cannot be decided on, which is tried again: %s", error)
            self._failure = str(error)
            return False
        self._failure = ""
        if new:
            remember(self._folder, watch.chosen)
        return bool(new)
