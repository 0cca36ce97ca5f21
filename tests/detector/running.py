"""A detector put together for a test: in memory, fitting in the calling thread."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry

from specter_core.clock import Clock
from specter_detector.app import Detector
from specter_detector.config import DetectorConfig
from specter_detector.exclusions import Window
from specter_detector.storage import Storage
from specter_detector.telemetry import Telemetry
from tests.detector.inline_fitter import InlineFitter


def detector_of(
    config: DetectorConfig,
    *,
    clock: Clock | None = None,
    registry: CollectorRegistry | None = None,
    feedback: Sequence[Window] = (),
) -> Detector:
    return Detector(
        config,
        storage=Storage(None),
        telemetry=Telemetry(registry or CollectorRegistry()),
        clock=clock,
        fitter=InlineFitter(),
        feedback=lambda: feedback,
    )
