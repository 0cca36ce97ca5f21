"""What in a catalogue does not fit together, although each value is well-formed.

Works on the raw document and skips what is malformed (the schema reports that),
so that both kinds of error are seen in one run.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from specter_core.catalogue.schema import BUCKETS, MAX_SERIES, OTHER
from specter_core.metrics import FAILED, SUCCESS


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction: where it is in the document, and what is wrong."""

    loc: tuple[str | int, ...]
    message: str


def find(document: object) -> Iterator[Finding]:
    """Yield every contradiction in the parsed YAML `document`."""
    events = _mapping(document, "events")
    for name, steps in _mapping(document, "funnels").items():
        for number, step in enumerate(steps if isinstance(steps, list) else ()):
            if isinstance(step, str) and step not in events:
                yield Finding(("funnels", str(name), number), _unknown(step, events))
    wanted = _mapping(document, "retention").get("event")
    if isinstance(wanted, str) and wanted not in events:
        yield Finding(("retention", "event"), _unknown(wanted, events))
    yield from _features(document, events)
    for name, event in events.items():
        if OTHER in _names(event, "reasons", ()):
            message = f"{OTHER} is what reasons that are not listed become: leave it out"
            yield Finding(("events", str(name), "reasons"), message)
    series = sum(_series(event) for event in events.values())
    if series > MAX_SERIES:
        message = f"could become {series} series, at most {MAX_SERIES} are allowed: fewer reasons or buckets"
        yield Finding(("events",), message)


def _features(document: object, events: Mapping[str, object]) -> Iterator[Finding]:
    features = document.get("features") if isinstance(document, Mapping) else None
    taking = [str(name) for name, event in events.items() if _mapping(event).get("feature") is True]
    if features and not taking:
        yield Finding(("features",), "no event takes them: give one of the events `feature: true`")
    if taking and not features:
        yield Finding(("events", taking[0], "feature"), "there are no features: list them under `features`")


def _series(event: object) -> int:
    """Return how many series an event can have at most."""
    outcomes = len(_names(event, "outcomes", (SUCCESS, FAILED)))
    count = outcomes + len(_names(event, "reasons", ())) + 1
    for unit, default in BUCKETS.items():
        if unit.value in _mapping(event, "units"):
            measure = _mapping(event, "units", unit.value)
            buckets = len(_names(measure, "buckets", default)) + 3
            count += outcomes * buckets * max(1, len(_names(measure, "currencies", ())))
    return count


def _names(section: object, key: str, default: tuple[object, ...]) -> list[object] | tuple[object, ...]:
    value = _mapping(section).get(key)
    return value if isinstance(value, list) else default


def _mapping(document: object, *path: str) -> Mapping[str, object]:
    for part in path:
        document = document.get(part) if isinstance(document, Mapping) else None
    return document if isinstance(document, Mapping) else {}


def _unknown(name: str, events: Mapping[str, object]) -> str:
    return f"{name} is not an event of this catalogue; there are {', '.join(map(str, events))}"
