"""What RQ's workers do in tests."""

import time


def succeed() -> None:
    """Do nothing."""


def fail() -> None:
    """Fail."""
    raise ValueError("on purpose")


def hold() -> None:
    """Take long."""
    time.sleep(120)
