"""Metrics of the vocabulary as prometheus_client makes them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from specter_core.metrics import Metric


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """Return `metric`, registered."""
    return Counter(metric.name.removesuffix("_total"), metric.help, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """Return `metric`, registered."""
    return Gauge(metric.name, metric.help, metric.labels, registry=registry)


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """Return `metric`, registered."""
    return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=registry)
