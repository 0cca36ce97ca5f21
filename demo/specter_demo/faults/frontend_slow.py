"""A release whose pages load the name of every product first: the server is as fast as ever."""

from specter_demo.faults.defect import Said, defect_fault
from specter_demo.shop.defects import FRONTEND_SLOW

FAULT = defect_fault(
    FRONTEND_SLOW,
    Said(
        there="the pages of the released version load the script already",
        brings="lets every page load all 400,000 product names before it draws anything",
        gone="the pages of the released version load no such script",
        without="loads that script no more",
    ),
    summary="a release makes pages wait for a script of 8 MB; the server is as fast as ever",
    expects=("frontend_lcp", "frontend_inp"),
    family_alerts=("LcpPoor", "InpPoor"),
)
