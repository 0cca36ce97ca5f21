"""Collect what the screen shows and what the stages need, once a second."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specter_core.metrics import (
    ALERTS,
    ANOMALY_SCORE,
    FOR,
    ROUTE,
    ROUTE_DURATION,
    ROUTE_REQUEST_RATE,
    SERVICE,
    WATCHDOG,
    WEB_VITALS_LABELS,
)
from specter_demo.faults.fault import Fault
from specter_demo.story.prometheus import PrometheusClient, Sample

SHOP = "shop"
OF_SHOP = f'{SERVICE}="{SHOP}"'
# No past of the database, or of what is in it, is imported: it is scored when a run has lasted for long, and
# by that run alone.
WITHOUT_PAST = "(pg|sql)_.+"
WITH_PAST = f'{FOR}!~"{WITHOUT_PAST}"'
QUIET_ALERTS = {WATCHDOG}
# Which part of a service: a route, or a page on a class of devices.
PLACE = (ROUTE, *WEB_VITALS_LABELS)
ABOUT = (SERVICE, FOR, *PLACE)


@dataclass(frozen=True, slots=True)
class RouteView:
    """One line of the traffic table; a value is None when nothing is known."""

    route: str
    rate: float | None
    p95: float | None
    score: float | None


@dataclass(frozen=True, slots=True)
class AlertView:
    """One firing or pending alert; `query` is what the detector's is of, empty for a rule family's."""

    name: str
    severity: str
    state: str
    about: str
    service: str = ""
    query: str = ""

    @property
    def has_past(self) -> bool:
        """Whether it is not of a series that no past was imported of."""
        return re.fullmatch(WITHOUT_PAST, self.query) is None


@dataclass(frozen=True, slots=True)
class Observation:
    """What Prometheus said at one moment."""

    routes: tuple[RouteView, ...]
    scores: Mapping[str, float]
    alerts: tuple[AlertView, ...]

    @property
    def highest(self) -> tuple[str, float] | None:
        """The most anomalous series and its score."""
        return max(self.scores.items(), key=lambda item: item[1]) if self.scores else None


NOTHING = Observation((), {}, ())


def observe(client: PrometheusClient, since: float) -> Observation:
    """Ask for the traffic, the scores and the alerts of this moment.

    What is older than `since` (epoch seconds) was written by an earlier run:
    Prometheus shows a series' last value for five minutes.
    """
    scores = _known(client.query(_newer(f"{ANOMALY_SCORE}{{{OF_SHOP},{WITH_PAST}}}", since)))
    selector = f"{{{OF_SHOP}}}"
    rates = _by_route(client.query(ROUTE_REQUEST_RATE + selector))
    slow = _by_route(client.query(ROUTE_DURATION["p95"] + selector))
    worst: dict[str, float] = {}
    for sample in scores:
        route = sample.labels.get(ROUTE)
        if route is not None:
            worst[route] = max(sample.value, worst.get(route, 0.0))
    routes = sorted(route for route in {*rates, *slow, *worst} if route)
    return Observation(
        routes=tuple(RouteView(r, rates.get(r), slow.get(r), worst.get(r)) for r in routes),
        scores={series_name(sample.labels): sample.value for sample in scores},
        alerts=tuple(_alerts(client.query(_newer(f'{ALERTS}{{alertstate=~"firing|pending"}}', since)))),
    )


def series_name(labels: Mapping[str, str]) -> str:
    """Return a score's series as people say it: the query's alias, and the route or the page and device."""
    about = (labels.get(name) for name in PLACE)
    return " ".join([labels.get(FOR, "?"), *filter(None, about)])


def _by_route(samples: Iterable[Sample]) -> dict[str, float]:
    return {sample.labels.get(ROUTE, ""): sample.value for sample in _known(samples)}


def _known(samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples that say something: NaN is as good as none."""
    return [sample for sample in samples if not math.isnan(sample.value)]


