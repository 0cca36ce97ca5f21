"""A release with a mistake: one product page in six fails with an exception that was never seen before."""

from specter_demo.faults.defect import Said, defect_fault
from specter_demo.shop.defects import NEW_ERROR

FAULT = defect_fault(
    NEW_ERROR,
    Said(
        there="the mistake is in the released version already",
        brings="raises DiscountMissingError on one product page in six",
        gone="the released version has no such mistake",
        without="has the mistake no more",
    ),
    summary="a release raises a new exception on one product page in six",
    expects=("route_error_ratio", "error_ratio"),
    # The log exporter takes no message for new in its first ten minutes. In a second run neither the
    # message is new nor the exception, and only the share of requests that fail tells of it.
    family_alerts=("ExceptionsRising", "LogErrorTemplateNew", "ErrorRatioHigh"),
)
