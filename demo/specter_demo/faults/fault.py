"""What a fault is."""

from collections.abc import Callable
from dataclasses import dataclass

from specter_demo.faults.control import Control

ANOMALY = "AnomalyDetected"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong in the shop on request: code, schema or load, never a metric.

    Attributes:
        name: what `specter demo fault` calls it.
        summary: one line for a list.
        inject: makes it happen and says what was done; once more changes nothing.
        clear: ends it and says what was done; without an injection before it changes nothing.
        active: looks at the shop and tells whether the fault is there.
        expects: aliases of the detector's queries whose score must exceed 1 (any of them is enough);
            empty where no score tells of the fault.
        alert: the alert that must fire and be delivered: the detector's, of one of `expects`, or without
            those a rule family's.
        family_alerts: alerts of rule families of which one must fire, too; empty for none.
    """

    name: str
    summary: str
    inject: Callable[[Control], str]
    clear: Callable[[Control], str]
    active: Callable[[Control], bool]
    expects: tuple[str, ...]
    alert: str = ANOMALY
    family_alerts: tuple[str, ...] = ()

    @property
    def end(self) -> str:
        """What says that the fault is over: a sentence."""
        return "the scores are quiet again" if self.expects else f"{self.alert} fires no more"
