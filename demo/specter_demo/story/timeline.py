"""The stages between a fault and the notification of it."""

from dataclasses import dataclass, field

STAGES = ("score", "alert", "notification")
SENTENCES = {
    "score": "anomaly score above 1",
    "alert": "Prometheus fires",
    "notification": "Alertmanager has delivered",
}


@dataclass(slots=True)
class Timeline:
    """When each stage was reached; all times are epoch seconds.

    Attributes:
        fault: name of the injected fault.
        started: when the user's command began.
        ready: when everything ran and every score was quiet; None until then.
        injected: when the fault was injected; None until then.
        reached: time of each stage in `STAGES` that was reached.
    """

    fault: str
    started: float
    ready: float | None = None
    injected: float | None = None
    reached: dict[str, float] = field(default_factory=dict)

    def reach(self, stage: str, when: float) -> bool:
        """Note that `stage` was reached at `when`, unless it was before; return whether it is new."""
        if stage in self.reached:
            return False
        self.reached[stage] = when
        return True

    @property
    def complete(self) -> bool:
        """Whether the fault came all the way to a notification."""
        return all(stage in self.reached for stage in STAGES)

    def seconds_after_fault(self, stage: str) -> float | None:
        """Return the seconds from the fault to `stage`, None when it was not reached."""
        if self.injected is None or stage not in self.reached:
            return None
        return round(self.reached[stage] - self.injected, 1)

    def summary(self) -> dict[str, str | float | None]:
        """Return the figures that `specter demo check` ends with."""
        setup = None if self.ready is None else round(self.ready - self.started, 1)
        stages = {f"{stage}_s": self.seconds_after_fault(stage) for stage in STAGES}
        return {"fault": self.fault, "setup_s": setup, **stages}
