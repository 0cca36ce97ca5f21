"""The metric families of a moment. Made afresh for each scrape, so that no label outlives its source."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics
from specter_core.metrics import Metric
from specter_exporters.addresses import AddressLabels
from specter_exporters.signin.attacks import ATTACK_KINDS, SURGE_KINDS
from specter_exporters.signin.outcomes import OUTCOMES
from specter_exporters.signin.pictures import Grouping, Heavy
from specter_exporters.signin.settings import Settings
from specter_exporters.signin.signins import SignInView
from specter_exporters.signin.traffic import RequestView
from specter_exporters.signin.user_agents import CLASSES

OTHER = "other"
REASONS = ("invalid", "rate_limited", "too_large", "unauthorized", "unreadable")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is exposed, at one moment."""

    signins: SignInView
    requests: RequestView | None
    events: Mapping[str, int]
    refused: Mapping[str, int]


def families(snapshot: Snapshot, settings: Settings, labels: AddressLabels) -> Iterable[Family]:
    """Yield the families of `snapshot`."""
    yield from _signin_families(snapshot.signins, settings, labels)
    for metric, event in (
        (metrics.AUTH_CAPTCHA_CHALLENGES, "captcha_challenge"),
        (metrics.AUTH_CAPTCHA_SUCCESSES, "captcha_success"),
        (metrics.AUTH_LOCKOUTS, "lockout"),
    ):
        yield _plain(metric, snapshot.events.get(event, 0))
    yield _by(metrics.AUTH_EVENTS_REFUSED, REASONS, snapshot.refused)
    if snapshot.requests is not None:
        yield from _request_families(snapshot.requests, settings, labels)


def _signin_families(view: SignInView, settings: Settings, labels: AddressLabels) -> Iterable[Family]:
    picture = view.picture
    yield _by(metrics.AUTH_ATTEMPTS, OUTCOMES, view.outcomes)
    yield _by(metrics.AUTH_USER_AGENT_FAILURES, CLASSES, view.agent_failures)
    failures, accounts = _empty(metrics.AUTH_SOURCE_FAILURES), _empty(metrics.AUTH_SOURCE_ACCOUNTS)
    error = _empty(metrics.AUTH_SOURCE_FAILURES_ERROR)
    grouped: tuple[tuple[Grouping, tuple[Heavy, ...]], ...] = (
        ("address", picture.addresses),
        ("network", picture.networks),
    )
    for grouping, sources in grouped:
        top = [each for each in sources[: settings.top] if each.failures >= settings.top_min_failures]
        named = _named(
            [(bytes(each.key), each.failures) for each in top if isinstance(each.key, bytes)], labels
        )
        _add_top(failures, grouping, named, picture.failures)
        for (name, _), each in zip(named, top, strict=True):
            accounts.add_metric([grouping, name], each.failed)
        error.add_metric([grouping], picture.error[grouping])
    yield from (failures, accounts, error)
    yield _plain(metrics.AUTH_FAILED_SOURCES, picture.sources)
    yield _plain(metrics.AUTH_FAILED_ACCOUNTS, picture.accounts)
    most = picture.top_accounts
    # Where so many accounts failed once each that none is kept, the most is 1.
    least = min(1, picture.accounts)
    failures_max = max((each.failures for each in most), default=0)
    yield _plain(metrics.AUTH_ACCOUNT_FAILURES_MAX, max(least, failures_max))
    sources_max = max((each.failed for each in most), default=0)
    yield _plain(metrics.AUTH_ACCOUNT_SOURCES_MAX, max(least, sources_max))
    yield _by(metrics.AUTH_ATTACK_SUSPECTED, ATTACK_KINDS, view.suspected)
    yield _plain(metrics.AUTH_SUSPECTED_BREACHES, view.breaches)


def _request_families(view: RequestView, settings: Settings, labels: AddressLabels) -> Iterable[Family]:
    picture = view.picture
    yield _by(metrics.HTTP_USER_AGENT_REQUESTS, CLASSES, view.classes)
    family = _empty(metrics.HTTP_SOURCE_REQUESTS)
    for grouping, sources in (("address", picture.addresses), ("network", picture.networks)):
        top = [(key, count) for key, count in sources[: settings.top] if count >= settings.top_min_requests]
        _add_top(family, grouping, _named(top, labels), picture.requests)
    yield family
    yield _plain(metrics.HTTP_SOURCES, picture.sources)
    yield _by(metrics.HTTP_SURGE_SUSPECTED, SURGE_KINDS, view.suspected)


def _named(top: Sequence[tuple[bytes, int]], labels: AddressLabels) -> list[tuple[str, int]]:
    return [(labels.label(key), count) for key, count in top]


def _add_top(family: Family, grouping: str, top: Sequence[tuple[str, int]], total: int) -> None:
    for name, count in top:
        family.add_metric([grouping, name], count)  # type: ignore[attr-defined]
    # The counts of the top are lower bounds, so what they miss is in here.
    rest = total - sum(count for _, count in top)
    family.add_metric([grouping, OTHER], rest)  # type: ignore[attr-defined]


def _empty(metric: Metric) -> GaugeMetricFamily | CounterMetricFamily:
    if metric.kind == "counter":
        return CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
    return GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)


def _plain(metric: Metric, value: float) -> Family:
    family = _empty(metric)
    family.add_metric([], value)
    return family


def _by(metric: Metric, names: Iterable[str], values: Mapping[str, float]) -> Family:
    family = _empty(metric)
    for name in names:
        family.add_metric([name], values.get(name, 0))
    return family
