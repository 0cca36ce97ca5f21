"""A release whose product pages look for products alike, which sorts all 400,000 of them."""

from specter_demo.faults.defect import Said, defect_fault
from specter_demo.shop.defects import SLOW_QUERY

FAULT = defect_fault(
    SLOW_QUERY,
    Said(
        there="the product pages look for products alike already",
        brings="sorts all products for what is alike on product pages",
        gone="the product pages look for nothing",
        without="looks for them no more",
    ),
    summary="a release sorts all products for its product pages, on disk",
    expects=("route_latency_p95", "latency_p95"),
    family_alerts=("PostgresStatementSlow",),
)
