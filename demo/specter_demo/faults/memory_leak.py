"""A release that forgets nothing: each catalog page that was shown stays in memory, until the worker goes."""

from specter_demo.faults.defect import Said, defect_fault
from specter_demo.shop.defects import MEMORY_LEAK

FAULT = defect_fault(
    MEMORY_LEAK,
    Said(
        there="the released version leaks already",
        brings="keeps every catalog page in memory",
        gone="the released version keeps nothing",
        without="keeps nothing",
    ),
    summary="a release keeps every catalog page in memory (up to 90 MB a minute, 400 MB in all)",
    # The detector looks for leaks in a week's history, once an hour.
    alert="MemoryLeakFast",
)
