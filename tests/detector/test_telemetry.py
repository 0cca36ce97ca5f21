"""What the detector says of itself: from the start, of what there is, and of nothing else."""

import re

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from specter_core import metrics
from specter_core.exposition import WithoutCreated
from specter_core.metrics import Metric
from specter_detector.presets.catalogue import PRESETS, presets_on
from specter_detector.telemetry import DROP_REASONS, Telemetry

# Of a class of its own, registered with the pages.
ELSEWHERE = {metrics.DETECTOR_FEEDBACK_WINDOWS.name}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def telemetry(registry: CollectorRegistry) -> Telemetry:
    return Telemetry(registry)


def value(registry: CollectorRegistry, metric: Metric, **labels: str) -> float | None:
    return registry.get_sample_value(metric.name, labels)


def of_query(registry: CollectorRegistry, query: str) -> set[str]:
    """Return the names of the series of a query."""
    families = registry.collect()
    return {
        sample.name
        for family in families
        for sample in family.samples
        if sample.labels.get("query") == query and not sample.name.endswith("_created")
    }


def fill(telemetry: Telemetry, query: str) -> None:
    telemetry.scores_written(query, 100.0)
    telemetry.fitted(query, 2.0, 90.0)
    telemetry.series(query, {"scored": 4})
    telemetry.judged(query, 4, 1)


def test_every_metric_of_the_vocabulary_is_registered(
    registry: CollectorRegistry, telemetry: Telemetry
) -> None:
    telemetry.spooled(0, 0, persistent=True)
    declared = {
        metric.name.removesuffix("_total").removesuffix("_info")
        for metric in vars(metrics).values()
        if isinstance(metric, Metric) and metric.name.startswith("specter_detector_")
    }
    registered = {family.name for family in registry.collect()}
    assert {name for name in registered if name.startswith("specter_")} == declared - ELSEWHERE
    assert {
        "process_cpu_seconds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
    } <= registered


