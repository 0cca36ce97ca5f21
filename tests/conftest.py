"""The order of the tests."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the whole product: at the end it would keep one worker, and the other would wait for it."""
    items.sort(key=lambda item: "integration" not in item.path.parts)
