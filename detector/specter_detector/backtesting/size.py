"""`specter detector size`: predict what a number of series costs, from a measurement on this machine."""

import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from specter_core.durations import format_duration
from specter_detector.backtesting.size_probe import Probe
from specter_detector.models.replay import DAY

FEW, MANY = 200, 1_000
FEW_HELD, MANY_HELD = 50, 250
CHECKED = 3_000
HOUR = 3600.0
VALUE_BYTES = 8
BATCH = 512
"""Series that are fitted at once, at most (`fitting.LARGEST_BATCH`)."""

TICK_SHARE, FIT_SHARE, MOST_BYTES = 0.5, 0.8, 2 * 2**30
"""Of a shard: of a tick's interval, of a core that only fits, and of memory. More, and it is split."""

TIME_TOLERANCE, MEMORY_TOLERANCE = 0.6, 0.3
"""By which a measured run may differ from the prediction: another program beside it makes it slower."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured, a series unless said otherwise.

    Attributes:
        tick_fixed: CPU seconds of a tick with hardly a series.
        tick: CPU seconds of a tick.
        fit: CPU seconds of a refit.
        held, passing: bytes that stay, and that a tick takes for a moment.
        state: bytes of what is learnt and remembered, as it is saved.
        fitting: bytes of a fit at its peak.
        base: resident bytes of the process before there are series.
        read, written: bytes of a tick on the wire.
        samples: written a tick.
        measured_in: seconds that measuring took.
    """

    tick_fixed: float
    tick: float
    fit: float
    held: float
    passing: float
    state: float
    fitting: float
    base: float
    read: float
    written: float
    samples: float
    measured_in: float


@dataclass(frozen=True, slots=True)
class Sizing:
    """What so many series cost, all shards together unless said otherwise."""

    series: int
    step: float
    fit_every: float
    infer_every: float
    days: float
    tick_cpu_seconds: float
    fit_cpu_seconds_per_hour: float
    cpu_seconds_per_hour: float
    cpu_cores: float
    resident_bytes: float
    history_bytes: float
    state_bytes: float
    samples_per_second: float
    read_bytes_per_second: float
    written_bytes_per_second: float
    shards: int
    costs: Costs

    def text(self) -> str:
        """Render for people."""
        rows = [
            ("CPU of a tick", f"{self.tick_cpu_seconds:.3g} s every {format_duration(self.infer_every)}"),
            ("CPU of refits", f"{self.fit_cpu_seconds_per_hour:.0f} s an hour"),
            ("CPU in all", f"{self.cpu_seconds_per_hour:.0f} s an hour, {self.cpu_cores:.2f} cores"),
            ("resident memory", _size(self.resident_bytes)),
            ("disk for history", f"{_size(self.history_bytes)} ({self.days:g} days)"),
            ("disk for state", _size(self.state_bytes)),
            ("samples written", f"{self.samples_per_second:.0f} a second"),
            ("read", f"{_size(self.read_bytes_per_second)}/s"),
            ("written", f"{_size(self.written_bytes_per_second)}/s"),
            ("shards", str(self.shards)),
        ]
        title = (
            f"{self.series} series, step {format_duration(self.step)}, refits every "
            f"{format_duration(self.fit_every)}, measured here in {self.costs.measured_in:.1f} s:"
        )
        return "\n".join([title, *(f"  {name:<17} {value}" for name, value in rows)])


@dataclass(frozen=True, slots=True)
class Check:
    """Prediction and measurement at a smaller size."""

    series: int
    predicted_tick: float
    measured_tick: float
    predicted_bytes: float
    measured_bytes: float

    @property
    def ok(self) -> bool:
        """Whether both are within their tolerance."""
        return (
            _off(self.measured_tick, self.predicted_tick) <= TIME_TOLERANCE
            and _off(self.measured_bytes, self.predicted_bytes) <= MEMORY_TOLERANCE
        )

    def document(self) -> dict[str, object]:
        """Return it for JSON."""
        return {**asdict(self), "ok": self.ok}

    def text(self) -> str:
        """Return it in words."""
        return (
            f"Check with {self.series} series: a tick takes {self.measured_tick:.3g} s CPU, predicted "
            f"{self.predicted_tick:.3g} s (tolerance {TIME_TOLERANCE:.0%}); they hold "
            f"{_size(self.measured_bytes)}, predicted {_size(self.predicted_bytes)} "
            f"(tolerance {MEMORY_TOLERANCE:.0%}): {'as predicted' if self.ok else 'NOT as predicted'}"
        )


