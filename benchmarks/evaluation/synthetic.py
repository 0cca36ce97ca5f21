"""Accuracy on made-up series of known truth: false alarms on healthy ones, recall and delay on faults.

The generator knows nothing of any detector. What one sigma is, is in `synthetic_families`; when a fault
counts as seen, in `synthetic_judge`; how many series there are, in `synthetic_plan`.
"""

import sys
from collections.abc import Sequence

from benchmarks import report
from benchmarks.evaluation.baselines import RollingZ
from benchmarks.evaluation.series import Detector
from benchmarks.evaluation.synthetic_judge import FALSE_ALARMS, Figure, Quiet, Seen, figures, judge
from benchmarks.evaluation.synthetic_plan import SCENARIOS, Scenario, batches

COMPARED = (f"synthetic_{FALSE_ALARMS}", "synthetic_recall_6sigma")
"""The figures printed with the baseline's."""

BASELINE = RollingZ(alarm_above=5, fewest=12)
"""The usual alert; it says something once it has an hour of samples."""
BASELINE_NAME = "rolling z-score, 1 day, 5 sigma"


def run(detector: Detector, seed: int = 0, share: float = 1.0) -> None:
    """Score the whole plan and print its figures, one JSON object a line.

    Args:
        detector: gets batches of up to 400 series of one grid.
        seed: another seed makes other series of the same plan.
        share: of the series, for a quick look.
    """
    mine, peer = evaluate((detector, BASELINE), seed, share)
    compared = {figure.name: figure.value for figure in peer if figure.name in COMPARED}
    for figure in mine:
        value = compared.get(figure.name)
        peer_name = "" if value is None else BASELINE_NAME
        report(figure.name, figure.value, figure.unit, baseline=value, baseline_name=peer_name)


def evaluate(
    detectors: Sequence[Detector],
    seed: int = 0,
    share: float = 1.0,
    scenarios: tuple[Scenario, ...] = SCENARIOS,
) -> list[list[Figure]]:
    """Return the figures of each detector on the same series; say on stderr how far it is, a batch a line."""
    outcomes: list[list[Quiet | Seen]] = [[] for _ in detectors]
    count = 0
    for cases in batches(seed, share, scenarios):
        series = [case.series for case in cases]
        for detector, judged in zip(detectors, outcomes, strict=True):
            judged.extend(judge(cases, detector.scores(series)))
        count += len(series)
        print(f"synthetic: {count} series scored", file=sys.stderr, flush=True)
    return [list(figures(judged)) for judged in outcomes]
