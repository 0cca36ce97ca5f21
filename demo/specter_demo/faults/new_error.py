"""A release with a mistake: one product page in twelve fails with an exception that was never seen before."""

from specter_demo.faults.api_latency import next_minor, next_patch
from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault
from specter_demo.shop.defects import NEW_ERROR, NONE


def inject(control: Control) -> str:
    """Release the next minor version with the mistake."""
    if active(control):
        return "the mistake is in the released version already"
    control.require_shop()
    version = next_minor(control.version)
    control.release(version, NEW_ERROR)
    return f"released {version}, which raises DiscountMissingError on one product page in twelve"


def clear(control: Control) -> str:
    """Release the patch version without it."""
    if not active(control):
        return "the released version has no such mistake"
    version = next_patch(control.version)
    control.release(version, NONE)
    return f"released {version}, which has the mistake no more"


def active(control: Control) -> bool:
    """Tell whether the released version has the mistake."""
    return control.defect == NEW_ERROR


FAULT = Fault(
    name="new-error",
    summary="a release raises a new exception on one product page in twelve",
    inject=inject,
    clear=clear,
    active=active,
    expects=("route_error_ratio", "error_ratio"),
)
