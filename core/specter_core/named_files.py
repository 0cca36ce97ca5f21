"""Files that a configuration names."""

from pathlib import Path


def file_problem(path: Path) -> str | None:
    """Return why there is no file at `path`, which begins with it; None where there is one.

    Where a folder on the way may not be entered, `Path.is_file` raises instead of an answer.
    """
    try:
        there = path.is_file()
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}"
    return None if there else f"{path} is not a file"
