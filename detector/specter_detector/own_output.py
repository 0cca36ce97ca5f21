"""Which series the detector wrote itself: what it writes must not become what it reads."""

import re
from collections.abc import Callable, Mapping

from specter_detector.crosschecks import OUTPUTS
from specter_detector.output import NAME
from specter_detector.series import Labels

OWN_PREFIXES = ("specter_detector_", "anomaly:")
"""Its own metrics, and its output in the names of promql-anomaly-detection."""

VARIABLE = re.compile(r"\\\$(VAR|QUERY_KEY|MODEL_ALIAS|SCHEDULER_ALIAS)")
FEWEST_MARKS = 2
"""One added label proves nothing: inputs have a label `for`, too."""


def own_output(metric_format: Mapping[str, str]) -> Callable[[Labels], bool]:
    """Return what tells whether a series is the detector's own, for outputs called as `metric_format` says.

    Either its name says so, or, where an expression has dropped the name, the labels that
    are added to every output: all of them, if there are two or more.
    """
    names = _pattern(metric_format.get(NAME, "$VAR"), variable="|".join(OUTPUTS))
    marks = {
        label: _pattern(template, variable=".+") for label, template in metric_format.items() if label != NAME
    }

    def is_own(labels: Labels) -> bool:
        found = 0
        for label, value in labels:
            if label == NAME:
                if value.startswith(OWN_PREFIXES) or names.fullmatch(value):
                    return True
            elif label in marks and marks[label].fullmatch(value):
                found += 1
        return found == len(marks) >= FEWEST_MARKS

    return is_own


def is_own_output(labels: Labels, metric_format: Mapping[str, str]) -> bool:
    """Return whether one series is the detector's own; for many see `own_output`."""
    return own_output(metric_format)(labels)


def _pattern(template: str, *, variable: str) -> re.Pattern[str]:
    """Return what matches `template` with its variables filled in."""

    def filled(match: re.Match[str]) -> str:
        return f"(?:{variable})" if match[1] == "VAR" else "(?:.+)"

    return re.compile(VARIABLE.sub(filled, re.escape(template)), re.DOTALL)
