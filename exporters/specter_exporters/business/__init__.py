"""Business events: counted against a catalogue, in this process or sent to the exporter."""

from specter_exporters.business.business import Business
from specter_exporters.business.client import BusinessClient
from specter_exporters.business.validation import EventRefusedError

__all__ = ["Business", "BusinessClient", "EventRefusedError"]
