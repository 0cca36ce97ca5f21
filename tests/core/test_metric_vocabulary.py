"""The metric names keep to the rules that promtool, Grafana and OpenMetrics expect."""

import re

import pytest

from specter_core import metrics
from specter_core.metrics import Metric

DECLARED = {name: value for name, value in vars(metrics).items() if isinstance(value, Metric)}
EVERY = pytest.mark.parametrize("metric", DECLARED.values(), ids=list(DECLARED))
RESERVED = {"job", "instance", "le", "quantile", "__name__"}


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for each in value.values() for text in _texts(each)] if isinstance(value, dict) else []


RECORDED = sorted(
    {
        text
        for value in vars(metrics).values()
        for text in _texts(value)
        if text.count(":") >= 1 and " " not in text
    }
)


@EVERY
def test_the_name_fits_its_kind(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
    assert "__" not in metric.name
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.name.endswith("_info") == (metric.kind == "info")
    assert not metric.name.endswith(("_count", "_sum", "_bucket"))


@EVERY
def test_the_unit_is_a_base_unit(metric: Metric) -> None:
    assert not re.search(r"_(milliseconds|ms|minutes|hours|percent|kilobytes|megabytes)(_|$)", metric.name)


@EVERY
def test_only_a_histogram_has_buckets_and_they_grow(metric: Metric) -> None:
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert list(metric.buckets) == sorted(set(metric.buckets))
    assert all(0 < bound < float("inf") for bound in metric.buckets)


@EVERY
def test_labels_are_valid_unique_and_leave_prometheus_its_own(metric: Metric) -> None:
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in metric.labels)
    assert not any(label.startswith("__") for label in metric.labels)
    assert len(set(metric.labels)) == len(metric.labels)
    assert not RESERVED & set(metric.labels)


@EVERY
def test_the_help_is_a_sentence(metric: Metric) -> None:
    assert metric.help == metric.help.strip()
    assert metric.help.endswith(".")
    assert metric.help[0].isupper() or metric.help[0].isdigit()
    assert "\n" not in metric.help


def test_no_two_families_expose_the_same_series() -> None:
    series = [metric.name for metric in DECLARED.values()]
    for metric in DECLARED.values():
        if metric.kind == "histogram":
            series += [metric.bucket, metric.count, metric.sum]
    assert len(series) == len(set(series))


def test_a_histogram_names_its_three_series() -> None:
    metric = metrics.HTTP_SERVER_REQUEST_DURATION
    assert metric.bucket == "http_server_request_duration_seconds_bucket"
    assert metric.count == "http_server_request_duration_seconds_count"
    assert metric.sum == "http_server_request_duration_seconds_sum"


def test_the_recorded_layer_is_found() -> None:
    assert len(RECORDED) >= 11
    assert metrics.SERVICE_REQUEST_RATE in RECORDED


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_name_is_level_metric_operations(name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*:[a-z][a-z0-9_]*:[a-z][a-z0-9_]*", name)


def test_the_detector_reads_recorded_series_and_each_once() -> None:
    assert set(metrics.QUERY_SERIES.values()) <= set(RECORDED)
    assert len(set(metrics.QUERY_SERIES.values())) == len(metrics.QUERY_SERIES)
