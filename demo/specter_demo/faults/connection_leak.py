"""A release that gives no connection back: it leaves one idle in its transaction every six seconds."""

from specter_demo.faults.defect import Said, defect_fault
from specter_demo.shop.defects import CONNECTION_LEAK

FAULT = defect_fault(
    CONNECTION_LEAK,
    Said(
        there="the released version leaks connections already",
        brings="leaves a connection to the database in a transaction every six seconds",
        gone="the released version gives its connections back",
        without="gives its connections back",
    ),
    summary="a release leaves a connection in a transaction every six seconds, until 56 of 60 are taken",
    # The shop itself goes on: its pool has what it needs.
    alert="PostgresConnectionsRunningOut",
)
