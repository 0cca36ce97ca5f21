"""Labels of every class of Unicode, and names that the output needs itself: all are scored, and come back."""

import sys
import time
import unicodedata
from contextlib import ExitStack
from pathlib import Path

import pytest

from specter_detector.series import Labels, labels_of
from tests.detector.faults.feeding import NAME, feeding, history
from tests.detector.faults.process import CONFIG, DetectorProcess, running
from tests.detector.faults.ticks import OUTPUTS, assert_gapless, wait_for_ticks
from tests.servers.prometheus import running_prometheus

pytestmark = pytest.mark.integration

A_CLASS = 3
LONG = 200


def texts() -> dict[str, str]:
    """Return by class of Unicode the first, a middle and the last character of it; surrogates are no text."""
    members: dict[str, list[str]] = {}
    for number in range(1, sys.maxunicode + 1):
        character = chr(number)
        members.setdefault(unicodedata.category(character), []).append(character)
    del members["Cs"]
    return {name: found[0] + found[len(found) // 2] + found[-1] for name, found in sorted(members.items())}


ODD = (
    *texts().values(),
    "\\", '"', "\n", "\t\r", "\\n", '\\"', "a" * LONG, " leading and trailing ", "{}", ",", "=", "\u202e",
    "e\u0301", "\u00e9", '","value":[', '}]},{"metric":{', "\U0001f469\u200d\U0001f4bb",
)  # fmt: skip
"""The last but three are the same to the eye and are not; two would end a row if they were not escaped."""
NAMES = ("for", "exported_for", "model_alias", "scheduler_alias", "instance", "le", "quantile", "A_1")


def odd_series() -> list[Labels]:
    found = [labels_of({"__name__": NAME, "odd": text}) for text in ODD]
    found += [labels_of({"__name__": NAME, name: "mine"}) for name in NAMES]
    # With all three that the detector adds it would be taken for its own output, which is never read.
    most = {name: "most" for name in NAMES if name != "scheduler_alias"}
    return [*found, labels_of({"__name__": NAME, **most})]


ADDED = {"for": "shop", "model_alias": "default", "scheduler_alias": "s"}


def as_input(metric: dict[str, str]) -> Labels:
    """Return the labels of the input that an output is of."""
    found = {"__name__": NAME}
    for name, text in metric.items():
        if name in ADDED:
            assert text == ADDED[name]
        elif name != "__name__":
            bare = name
            while bare.startswith("exported_"):
                bare = bare.removeprefix("exported_")
            found[name.removeprefix("exported_") if bare in ADDED else name] = text
    return labels_of(found)


def test_every_series_is_scored_and_its_labels_come_back_as_they_were(tmp_path: Path) -> None:
    labels = odd_series()
    assert len(set(labels)) == len(labels) > 50
    with ExitStack() as stack:
        server = stack.enter_context(
            running_prometheus(tmp_path / "prometheus", history=history(labels, time.time()))
        )
        stack.enter_context(feeding(server, labels))
        detector = DetectorProcess(tmp_path / "detector", CONFIG.format(url=server.url))
        stack.enter_context(running(detector))
        detector.wait_for_metric("series", lambda known: known == len(labels), query="shop", state="scored")
        wait_for_ticks(server, 3)
        for name in OUTPUTS:
            metrics: list[dict[str, str]] = [row["metric"] for row in server.query(name)]  # type: ignore[misc]
            assert sorted(as_input(metric) for metric in metrics) == sorted(labels)
        assert_gapless(server, len(labels))
        assert detector.metric("samples_dropped_total") == 0
        assert detector.metric("series", query="shop", state="warming") == 0
        assert "Traceback" not in detector.log()
