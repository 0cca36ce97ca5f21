"""Vendors' status pages, in the format that statuspage.io documents at /api of each of its pages."""

from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from specter_core.metrics import DEPENDENCY_COMPONENT_STATUSES, DEPENDENCY_INDICATORS
from specter_exporters.dependencies.asking import ask, at, json_of
from specter_exporters.dependencies.calling import Caller
from specter_exporters.dependencies.model import Call, CallError, Reason, StatusPage
from specter_exporters.dependencies.results import StatusResult

OTHER = "other"
T = TypeVar("T")


def run_status_page(page: StatusPage, caller: Caller) -> StatusResult:
    """Read the status, then components and incidents; what cannot be read is None, with its failure."""
    failures: list[tuple[str, Reason]] = []

    def read(name: str, path: str, understand: Callable[[object], T]) -> T | None:
        call = Call(name, "GET", f"{page.url}/api/v2/{path}", page.timeout)
        try:
            return understand(json_of(ask(call, {}, caller, read=True)))
        except CallError as error:
            failures.append((name, error.reason))
            return None

    indicator = read("status", "status.json", _indicator)
    if indicator is None:
        return StatusResult(None, None, None, tuple(failures))
    components = read("components", "components.json", lambda found: _components(found, page.components))
    incidents = read("incidents", "incidents/unresolved.json", _incidents)
    return StatusResult(indicator, components, incidents, tuple(failures))


def _indicator(document: object) -> str:
    indicator = at(document, ("status", "indicator"))
    if indicator not in DEPENDENCY_INDICATORS:
        raise CallError("invalid")
    return str(indicator)


def _components(document: object, used: frozenset[str]) -> dict[str, int]:
    """Count components by status; groups, which only repeat their members, are left out."""
    found = at(document, ("components",))
    if not isinstance(found, list):
        raise CallError("invalid")
    counts: Counter[str] = Counter()
    for each in found:
        if not isinstance(each, dict) or (used and str(each.get("name")) not in used):
            continue
        if each.get("group") is True and not used:
            continue
        status = each.get("status")
        counts[status if status in DEPENDENCY_COMPONENT_STATUSES else OTHER] += 1
    return dict(counts)


def _incidents(document: object) -> int:
    found = at(document, ("incidents",))
    if not isinstance(found, list):
        raise CallError("invalid")
    return len(found)
