"""What the synthetic evaluation is made of: which series, how many, with which faults, in which batches."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.evaluation import synthetic_faults as faults
from benchmarks.evaluation.series import Floats, LabelledSeries
from benchmarks.evaluation.synthetic_families import FAMILIES, SEASONAL, STEP, Grid, make_grid

MAX_BATCH = 400
"""Series in one batch at most: about 100 MB with their truth."""


@dataclass(frozen=True, slots=True)
class Span:
    """A grid: a Monday, then days of history, then days scored."""

    name: str
    first_day: str
    history_days: float
    scored_days: float
    tz: str = "UTC"

    def grid(self) -> Grid:
        """Return its samples."""
        return make_grid(self.first_day, self.history_days, self.scored_days, self.tz)


LONG = Span("28d", "2026-01-05", 28, 7)
SHORT = Span("10d", "2026-01-05", 10, 7)
SPRING = Span("spring", "2026-03-02", 27, 7, "Europe/Berlin")
AUTUMN = Span("autumn", "2026-09-28", 27, 7, "Europe/Berlin")
COLD = tuple(Span(f"{days}d", "2026-01-05", days, 7) for days in (0.5, 1.5, 3))

HOLIDAY = "2026-02-05"  # the Thursday of the scored week of LONG
EARLIER_HOLIDAY = "2026-01-21"


@dataclass(frozen=True, slots=True)
class Scenario:
    """`count` series of each family on one span, all with the same kind of fault."""

    name: str
    span: Span
    count: int
    fault: faults.Fault = faults.healthy
    sigmas: float = 0.0
    families: tuple[str, ...] = tuple(FAMILIES)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One series and the truth about it.

    `level` and `unit` are (n,): the expectation without the fault, and what one sigma of a fault is
    (see `Made.unit`).
    """

    series: LabelledSeries
    scenario: str
    family: str
    events: tuple[faults.Event, ...]
    level: Floats
    unit: Floats


def _sized(span: Span, count: int, sigmas: float) -> tuple[Scenario, ...]:
    return (
        Scenario("spike", span, count, faults.spike, sigmas),
        Scenario("dip", span, count, faults.dip, sigmas),
        Scenario("level_shift", span, 3 * count, faults.level_shift, sigmas),
    )


SCENARIOS = (
    Scenario("clean", LONG, 50),
    *(scenario for sigmas in (3, 6, 10) for scenario in _sized(LONG, 6, sigmas)),
    Scenario("drop_to_zero", LONG, 16, faults.drop_to_zero, 6),
    Scenario("absence", LONG, 12, faults.absence),
    Scenario("leak", LONG, 16, faults.leak),
    Scenario("variance", LONG, 16, faults.variance),
    Scenario("shape", LONG, 40, faults.shape, families=SEASONAL),
    Scenario("holiday", LONG, 20, families=SEASONAL),
    Scenario("missing_blocks", LONG, 12, faults.missing_blocks),
    Scenario("clean", SHORT, 20),
    *_sized(SHORT, 3, 6),
    Scenario("drop_to_zero", SHORT, 8, faults.drop_to_zero, 6),
    *(Scenario("dst", span, 20, families=SEASONAL) for span in (SPRING, AUTUMN)),
    *(
        scenario
        for span in COLD
        for scenario in (
            Scenario("cold_start", span, 6),
            Scenario("cold_start", span, 6, faults.early_spike, 10),
        )
    ),
)


def batches(
    seed: int = 0, share: float = 1.0, scenarios: tuple[Scenario, ...] = SCENARIOS
) -> Iterator[list[Case]]:
    """Yield the cases in batches of one grid, at most `MAX_BATCH` each, made when asked for.

    Args:
        seed: each series is drawn from the seed and its own name, whatever else is in the plan.
        share: of each scenario's series, for a quick look; at least one a family stays.
        scenarios: the plan; those of one span are to be neighbours.
    """
    batch: list[Case] = []
    span = None
    for scenario in scenarios:
        if batch and scenario.span != span:
            yield batch
            batch = []
        span = scenario.span
        for case in _cases(scenario, seed, share):
            batch.append(case)
            if len(batch) == MAX_BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _cases(scenario: Scenario, seed: int, share: float) -> Iterator[Case]:
    """Yield the cases of a scenario; a series into which its fault did not fit is left out."""
    for family in scenario.families:
        for number in range(max(1, round(scenario.count * share))):
            case = make_case(scenario, family, number, seed)
            if case.events or scenario.fault in {faults.healthy, faults.missing_blocks}:
                yield case


def make_case(scenario: Scenario, family: str, number: int, seed: int = 0) -> Case:
    """Return one series of a scenario, the same for the same arguments."""
    grid = scenario.span.grid()
    holidays = _holidays(number) if scenario.name == "holiday" else frozenset[str]()
    kind = f"{scenario.name}/{scenario.fault.__name__}/{scenario.sigmas:g}"
    name = f"{kind}/{scenario.span.name}/{family}/{number}"
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    made = FAMILIES[family](grid, rng, holidays)
    faulted = scenario.fault(made, grid.scored_from, rng, scenario.sigmas)
    series = LabelledSeries(
        name=name,
        times=grid.times,
        values=faulted.values,
        anomalous=faulted.anomalous,
        step=STEP,
        scored_from=grid.scored_from,
        tz=grid.tz,
        holidays=holidays,
    )
    return Case(series, scenario.name, family, faulted.events, made.level, made.unit)


def _holidays(number: int) -> frozenset[str]:
    """Return the holidays of a series: every other one has had one in its history."""
    return frozenset({HOLIDAY, EARLIER_HOLIDAY} if number % 2 else {HOLIDAY})