def _alerts(samples: Iterable[Sample]) -> list[AlertView]:
    views = []
    for sample in samples:
        labels = sample.labels
        if labels["alertname"] in QUIET_ALERTS:
            continue
        about = " ".join(labels[key] for key in ABOUT if labels.get(key))
        severity = labels.get("severity", "none")
        service, query = labels.get(SERVICE, ""), labels.get(FOR, "")
        views.append(AlertView(labels["alertname"], severity, labels["alertstate"], about, service, query))
    return sorted(views, key=lambda view: (view.severity, view.name, view.about))


def score_is_up(client: PrometheusClient, fault: Fault, since: float) -> bool:
    """Whether a series that `fault` should disturb scores above 1, in a sample since `since`."""
    return any(sample.value > 1.0 for sample in _scores(client, fault, since))


def score_is_quiet(client: PrometheusClient, fault: Fault, since: float) -> bool:
    """Whether the series that `fault` disturbs were scored since `since`, and none above 1."""
    scores = _scores(client, fault, since)
    return bool(scores) and all(sample.value <= 1.0 for sample in scores)


def _scores(client: PrometheusClient, fault: Fault, since: float) -> list[Sample]:
    selector = f'{ANOMALY_SCORE}{{{OF_SHOP},{FOR}=~"{"|".join(fault.expects)}"}}'
    return client.query(_newer(selector, since))


def alert_fires(client: PrometheusClient, fault: Fault, since: float) -> bool:
    """Whether the alert that `fault` should raise fires, in a sample since `since`."""
    about = f'{OF_SHOP},{FOR}=~"{"|".join(fault.expects)}"' if fault.expects else OF_SHOP
    return bool(_firing(client, (fault.alert,), about, since))


def family_alert(client: PrometheusClient, fault: Fault, since: float) -> str | None:
    """Return which family alert of `fault` fires, in a sample since `since`; None for none."""
    firing = _firing(client, fault.family_alerts, OF_SHOP, since) if fault.family_alerts else []
    return min((sample.labels["alertname"] for sample in firing), default=None)


def _firing(client: PrometheusClient, names: tuple[str, ...], about: str, since: float) -> list[Sample]:
    selector = f'{ALERTS}{{alertname=~"{"|".join(names)}",alertstate="firing",{about}}}'
    return client.query(_newer(selector, since))


def is_over(client: PrometheusClient, fault: Fault, injected: float, cleared: float) -> bool:
    """Whether what told of `fault` is quiet again: its scores since `cleared`, or without any its alert.

    Prometheus ends the series of an alert that is resolved, so one look at it is enough; its samples from
    before `injected` are an earlier run's.
    """
    if fault.expects:
        return score_is_quiet(client, fault, cleared)
    return not alert_fires(client, fault, injected)


def _newer(selector: str, since: float) -> str:
    return f"{selector} unless (timestamp({selector}) < {since:.3f})"


def notified_at(notifications: Path, fault: Fault, since: float) -> float | None:
    """Return when the inbox first got the firing alert of `fault` after `since` (epoch s), else None.

    The inbox moves a file that has grown too large to `<name>.1`: it is read too.
    """
    for line in _lines(notifications):
        if (
            line.get("status") == "firing"
            and line.get("alertname") == fault.alert
            and _is_about(fault, line.get("labels", {}))
            and line.get("received_at", 0.0) >= since
        ):
            return float(line["received_at"])
    return None


def _is_about(fault: Fault, labels: Mapping[str, str]) -> bool:
    """Tell the detector's alert by its series, a rule family's by its name alone; both are about the shop."""
    return labels.get(SERVICE) == SHOP and (not fault.expects or labels.get(FOR) in fault.expects)


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the notifications, oldest first; a line that a crash has cut off is passed over."""
    for path in (file.with_name(file.name + ".1"), file):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue
        for line in text.splitlines():
            try:
                notification = json.loads(line)
            except json.JSONDecodeError:  # the last line may be half-written, and whole at the next look
                continue
            if isinstance(notification, dict):
                yield notification
