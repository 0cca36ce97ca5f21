"""Counters and histograms that the configuration makes of fields."""

from collections.abc import Callable, Mapping

from specter_core.metrics import LOG, Metric
from specter_exporters.logs.conditions import condition
from specter_exporters.logs.fields import Fields, as_label, as_number, getter
from specter_exporters.logs.rules.model import SECONDS, Context, Rule
from specter_exporters.logs.schema import CounterSchema, HistogramSchema, LabelSchema
from specter_exporters.logs.series import OTHER, Cell, HistogramCell

CACHED = 5000
LabelValues = Callable[[Fields], tuple[str, ...]]


def label_values(labels: Mapping[str, LabelSchema]) -> LabelValues:
    """Return what gives an entry's label values, in the order of the names."""
    parts = [
        (getter(label.field), None if label.values is None else frozenset(label.values))
        for _, label in sorted(labels.items())
    ]

    def values(fields: Fields) -> tuple[str, ...]:
        found = []
        for get, allowed in parts:
            value = as_label(get(fields))
            found.append(value if allowed is None or value in allowed else OTHER)
        return tuple(found)

    return values


def _metric(settings: CounterSchema | HistogramSchema) -> Metric:
    text = settings.help.strip() or f"From the field {settings.value} of log entries."
    if isinstance(settings, HistogramSchema):
        return Metric(settings.name, "histogram", text, (LOG, *sorted(settings.labels)), (*settings.buckets,))
    text = settings.help.strip() or "Log entries, or what a field of them adds up to."
    return Metric(settings.name, "counter", text, (LOG, *sorted(settings.labels)))


def _limits(settings: CounterSchema | HistogramSchema) -> dict[str, int]:
    return {
        name: label.max_values if label.values is None else len(label.values) + 1
        for name, label in settings.labels.items()
    }


def counter_rule(settings: CounterSchema, context: Context) -> Rule:
    """Return what adds to a counter of the configuration."""
    counters = context.store.counters(_metric(settings), context.log, limits=_limits(settings))
    labels = label_values(settings.labels)
    accepts = condition(settings.when, context.watch)
    get = None if settings.value is None else getter(settings.value)
    no_number = context.field_error(settings.name)
    cells: dict[tuple[str, ...], Cell] = {}

    def rule(fields: Fields) -> None:
        if accepts is not None and not accepts(fields):
            return
        amount = 1.0
        if get is not None:
            value = get(fields)
            if value is None:
                return
            number = as_number(value)
            if number is None:
                no_number()
                return
            amount = number
        values = labels(fields)
        cell = cells.get(values)
        if cell is None:
            cell, own = counters.find(*values)
            if own and len(cells) < CACHED:
                cells[values] = cell
        cell[0] += amount

    return rule


def histogram_rule(settings: HistogramSchema, context: Context) -> Rule:
    """Return what observes a histogram of the configuration."""
    histograms = context.store.histograms(_metric(settings), context.log, limits=_limits(settings))
    labels = label_values(settings.labels)
    accepts = condition(settings.when, context.watch)
    get = getter(settings.value)
    scale = SECONDS[settings.unit or "s"]
    no_number = context.field_error(settings.name)
    cells: dict[tuple[str, ...], HistogramCell] = {}

    def rule(fields: Fields) -> None:
        value = get(fields)
        if value is None or (accepts is not None and not accepts(fields)):
            return
        number = as_number(value)
        if number is None:
            no_number()
            return
        values = labels(fields)
        cell = cells.get(values)
        if cell is None:
            cell, own = histograms.find(*values)
            if own and len(cells) < CACHED:
                cells[values] = cell
        cell.observe(number * scale)

    return rule
