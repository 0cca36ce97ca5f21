"""The catalogue of business events: what users come for, in one declarative file.

It bounds every label of the business metrics; exporters validate events against
it, and rules and dashboards are generated from it.
"""

from specter_core.catalogue.loading import load_catalogue, parse_catalogue, platform_catalogue
from specter_core.catalogue.model import Catalogue, Event, Funnel, Measure, Objective, Retention, Unit

__all__ = [
    "Catalogue",
    "Event",
    "Funnel",
    "Measure",
    "Objective",
    "Retention",
    "Unit",
    "load_catalogue",
    "parse_catalogue",
    "platform_catalogue",
]
