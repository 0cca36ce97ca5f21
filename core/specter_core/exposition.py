"""What all of Specter's metrics endpoints leave out."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector


def without_created(families: Iterable[Family]) -> Iterable[Family]:
    """Yield `families` without `_created` samples, which double the series of counters and histograms."""
    for family in families:
        created = f"{family.name}_created"
        kept = [sample for sample in family.samples if sample.name != created]
        if len(kept) == len(family.samples):
            yield family
            continue
        # A collector may hand out the same family at each scrape: it is not ours to change.
        quiet = Family(family.name, family.documentation, family.type, family.unit)
        quiet.samples = kept
        yield quiet


class WithoutCreated(Collector):
    """A registry as the generators see it, without `_created` series.

    Args:
        registry: what is shown.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Family]:
        """Yield the families that are shown."""
        return without_created(self._registry.collect())

    def restricted_registry(self, names: Iterable[str]) -> "WithoutCreated":
        """Return what `?name[]=` asks for."""
        restricted: CollectorRegistry = self._registry.restricted_registry(names)  # type: ignore[assignment]
        return WithoutCreated(restricted)
