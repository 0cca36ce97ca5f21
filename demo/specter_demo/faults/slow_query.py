"""A release whose product pages look for products alike: without an index, so each reads all of them."""

from specter_demo.faults.defect import Said, defect_fault
from specter_demo.shop.defects import SLOW_QUERY

FAULT = defect_fault(
    SLOW_QUERY,
    Said(
        there="the product pages look for products alike already",
        brings="looks for products alike on each product page, in all of them",
        gone="the product pages look for nothing",
        without="looks for them no more",
    ),
    summary="a release reads and sorts all products on each product page",
    expects=("route_latency_p95", "latency_p95"),
)
