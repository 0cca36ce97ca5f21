"""Watch jobs from where they run: the wrapper `specter run`, and hooks for Python, Celery and APScheduler."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from specter_exporters.run.decorator import monitored

__all__ = ["monitored"]


def __getattr__(name: str) -> object:
    # The wrapper needs nothing of it, and is begun with each run of each job.
    if name == "monitored":
        from specter_exporters.run.decorator import monitored  # noqa: PLC0415

        return monitored
    raise AttributeError(f"module {__name__} has no attribute {name}")
