"""Presets over time: what is on stays on, and what appears later is picked up."""

import logging
from collections.abc import Iterable

from specter_detector.config import DetectorConfig
from specter_detector.presets.resolve import Chosen, Decision, Server, resolve_presets, with_presets

LOGGER = logging.getLogger(__name__)
EVERY = 3600.0
RETRY = 60.0
"""Seconds until the next try when the server did not answer."""


class PresetWatch:
    """Decides on presets again and again; each decision is a line in the log, once.

    Args:
        config: the configuration as written, without presets.
        chosen: what was on before a restart or a reload, and stays on.
    """

    def __init__(self, config: DetectorConfig, chosen: Iterable[Chosen] = ()) -> None:
        self._config = config
        self._next: float | None = None
        self._told: dict[str, str] = {}
        self.chosen: tuple[Chosen, ...] = tuple(
            each
            for each in chosen
            if each.preset in config.presets and each.query.alias not in config.reader.queries
        )

    def due(self, now: float) -> bool:
        """Whether `check` should be called at Unix time `now` (s)."""
        return bool(self._config.presets) and (self._next is None or now >= self._next)

    def check(self, now: float, server: Server) -> tuple[Chosen, ...]:
        """Ask `server` what there is at Unix time `now` (s) and return what is newly on.

        Raises:
            DatasourceError: the server does not say; it is due again in a minute.
        """
        self._next = now + RETRY
        decisions = resolve_presets(
            self._config.presets,
            server,
            now,
            budget=self._config.preset_budget,
            max_series_per_query=self._config.reader.inherited.max_series,
            own=self._config.reader.queries,
            kept=self.chosen,
        )
        self._next = now + EVERY
        known = {chosen.query.alias for chosen in self.chosen}
        found = [decision.chosen for decision in decisions if decision.chosen is not None]
        self.chosen = tuple(found)
        self._tell(decisions)
        return tuple(chosen for chosen in found if chosen.query.alias not in known)

    @property
    def config(self) -> DetectorConfig:
        """The configuration with the presets that are on."""
        return with_presets(self._config, self.chosen)

    def _tell(self, decisions: list[Decision]) -> None:
        lines = told(decisions)
        for about, line in lines.items():
            if self._told.get(about) != line:
                LOGGER.info("%s", line)
        self._told = lines


def told(decisions: list[Decision]) -> dict[str, str]:
    """Return a line for each decision by its query; one for all of a preset of which no metric exists."""
    lines: dict[str, str] = {}
    for preset in dict.fromkeys(decision.preset for decision in decisions):
        of = [decision for decision in decisions if decision.preset == preset]
        if all(decision.missing for decision in of):
            lines[preset] = f"preset {preset} off: none of its metrics exist"
        else:
            lines.update({f"{preset}.{decision.alias}": str(decision) for decision in of})
    return lines
