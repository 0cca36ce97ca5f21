"""What a rule is: it is shown each entry and counts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from specter_core.metrics import LOG_FIELD_ERRORS
from specter_exporters.logs.fields import Fields, Getter, first_of
from specter_exporters.logs.formats.model import Format
from specter_exporters.logs.series import Store
from specter_exporters.logs.watch import Watch

Rule = Callable[[Fields], None]
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


@dataclass(frozen=True, slots=True)
class Context:
    """What rules of one log are made with.

    Attributes:
        log: its name.
        store: where rules count.
        format: of its entries.
        watch: limits how long an expression may take.
    """

    log: str
    store: Store
    format: Format
    watch: Watch

    def get(self, named: str | None, what: str) -> Getter:
        """Return what looks up the field that the configuration names, else where the format has `what`."""
        return first_of(self.paths(named, what))

    def paths(self, named: str | None, what: str) -> Sequence[str]:
        """Return where `what` is looked for."""
        return [named] if named is not None else self.format.defaults.get(what, (what,))

    def field_error(self, metric: str) -> Callable[[], None]:
        """Return what counts a field that should have held a number for `metric`."""
        counters = self.store.counters(LOG_FIELD_ERRORS, self.log)
        return lambda: counters.add(1, metric)
