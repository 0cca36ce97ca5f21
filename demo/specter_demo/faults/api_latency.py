"""A release whose migration drops the search index: every search reads all products."""

from specter_demo.faults.control import Control
from specter_demo.faults.fault import Fault
from specter_demo.shop.schema import CREATE_SEARCH_INDEX, DROP_SEARCH_INDEX, SEARCH_INDEX


def inject(control: Control) -> str:
    """Release the next minor version and run its migration."""
    if active(control):
        return "the search index is already gone"
    control.require_shop()
    version = next_minor(control.version)
    control.release(version)
    control.sql(DROP_SEARCH_INDEX)
    return f"released {version}, whose migration dropped the search index"


def clear(control: Control) -> str:
    """Recreate the index and release the patch version that did it."""
    if not active(control):
        return "the search index is there"
    control.sql(CREATE_SEARCH_INDEX)
    # The statistics of an index on an expression went with it.
    control.sql("analyze products")
    version = next_patch(control.version)
    control.release(version)
    return f"released {version}, whose migration recreated the search index"


def active(control: Control) -> bool:
    """Tell whether the index is missing."""
    return control.sql(f"select to_regclass('{SEARCH_INDEX}') is null") == [(True,)]


def next_minor(version: str) -> str:
    """Return the minor release after `version`: 1.4.0 gives 1.5.0."""
    major, minor, _ = version.split(".")
    return f"{major}.{int(minor) + 1}.0"


def next_patch(version: str) -> str:
    """Return the patch release after `version`: 1.5.0 gives 1.5.1."""
    major, minor, patch = version.split(".")
    return f"{major}.{minor}.{int(patch) + 1}"


FAULT = Fault(
    name="api-latency",
    summary="a release drops the search index, so /search reads every product",
    inject=inject,
    clear=clear,
    active=active,
    expects=("route_latency_p95", "latency_p95"),
)
