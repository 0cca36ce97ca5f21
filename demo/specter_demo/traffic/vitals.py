"""What a visitor's browser measures of a page: time that the shop really took, and what its page weighs.

Nothing here knows of a fault. Medians and spreads are those of ordinary sites: good on three views of four.
"""

import math
import random
from dataclasses import dataclass

MEGABYTE = 1e6
# Spreads of the logarithm: networks and machines differ more than how long one of them takes for a script.
PAINT_SPREAD = 0.35
NETWORK_SPREAD = 0.5
WORK_SPREAD = 0.3
INTERACTION_SPREAD = 0.5
SHIFT_SPREAD = 0.8
SHIFT = 0.02
# What an interaction meets of the work of the page's scripts, which runs while visitors click already.
BUSY = 0.1


@dataclass(frozen=True, slots=True)
class Device:
    """A class of devices, by its medians.

    Attributes:
        name: as the beacon takes it.
        paint: seconds from the first byte to the first paint, of a page without scripts.
        largest: seconds from there to the largest.
        interaction: seconds from an interaction to the next paint, likewise.
        network: megabytes/s.
        work: seconds for compiling and running a megabyte of script.
    """

    name: str
    paint: float
    largest: float
    interaction: float
    network: float
    work: float


DESKTOP = Device("desktop", paint=0.5, largest=0.3, interaction=0.045, network=6.0, work=0.25)
MOBILE = Device("mobile", paint=0.9, largest=0.5, interaction=0.09, network=1.2, work=0.8)


def device_of(user_agent: str) -> Device:
    """Return the class of a browser, as the script in docs/exporters-browser.md tells it."""
    return MOBILE if "Mobi" in user_agent else DESKTOP


@dataclass(frozen=True, slots=True)
class Load:
    """What a view of a page costs.

    Attributes:
        seconds: from the request to the first byte of the answer.
        page_bytes: of the HTML.
        script_bytes: of the scripts without which nothing is drawn.
    """

    seconds: float
    page_bytes: int
    script_bytes: int


def measure(load: Load, device: Device, source: random.Random) -> dict[str, float]:
    """Return the web vitals of one view by name: milliseconds, and CLS without a unit."""

    def around(median: float, spread: float) -> float:
        return source.lognormvariate(math.log(median), spread)

    network = around(device.network, NETWORK_SPREAD) * MEGABYTE
    work = around(device.work, WORK_SPREAD) * load.script_bytes / MEGABYTE
    transfer = (load.page_bytes + load.script_bytes) / network
    first = load.seconds + transfer + work + around(device.paint, PAINT_SPREAD)
    largest = first + around(device.largest, PAINT_SPREAD)
    interaction = around(device.interaction, INTERACTION_SPREAD) + BUSY * work
    return {
        "TTFB": 1000.0 * load.seconds,
        "FCP": 1000.0 * first,
        "LCP": 1000.0 * largest,
        "INP": 1000.0 * interaction,
        "CLS": around(SHIFT, SHIFT_SPREAD),
    }
