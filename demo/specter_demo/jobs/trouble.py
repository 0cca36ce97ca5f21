"""What is wrong with the jobs, in a file that a fault changes."""

from pydantic.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobTrouble:
    """What is wrong.

    Attributes:
        broken: names of the jobs that fail.
        forgotten: names of the jobs that are not started any more.
    """

    broken: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()


ALL_WELL = JobTrouble()


def without(names: tuple[str, ...], name: str) -> tuple[str, ...]:
    """Return `names` without `name`."""
    return tuple(each for each in names if each != name)
