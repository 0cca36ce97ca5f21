"""Check an event against the catalogue: what is counted, or why it is refused."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, TypedDict

from specter_core.catalogue import Catalogue, Event, Unit
from specter_core.catalogue.schema import OTHER
from specter_core.errors import SpecterError
from specter_core.metrics import FAILED, SUCCESS

MAX_TEXT = 256
MAX_QUANTITY = 1e15
SHOWN = 60
QUANTITIES = {
    "amount": Unit.MONEY,
    "seconds": Unit.SECONDS,
    "tokens": Unit.TOKENS,
    "count": Unit.COUNT,
}
FIELDS = ("event", "outcome", "reason", *QUANTITIES, "currency", "feature", "user", "session")
KNOWN = frozenset(FIELDS)
REASONS = (
    "unknown_event",
    "unknown_outcome",
    "unknown_feature",
    "unknown_currency",
    "unknown_field",
    "missing_field",
    "invalid_value",
)


class Details(TypedDict, total=False):
    """What an event may carry beside its name; None is as if it were left out.

    `outcome` is one of the event's (`success` by default), `reason` why it failed
    (one that the catalogue does not list counts as `other`). `amount` is money in
    the currency's main unit, and needs `currency` where the event has more than one;
    `seconds`, `tokens` and `count` (of items) are what else the event's units say.
    `feature` is what was used. `user` is hashed at once; `session` is the user's by
    default.
    """

    outcome: str | None
    reason: str | None
    amount: float | Decimal | None
    currency: str | None
    seconds: float | None
    tokens: float | None
    count: float | None
    feature: str | None
    user: str | int | None
    session: str | int | None


class EventRefusedError(SpecterError):
    """An event that the catalogue does not allow.

    `reason` is one of `REASONS`, `field` the key at fault, `known` the names that
    are allowed there (empty where there are none to choose from), `message` what is
    wrong, without them.
    """

    def __init__(self, reason: str, field: str, message: str, known: Sequence[str] = ()) -> None:
        self.reason = reason
        self.field = field
        self.message = message
        self.known = tuple(known)
        choice = f"; there are {', '.join(known)}" if known else ""
        super().__init__(f"{field}: {message}{choice}")


Quantity = tuple[Unit, float, str]
"""The unit, how much of it, and of money the currency."""


class Observation(NamedTuple):
    """A valid event; texts are label values of the catalogue, `user` and `session` are in the clear."""

    event: str
    outcome: str
    reason: str
    overflow: bool
    quantities: tuple[Quantity, ...]
    feature: str
    user: str
    session: str


class Validator:
    """Checks events against one catalogue; shared by all threads."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._events = catalogue.events
        self._names = tuple(catalogue.events)
        self._features = catalogue.features

    def check(self, item: object) -> Observation:
        """Return what `item`, a mapping with some of `FIELDS`, says; a None is as if not given.

        Raises:
            EventRefusedError: something of it is not in the catalogue, or no value of its kind.
        """
        if not isinstance(item, Mapping):
            raise EventRefusedError("invalid_value", "event", "an event is an object with the key event")
        event = self._event(item.get("event"))
        outcome = _outcome(event, item.get("outcome"))
        if not item.keys() <= KNOWN:
            key = _shown(next(key for key in item if key not in KNOWN))
            raise EventRefusedError("unknown_field", key, "is not a known key", FIELDS)
        reason, overflow = _reason(event, outcome, item.get("reason"))
        feature = self._feature(event, item.get("feature"))
        user, session = _text("user", item.get("user")), _text("session", item.get("session"))
        return Observation(
            event.name, outcome, reason, overflow, _quantities(event, item), feature, user, session
        )

    def _event(self, name: object) -> Event:
        if name is None:
            raise EventRefusedError("missing_field", "event", "is required", self._names)
        event = self._events.get(name) if isinstance(name, str) else None
        if event is None:
            raise EventRefusedError(
                "unknown_event", "event", f"{_shown(name)} is not in the catalogue", self._names
            )
        return event

    def _feature(self, event: Event, value: object) -> str:
        if value is None:
            if event.feature:
                raise EventRefusedError("missing_field", "feature", f"{event.name} needs one", self._features)
            return ""
        if not event.feature:
            raise EventRefusedError("unknown_field", "feature", f"{event.name} takes none")
        if not isinstance(value, str) or value not in self._features:
            message = f"{_shown(value)} is not in the catalogue"
            raise EventRefusedError("unknown_feature", "feature", message, self._features)
        return value


