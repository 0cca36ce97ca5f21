"""The stages between a fault and the notification of it."""

from dataclasses import dataclass, field

from specter_demo.faults.fault import Fault

STAGES = ("score", "alert", "notification", "family_alert")
SENTENCES = {
    "score": "anomaly score above 1",
    "alert": "Prometheus fires",
    "notification": "Alertmanager has delivered",
    "family_alert": "a rule family's alert fires",
}


def stages_of(fault: Fault) -> tuple[str, ...]:
    """Return the stages that must be reached before `fault` counts as noticed, in the order of `STAGES`."""
    score = ("score",) if fault.expects else ()
    family = ("family_alert",) if fault.family_alerts else ()
    return (*score, "alert", "notification", *family)


@dataclass(slots=True)
class Timeline:
    """When each stage was reached; all times are epoch seconds.

    Attributes:
        fault: name of the injected fault.
        started: when the user's command began.
        ready: when everything ran and every score was quiet; None until then.
        injected: when the fault was injected; None until then.
        reached: time of each stage in `STAGES` that was reached.
        stages: those that must be.
    """

    fault: str
    started: float
    ready: float | None = None
    injected: float | None = None
    reached: dict[str, float] = field(default_factory=dict)
    stages: tuple[str, ...] = STAGES

    def reach(self, stage: str, when: float) -> bool:
        """Note that `stage` was reached at `when`, unless it was before; return whether it is new."""
        if stage in self.reached:
            return False
        self.reached[stage] = when
        return True

    @property
    def complete(self) -> bool:
        """Whether every stage that must be reached was: the fault came all the way to a notification."""
        return not self.missing

    @property
    def missing(self) -> tuple[str, ...]:
        """The stages that must be reached and were not yet."""
        return tuple(stage for stage in self.stages if stage not in self.reached)

    def seconds_after_fault(self, stage: str) -> float | None:
        """Return the seconds from the fault to `stage`, None when it was not reached."""
        if self.injected is None or stage not in self.reached:
            return None
        return round(self.reached[stage] - self.injected, 1)

    def summary(self) -> dict[str, str | float | None]:
        """Return the figures that `specter demo check` ends with.

        A stage that was not reached is None, whether it had to be or not.
        """
        setup = None if self.ready is None else round(self.ready - self.started, 1)
        stages = {f"{stage}_s": self.seconds_after_fault(stage) for stage in STAGES}
        return {"fault": self.fault, "setup_s": setup, **stages}
