"""Read a catalogue: every error in it at once, then frozen values."""

from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import yaml

from specter_core.catalogue.crosschecks import find
from specter_core.catalogue.model import Catalogue, Event, Funnel, Measure, Objective, Retention
from specter_core.catalogue.schema import BUCKETS, CatalogueSchema, EventSchema
from specter_core.config import ConfigError, Problem, locate, parse_config

PLATFORM = "platform.yml"


def load_catalogue(path: Path) -> Catalogue:
    """Read the catalogue in `path`.

    Raises:
        ConfigError: the file cannot be read, is not YAML or breaks the schema;
            every violation is listed with its line and path.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError([Problem(str(path), None, "", f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), None, "", f"is not UTF-8: {error.reason}")]) from error
    return parse_catalogue(text, file=str(path))


def platform_text() -> str:
    """Return the catalogue that is shipped, as it is written."""
    return files("specter_core.catalogue").joinpath(PLATFORM).read_text(encoding="utf-8")


def platform_catalogue() -> Catalogue:
    """Return the catalogue that is shipped: the one of the example platform."""
    return parse_catalogue(platform_text(), file=PLATFORM)


def parse_catalogue(text: str, *, file: str) -> Catalogue:
    """Return the catalogue in the YAML document `text`; see `load_catalogue`."""
    try:
        schema = parse_config(text, CatalogueSchema, file=file)
    except ConfigError as error:
        raise _all(error.problems, _contradictions(text, file)) from None
    contradictions = _contradictions(text, file)
    if contradictions:
        raise _all([], contradictions)
    return _resolved(schema)


def _contradictions(text: str, file: str) -> list[Problem]:
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return []  # `parse_config` has said so
    return [Problem(file, *locate(text, found.loc), found.message) for found in find(document)]


def _all(malformed: list[Problem], contradictions: list[Problem]) -> ConfigError:
    return ConfigError(sorted([*malformed, *contradictions], key=lambda p: (p.line or 0, p.path)))


def _resolved(schema: CatalogueSchema) -> Catalogue:
    retention = schema.retention
    events = {name: _event(name, event or EventSchema()) for name, event in schema.events.items()}
    return Catalogue(
        time_zone=schema.time_zone,
        session_idle=schema.session_idle_minutes * 60.0,
        events=MappingProxyType(events),
        features=schema.features,
        funnels=tuple(Funnel(name, steps) for name, steps in schema.funnels.items()),
        retention=Retention(retention.event, retention.days) if retention else None,
    )


def _event(name: str, schema: EventSchema) -> Event:
    measures = {
        unit: Measure(
            unit,
            (measure.buckets if measure else None) or BUCKETS[unit],
            measure.currencies if measure else (),
        )
        for unit, measure in schema.units.items()
    }
    objective = schema.objective
    return Event(
        name=name,
        description=schema.description,
        outcomes=schema.outcomes,
        reasons=schema.reasons,
        measures=MappingProxyType(measures),
        feature=schema.feature,
        critical=schema.critical,
        objective=Objective(objective.success_ratio, objective.min_per_hour) if objective else None,
    )
