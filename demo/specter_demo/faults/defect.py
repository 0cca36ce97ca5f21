"""Faults that come with a release and go with the next: the shop starts with a defect."""

from dataclasses import dataclass

from specter_demo.faults.api_latency import next_minor, next_patch
from specter_demo.faults.control import Control
from specter_demo.faults.fault import ANOMALY, Fault
from specter_demo.shop.defects import NONE


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of a defect.

    Attributes:
        there: it is, where it is injected once more.
        brings: what the version with it does, after "released VERSION, which ".
        gone: it is not there, where there is nothing to clear.
        without: what the version without it does, likewise.
    """

    there: str
    brings: str
    gone: str
    without: str


def defect_fault(
    defect: str,
    said: Said,
    *,
    summary: str,
    expects: tuple[str, ...] = (),
    alert: str = ANOMALY,
    family_alerts: tuple[str, ...] = (),
) -> Fault:
    """Return the fault of this name: a minor release that has the defect, and a patch that has it no more.

    What is expected of it is as `Fault` has it.
    """

    def inject(control: Control) -> str:
        if active(control):
            return said.there
        control.require_shop()
        version = next_minor(control.version)
        control.release(version, defect)
        return f"released {version}, which {said.brings}"

    def clear(control: Control) -> str:
        if not active(control):
            return said.gone
        version = next_patch(control.version)
        control.release(version, NONE)
        return f"released {version}, which {said.without}"

    def active(control: Control) -> bool:
        return control.defect == defect

    return Fault(defect, summary, inject, clear, active, expects, alert, family_alerts)