def _outcome(event: Event, value: object) -> str:
    if value is None:
        return SUCCESS
    if not isinstance(value, str) or value not in event.outcomes:
        message = f"{_shown(value)} is no outcome of {event.name}"
        raise EventRefusedError("unknown_outcome", "outcome", message, event.outcomes)
    return value


def _reason(event: Event, outcome: str, value: object) -> tuple[str, bool]:
    """Return the reason as it is counted, and whether it is one that the catalogue does not list."""
    if value is None:
        return "", False
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT:
        raise EventRefusedError("invalid_value", "reason", f"must be a text of 1 to {MAX_TEXT} characters")
    if outcome != FAILED:
        message = f"only {FAILED} has reasons, the outcome is {outcome}"
        raise EventRefusedError("invalid_value", "reason", message)
    if value in event.reasons:
        return value, False
    return OTHER, value != OTHER


def _quantities(event: Event, item: Mapping[str, object]) -> tuple[Quantity, ...]:
    currency = _currency(event, item.get("currency"))
    return tuple(
        _quantity(event, key, unit, value, currency)
        for key, unit in QUANTITIES.items()
        if (value := item.get(key)) is not None
    )


def _quantity(event: Event, key: str, unit: Unit, value: object, currency: str) -> Quantity:
    if unit not in event.measures:
        taken = [name for name, unit in QUANTITIES.items() if unit in event.measures]
        raise EventRefusedError("unknown_field", key, f"{event.name} has no {unit.value}", taken)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise EventRefusedError("invalid_value", key, f"{_shown(value)} is not a number")
    if (isinstance(value, Decimal) and value.is_nan()) or not 0 <= value <= MAX_QUANTITY:
        raise EventRefusedError("invalid_value", key, f"must be from 0 to {MAX_QUANTITY:g}")
    if unit is not Unit.MONEY:
        return unit, float(value), ""
    if not currency:
        currencies = event.measures[unit].currencies
        raise EventRefusedError("missing_field", "currency", "an amount needs one", currencies)
    return unit, float(value), currency


def _currency(event: Event, value: object) -> str:
    """Return the currency of an amount; an event that has only one need not say it."""
    measure = event.measures.get(Unit.MONEY)
    if value is None:
        return measure.currencies[0] if measure and len(measure.currencies) == 1 else ""
    if measure is None:
        raise EventRefusedError("unknown_field", "currency", f"{event.name} has no money")
    if not isinstance(value, str) or value not in measure.currencies:
        message = f"{_shown(value)} is not in the catalogue"
        raise EventRefusedError("unknown_currency", "currency", message, measure.currencies)
    return value


def _text(key: str, value: object) -> str:
    """Return an identifier as a text, empty without one; a number is one as well."""
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**40:
        return str(value)
    if not isinstance(value, str) or not value or len(value) > MAX_TEXT:
        message = f"must be a text of 1 to {MAX_TEXT} characters, or an integer"
        raise EventRefusedError("invalid_value", key, message)
    return value


def _shown(value: object) -> str:
    """Return what was sent, short and in ASCII, as it is told to the sender and the log."""
    if isinstance(value, dict | list | tuple | set):
        return f"a {type(value).__name__}"
    if isinstance(value, int) and abs(value) > 10**40:
        return "a very large number"
    text = ascii(value[: SHOWN + 1] if isinstance(value, str) else value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