def test_counters_are_there_at_zero_before_anything_happened(
    registry: CollectorRegistry, telemetry: Telemetry
) -> None:
    telemetry.prepare(["load"])
    text = generate_latest(WithoutCreated(registry)).decode()
    for metric in vars(metrics).values():
        if isinstance(metric, Metric) and metric.name.startswith("specter_detector_"):
            if metric.kind == "counter":
                found = re.findall(rf"^{metric.name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
                assert found, metric.name
                assert set(found) == {"0.0"}, metric.name
            elif metric.kind == "histogram":
                assert re.search(rf"^{metric.count}(?:{{.*}})? 0\.0$", text, re.MULTILINE), metric.name
    assert [value(registry, metrics.DETECTOR_SAMPLES_DROPPED, reason=each) for each in DROP_REASONS] == (
        [0.0] * len(DROP_REASONS)
    )


def test_no_series_says_when_it_was_created(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    telemetry.prepare(["load"])
    text = generate_latest(WithoutCreated(registry)).decode()
    assert "_created" not in text
    names = ["specter_detector_ticks_skipped_total"]
    only = generate_latest(WithoutCreated(registry).restricted_registry(names)).decode()
    assert [line for line in only.splitlines() if not line.startswith("#")] == [f"{names[0]} 0.0"]


def test_a_query_that_is_gone_is_shown_no_more(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    telemetry.prepare(["load", "depth"], models=3)
    for query in ("load", "depth"):
        fill(telemetry, query)
    shown = of_query(registry, "depth")
    assert len(shown) == 9
    assert value(registry, metrics.DETECTOR_QUERIES) == 2
    assert value(registry, metrics.DETECTOR_MODELS) == 3
    telemetry.prepare(["load"], models=1)
    assert of_query(registry, "depth") == set()
    assert of_query(registry, "load") == shown
    assert value(registry, metrics.DETECTOR_QUERIES) == 1
    assert value(registry, metrics.DETECTOR_LAST_TICK, query="load") == 100.0


def test_the_share_of_anomalous_series_is_absent_while_none_has_a_score(
    registry: CollectorRegistry, telemetry: Telemetry
) -> None:
    telemetry.prepare(["load"])
    assert value(registry, metrics.DETECTOR_ANOMALOUS_RATIO, query="load") is None
    telemetry.judged("load", 8, 2)
    assert value(registry, metrics.DETECTOR_ANOMALOUS_RATIO, query="load") == 0.25
    telemetry.judged("load", 8, 0)
    assert value(registry, metrics.DETECTOR_ANOMALOUS_RATIO, query="load") == 0.0
    telemetry.judged("load", 0, 0)
    assert value(registry, metrics.DETECTOR_ANOMALOUS_RATIO, query="load") is None


def test_runs_of_a_model_are_counted_with_their_time_and_a_defect_goes_on(
    registry: CollectorRegistry, telemetry: Telemetry
) -> None:
    telemetry.prepare(["load"])
    times = iter([10.0, 10.25, 20.0, 20.5])
    with telemetry.judging("load", lambda: next(times)):
        pass
    with pytest.raises(ZeroDivisionError), telemetry.judging("load", lambda: next(times)):
        1 / 0  # noqa: B018
    runs = metrics.DETECTOR_MODEL_RUNS
    assert [value(registry, runs, query="load", outcome=each) for each in ("ok", "error")] == [1, 1]
    assert value(registry, metrics.DETECTOR_MODEL_RUN_SECONDS, query="load") == 0.75


def test_requests_are_counted_with_duration_and_bytes(
    registry: CollectorRegistry, telemetry: Telemetry
) -> None:
    telemetry.requests.answered("2xx", 0.2)
    telemetry.requests.answered("1xx", 0.3)
    telemetry.requests.received(300)
    telemetry.requests.wrote("rejected", 0.5, 1000)
    reads, writes = metrics.DETECTOR_READ_REQUEST_DURATION, metrics.DETECTOR_WRITE_REQUEST_DURATION
    assert [
        registry.get_sample_value(reads.sum, {"code": code}) for code in ("2xx", "3xx", "4xx", "5xx", "none")
    ] == [0.2, 0, 0, 0, 0.3]
    assert registry.get_sample_value(writes.sum, {"outcome": "rejected"}) == 0.5
    assert value(registry, metrics.DETECTOR_WRITES, outcome="rejected") == 1
    assert value(registry, metrics.DETECTOR_READ_BYTES) == 300
    assert value(registry, metrics.DETECTOR_SENT_BYTES) == 1000


def test_only_what_is_spooled_shows_a_spool(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    assert value(registry, metrics.DETECTOR_SPOOL_PERSISTENT) is None
    telemetry.spooled(7, 70, persistent=False)
    telemetry.spooled(8, 80, persistent=True)
    assert value(registry, metrics.DETECTOR_SPOOL_SAMPLES) == 8
    assert value(registry, metrics.DETECTOR_SPOOL_PERSISTENT) == 1


def test_one_executor_is_shown(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    telemetry.fit_workers("local", 2)
    telemetry.fit_workers("dask", 0)
    assert value(registry, metrics.DETECTOR_FIT_WORKERS, executor="local") is None
    assert value(registry, metrics.DETECTOR_FIT_WORKERS, executor="dask") == 0


def test_queries_of_presets_are_counted_by_preset_and_not_by_alias_alone() -> None:
    cpu = next(query for query in PRESETS["node"].queries if query.alias == "node_cpu_used")
    depth = next(query for query in PRESETS["queues"].queries if query.alias == "queue_depth")
    watched = {cpu.alias: cpu.sources[-1].expr, depth.alias: "my_own_depth"}
    assert dict(presets_on(watched)) == {"node": 1}


def test_presets_that_are_off_are_shown_as_none(registry: CollectorRegistry, telemetry: Telemetry) -> None:
    telemetry.prepare(["node_cpu_used"], presets={"node": 1})
    shown = {preset: value(registry, metrics.DETECTOR_PRESET_QUERIES, preset=preset) for preset in PRESETS}
    assert shown == {**dict.fromkeys(PRESETS, 0), "node": 1}