def as_json(sizing: Sizing, checked: Check | None) -> str:
    """Render for scripts."""
    return json.dumps({**asdict(sizing), "check": None if checked is None else checked.document()})


def as_text(sizing: Sizing, checked: Check | None) -> str:
    """Render for people."""
    return sizing.text() if checked is None else f"{sizing.text()}\n{checked.text()}"


def measure(step: float, days: float, infer_every: float) -> tuple[Probe, Costs]:
    """Run the code on a few hundred series and return what each costs."""
    begun = time.monotonic()
    Probe(HOUR, 2.0)  # what the first fit imports is there before the first series
    base = resident_bytes()
    probe = Probe(step, days)
    fit = probe.fit_cost()
    few, many = (probe.tick_cost(series, infer_every) for series in (FEW, MANY))
    held, passing = probe.memory(FEW_HELD, MANY_HELD, infer_every)
    tick = max(0.0, (many.cpu - few.cpu) / (MANY - FEW))
    return probe, Costs(
        tick_fixed=max(0.0, many.cpu - MANY * tick),
        tick=tick,
        fit=fit.cpu,
        held=held,
        passing=passing,
        state=probe.state_bytes(),
        fitting=fit.peak,
        base=base,
        read=many.read / MANY,
        written=many.written / MANY,
        samples=many.samples / MANY,
        measured_in=time.monotonic() - begun,
    )


def predict(
    costs: Costs, series: int, *, step: float, days: float, fit_every: float, infer_every: float
) -> Sizing:
    """Return what `series` series cost: linear in them, as what was measured is."""
    points = days * DAY / step
    tick = costs.tick_fixed + series * costs.tick
    fits = series * costs.fit * HOUR / fit_every
    hourly = tick * HOUR / infer_every + fits
    # In the process that fits: its own start, a batch and what fitting it takes.
    fitting = costs.base + min(series, BATCH) * (costs.fitting + points * VALUE_BYTES)
    resident = costs.base + series * (costs.held + costs.passing) + fitting
    shards = max(
        1,
        math.ceil(tick / (TICK_SHARE * infer_every)),
        math.ceil(fits / HOUR / FIT_SHARE),
        math.ceil(resident / MOST_BYTES),
    )
    return Sizing(
        series=series,
        step=step,
        fit_every=fit_every,
        infer_every=infer_every,
        days=days,
        tick_cpu_seconds=tick,
        fit_cpu_seconds_per_hour=fits,
        cpu_seconds_per_hour=hourly,
        cpu_cores=hourly / HOUR,
        resident_bytes=resident,
        history_bytes=series * points * VALUE_BYTES,
        state_bytes=series * costs.state,
        samples_per_second=series * costs.samples / infer_every,
        read_bytes_per_second=series * costs.read / infer_every,
        written_bytes_per_second=series * costs.written / infer_every,
        shards=shards,
        costs=costs,
    )


def check(probe: Probe, costs: Costs, series: int, infer_every: float) -> Check:
    """Measure a tick of up to 3,000 of the series and compare."""
    number = max(2, min(series, CHECKED))
    held, _ = probe.memory(1, number, infer_every)
    return Check(
        number,
        costs.tick_fixed + number * costs.tick,
        probe.tick_cost(number, infer_every).cpu,
        number * costs.held,
        number * held,
    )


def resident_bytes() -> float:
    """Return the resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return float(pages * os.sysconf("SC_PAGE_SIZE"))


def _off(measured: float, predicted: float) -> float:
    """Return by which share the larger exceeds the smaller."""
    small, large = sorted((measured, predicted))
    return large / small - 1 if small > 0 else math.inf


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError(count)
