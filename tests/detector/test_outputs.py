"""Outputs of a job: labels, bands, staleness, formats, and who may write a series."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specter_detector.defaults import METRIC_FORMAT
from specter_detector.formats import DEFAULT, OutputFormat
from specter_detector.identities import Identities
from specter_detector.models.arrays import Floats
from specter_detector.output import output_labels
from specter_detector.outputs import Bands, Outputs, Written
from specter_detector.protobuf import Record
from specter_detector.series import Labels, labels_of
from tests.detector.records import name_of, samples_of

NAMES = ("anomaly_score", "yhat", "yhat_lower", "yhat_upper")
VARIABLES = {"QUERY_KEY": "q", "MODEL_ALIAS": "m", "SCHEDULER_ALIAS": "s", "ANOMALY_TYPE": "latency"}
A, B, C = (labels_of({"i": name}) for name in "abc")


def outputs(
    provided: Sequence[str] = NAMES,
    *,
    form: OutputFormat = DEFAULT,
    bands: Bands = "always",
    max_bands: int = 100,
    identities: Identities | None = None,
    query: str = "q",
) -> Outputs:
    return Outputs(
        query,
        form,
        {**VARIABLES, "QUERY_KEY": query},
        provided,
        bands=bands,
        max_bands=max_bands,
        identities=identities,
    )


def tick(subject: Outputs, at: float, scores: Mapping[Labels, float], *, band: float = 10.0) -> Written:
    """Tell `scores`, and 10 times the score as expectation and band."""
    score = np.array(list(scores.values()), np.float64)
    values: dict[str, Floats] = dict.fromkeys(("y", *NAMES[1:]), band * score)
    values |= {"anomaly_score": score, "anomaly_confidence": score / 2}
    return subject.tick(at, list(scores), values, score > 1)


def told(written: Written) -> dict[tuple[str, str], float | None]:
    """Return values by metric and label i."""
    return {(name_of(each), dict(each.labels).get("i", "")): each.value for each in samples_of(written)}


def test_every_output_of_every_series_is_written_with_the_time() -> None:
    written = tick(outputs(), 1000.25, {A: 0.5, B: 2.0})
    assert told(written) == {
        ("anomaly_score", "a"): 0.5, ("anomaly_score", "b"): 2.0,
        ("yhat", "a"): 5.0, ("yhat_lower", "a"): 5.0, ("yhat_upper", "a"): 5.0,
        ("yhat", "b"): 20.0, ("yhat_lower", "b"): 20.0, ("yhat_upper", "b"): 20.0,
    }  # fmt: skip
    assert {record.timestamp for record in samples_of(written)} == {1_000_250}
    assert written.samples == 8
    assert [block.scores_of for block in written.blocks] == ["q", "", "", ""]


def test_output_keeps_the_inputs_labels_and_renames_what_would_be_overwritten() -> None:
    labels = labels_of({"__name__": "up", "for": "me", "exported_for": "you", "zone": "a", "Z": "ü"})
    (record,) = samples_of(tick(outputs(["yhat"]), 1.0, {labels: 1.0}))
    assert dict(record.labels) == {
        "__name__": "yhat", "for": "q", "exported_for": "me", "exported_exported_for": "you",
        "model_alias": "m", "scheduler_alias": "s", "zone": "a", "Z": "ü",
    }  # fmt: skip
    names = [name for name, _ in record.labels]
    assert names == sorted(names)
    variables = {"VAR": "yhat", "QUERY_KEY": "q", "MODEL_ALIAS": "m", "SCHEDULER_ALIAS": "s"}
    assert output_labels(labels, METRIC_FORMAT, variables) == record.labels


def test_output_names_follow_the_template() -> None:
    form = OutputFormat("template", {"__name__": "specter_$VAR", "query": "$QUERY_KEY/$MODEL_ALIAS", "x": ""})
    (record,) = samples_of(tick(outputs(["yhat"], form=form), 1.0, {(): 1.0}))
    assert dict(record.labels) == {"__name__": "specter_yhat", "query": "q/m"}


def test_the_format_of_promql_anomaly_detection_has_level_and_band_beside_the_score() -> None:
    form = OutputFormat("promql-anomaly-detection", METRIC_FORMAT)
    records = samples_of(tick(outputs(["anomaly_score", "yhat"], form=form), 1.0, {A: 2.0}))
    band = {"anomaly_name": "q", "anomaly_type": "latency", "anomaly_strategy": "m", "i": "a"}
    assert [dict(record.labels) for record in records] == [
        {"__name__": "anomaly_score", "for": "q", "model_alias": "m", "scheduler_alias": "s", "i": "a"},
        {"__name__": "anomaly:level", **band},
        {"__name__": "anomaly:upper_band", **band},
        {"__name__": "anomaly:lower_band", **band},
    ]
    assert [record.value for record in records] == [2.0, 20.0, 20.0, 20.0]


def test_what_is_not_told_again_is_ended_once() -> None:
    subject = outputs(["anomaly_score", "yhat"])
    tick(subject, 1.0, {A: 0.5, B: 0.5})
    assert told(tick(subject, 2.0, {B: 0.7})) == {
        ("anomaly_score", "b"): 0.7, ("yhat", "b"): 7.0, ("anomaly_score", "a"): None, ("yhat", "a"): None,
    }  # fmt: skip
    assert told(tick(subject, 3.0, {B: np.nan})) == {("anomaly_score", "b"): None, ("yhat", "b"): None}
    assert told(tick(subject, 4.0, {B: np.nan})) == {}
    tick(subject, 5.0, {A: 0.5})
    assert told(subject.close(6.0)) == {("anomaly_score", "a"): None, ("yhat", "a"): None}
    assert told(subject.close(7.0)) == {}


def test_a_block_with_staleness_markers_alone_is_no_score() -> None:
    subject = outputs(["anomaly_score"])
    tick(subject, 1.0, {A: 0.5})
    assert [block.scores_of for block in subject.close(2.0).blocks] == [""]


def test_bands_of_the_anomalous_begin_and_end_with_the_anomaly() -> None:
    subject = outputs(["anomaly_score", "yhat", "anomaly_confidence"], bands="anomalous")
    quiet = {("anomaly_score", "a"): 0.5, ("anomaly_confidence", "a"): 0.25}
    assert told(tick(subject, 1.0, {A: 0.5})) == quiet
    assert told(tick(subject, 2.0, {A: 2.0})) == {
        ("anomaly_score", "a"): 2.0, ("anomaly_confidence", "a"): 1.0, ("yhat", "a"): 20.0,
    }  # fmt: skip
    assert told(tick(subject, 3.0, {A: 0.5})) == {**quiet, ("yhat", "a"): None}
    assert told(tick(subject, 4.0, {A: 0.5})) == quiet


def test_of_many_anomalous_series_the_highest_scores_have_bands() -> None:
    subject = outputs(["anomaly_score", "yhat"], bands="anomalous", max_bands=2)
    scores = {labels_of({"i": str(i)}): 2.0 + i for i in (3, 9, 1, 7)}
    bands = {i for (name, i), _ in told(tick(subject, 1.0, scores)).items() if name == "yhat"}
    assert bands == {"9", "7"}
    scores[labels_of({"i": "1"})] = 50.0
    after = told(tick(subject, 2.0, scores))
    assert {i: value for (name, i), value in after.items() if name == "yhat"} == {
        "9": 110,
        "1": 500,
        "7": None,
    }


@pytest.mark.parametrize("labels", [{"a-b": "x"}, {"a": "\udcff"}, {"0a": "x"}, {"ü": "x"}])
def test_what_a_server_would_choke_on_is_not_written(labels: dict[str, str]) -> None:
    bad = labels_of(labels)
    written = tick(outputs(), 1.0, {bad: 0.5, A: 0.5})
    assert (written.invalid, written.duplicates, written.unwritable) == ((bad,), (), (bad,))
    assert {i for _, i in told(written)} == {"a"}
    assert tick(outputs(), 1.0, {bad: np.nan}).invalid == ()


def test_series_that_differ_in_their_name_alone_are_one_output_which_the_first_has() -> None:
    first, second = labels_of({"__name__": "x", "i": "a"}), labels_of({"__name__": "y", "i": "a"})
    subject = outputs()
    for at in (1.0, 2.0):
        written = tick(subject, at, {first: 0.5, second: 0.7})
        assert written.duplicates == (second,)
        assert told(written)["anomaly_score", "a"] == 0.5
    # It takes over when the first is gone for good, not before.
    assert tick(subject, 3.0, {second: 0.7}).duplicates == (second,)
    subject.forget([first])
    assert tick(subject, 4.0, {second: 0.7}).duplicates == ()


def test_two_queries_do_not_write_the_same_series() -> None:
    form = OutputFormat("template", {"__name__": "$VAR"})
    shared = Identities()
    one, two = (outputs(form=form, identities=shared, query=name) for name in ("one", "two"))
    assert tick(one, 1.0, {A: 0.5}).unwritable == ()
    written = tick(two, 1.0, {A: 0.6, B: 0.6})
    assert written.duplicates == (A,)
    assert {i for _, i in told(written)} == {"b"}
    other = outputs(["anomaly_confidence"], form=form, identities=shared, query="three")
    assert tick(other, 1.0, {A: 0.6}).unwritable == ()
    apart = outputs(identities=shared, query="four")
    assert tick(apart, 1.0, {A: 0.6}).unwritable == ()


def test_what_is_forgotten_while_it_is_open_is_ended_first() -> None:
    subject = outputs(["anomaly_score"])
    tick(subject, 1.0, {A: 0.5, B: 0.5})
    subject.forget([A])
    assert told(tick(subject, 2.0, {B: 0.5})) == {("anomaly_score", "b"): 0.5, ("anomaly_score", "a"): None}
    assert told(tick(subject, 3.0, {A: 0.6, B: 0.5})) == {
        ("anomaly_score", "a"): 0.6, ("anomaly_score", "b"): 0.5,
    }  # fmt: skip


def test_churn_leaves_nothing_behind() -> None:
    identities = Identities()
    subject = outputs(bands="anomalous", identities=identities)
    sizes = []
    for number in range(600):
        series = {labels_of({"i": str(each)}): 2.0 for each in range(number, number + 20)}
        assert {i for (_, i), value in told(tick(subject, float(number), series)).items() if value} == {
            str(each) for each in range(number, number + 20)
        }
        subject.forget([labels_of({"i": str(number - 2)})])
        sizes.append(subject.nbytes)
    assert max(sizes[300:]) <= max(sizes[:300])
    assert len(identities) <= 22


SCORES = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.5, 2.0, 3.0, np.nan]), max_size=6)
ACTIONS = st.lists(SCORES | st.just("close") | st.sampled_from("abc").map(lambda name: ("forget", name)))


@settings(max_examples=60)
@given(ACTIONS, st.sampled_from(["always", "anomalous"]), st.integers(0, 3))
def test_every_output_is_open_or_ended_as_if_each_were_written_by_itself(
    actions: list[object], bands: Bands, max_bands: int
) -> None:
    subject = outputs(["anomaly_score", "yhat"], bands=bands, max_bands=max_bands)
    is_open: set[tuple[str, str]] = set()
    for at, action in enumerate(actions):
        if isinstance(action, tuple):
            subject.forget([labels_of({"i": action[1]})])
            continue
        expected: dict[tuple[str, str], float | None] = {}
        if isinstance(action, dict):
            highest = sorted((name for name in action if action[name] > 1), key=lambda name: -action[name])
            banded = highest[:max_bands] if bands == "anomalous" else list(action)
            known = [name for name in action if not np.isnan(action[name])]
            expected = {("anomaly_score", name): action[name] for name in known}
            expected |= {("yhat", name): 10 * action[name] for name in known if name in banded}
            written = tick(subject, at, {labels_of({"i": name}): value for name, value in action.items()})
        else:
            written = subject.close(at)
        open_now = set(expected)
        expected |= dict.fromkeys(is_open - open_now)
        is_open = open_now
        records: list[Record] = samples_of(written)
        assert len(records) == len(expected)
        assert told(written) == expected
