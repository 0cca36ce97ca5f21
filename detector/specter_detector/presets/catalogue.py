"""Every preset there is."""

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from specter_detector.presets.business import BUSINESS
from specter_detector.presets.dependencies import DEPENDENCIES
from specter_detector.presets.frontend import FRONTEND
from specter_detector.presets.http import HTTP
from specter_detector.presets.jobs import JOBS
from specter_detector.presets.logs import LOGS
from specter_detector.presets.model import Preset, PresetName, PresetQuery
from specter_detector.presets.node import NODE
from specter_detector.presets.postgres import POSTGRES
from specter_detector.presets.queues import QUEUES
from specter_detector.presets.signin import SIGNIN
from specter_detector.presets.sql import SQL

PRESETS: Mapping[PresetName, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            *(HTTP, NODE, POSTGRES, SQL, QUEUES, JOBS, LOGS, BUSINESS, SIGNIN),
            *(FRONTEND, DEPENDENCIES),
        )
    }
)

QUERIES: Mapping[str, PresetQuery] = MappingProxyType(
    {query.alias: query for preset in PRESETS.values() for query in preset.queries}
)
"""By alias, for whoever wants a title or a unit for a query of a preset."""


def presets_on(queries: Mapping[str, str]) -> Counter[str]:
    """Return how many of each preset's queries are among `queries` (expressions by alias)."""
    return Counter(
        preset.name
        for preset in PRESETS.values()
        for query in preset.queries
        if queries.get(query.alias) in {source.expr for source in query.sources}
    )
