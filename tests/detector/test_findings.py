"""What a fit tells of beside the score."""

import numpy as np

from specter_detector.findings import MOST_A_FIT, QUIET_FOR, Findings
from specter_detector.series import labels_of

NOTHING, NOISE, BOTH = [0.0, 0.9], [1.5, 0.0], [1.2, 3.0]


def test_a_change_is_told_once_a_day_highest_first() -> None:
    findings = Findings()
    labels = [labels_of({"i": str(i)}) for i in range(3)]
    changes = np.array([NOTHING, NOISE, BOTH], np.float32)
    assert findings.new(0.0, labels, changes) == [
        '{i="2"}: its day has another shape (score 3)',
        '{i="1"}: its noise has changed (score 1.5)',
        '{i="2"}: its noise has changed (score 1.2)',
    ]
    assert findings.new(3600.0, labels, changes) == []
    assert len(findings.new(QUIET_FOR, labels, changes)) == 3


def test_a_storm_is_told_in_part() -> None:
    labels = [labels_of({"i": str(i)}) for i in range(100)]
    assert len(Findings().new(0.0, labels, np.full((100, 2), 2.0, np.float32))) == MOST_A_FIT
