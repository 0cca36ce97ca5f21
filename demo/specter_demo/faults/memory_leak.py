"""A release that forgets nothing: each catalog page that was shown stays in memory."""

from specter_demo.faults.api_latency import next_minor, next_patch
from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault
from specter_demo.shop.defects import MEMORY_LEAK, NONE


def inject(control: Control) -> str:
    """Release the next minor version with the leak."""
    if active(control):
        return "the released version leaks already"
    control.require_shop()
    version = next_minor(control.version)
    control.release(version, MEMORY_LEAK)
    return f"released {version}, which keeps every catalog page in memory"


def clear(control: Control) -> str:
    """Release the patch version without it; what was kept goes with the old worker."""
    if not active(control):
        return "the released version keeps nothing"
    version = next_patch(control.version)
    control.release(version, NONE)
    return f"released {version}, which keeps nothing"


def active(control: Control) -> bool:
    """Tell whether the released version leaks."""
    return control.defect == MEMORY_LEAK


FAULT = Fault(
    name="memory-leak",
    summary="a release keeps every catalog page in memory (up to 60 MB a minute); injected by hand only",
    inject=inject,
    clear=clear,
    active=active,
    # It is slower than the story is long, and the detector has no past of the shop's memory.
    expects=(),
)
