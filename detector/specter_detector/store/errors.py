"""What can go wrong with files, what the reader can do about it, and what becomes of a damaged one."""

import errno
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from specter_core.errors import SpecterError

LOGGER = logging.getLogger(__name__)
KEPT = 3
"""Damaged files of one name that stay for a look at them; older ones go."""

MARK = ".corrupt-"

ADVICE = {
    errno.ENOSPC: "free space there, or give the detector a data folder on another disk",
    errno.EDQUOT: "raise the quota, or give the detector a data folder on another disk",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f), or lower max_series or fit_window",
    errno.EROFS: "give the detector a data folder that can be written",
    errno.EACCES: "let the user that runs the detector own the data folder (chown -R), and read and write it",
    errno.EPERM: "let the user that runs the detector own the data folder (chown -R), and read and write it",
    errno.EIO: "look at the disk (dmesg), and move the data folder to another",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENOENT: "something removed it: start the detector again, and it is made anew",
}


class StoreError(SpecterError):
    """A file cannot be read or written; the caller goes on without it."""


class CorruptError(StoreError):
    """A file is not what was written: damaged, cut short, or of another version."""


@contextmanager
def explained(action: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` inside into a `StoreError`: what could not be done, to what, why, and what helps."""
    try:
        yield
    except OSError as error:
        advice = ADVICE.get(error.errno or 0, "see the reason")
        message = f"{path}: cannot {action}: {error.strerror or error}; {advice}"
        raise StoreError(message) from error


def set_aside(path: Path, reason: str) -> Path:
    """Rename `path` to `NAME.corrupt-TIME`, log it as one line, and keep at most `KEPT` of that name.

    TIME is when the file was last written, in UTC, so that no clock is needed and two looks agree.

    Args:
        path: a file.
        reason: what is wrong with it, for the log.

    Returns:
        The new path.

    Raises:
        StoreError: it cannot be renamed.
    """
    with explained("set aside", path):
        written = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(path.stat().st_mtime))
        aside = path.with_name(f"{path.name}{MARK}{written}")
        number = 1
        while aside.exists():
            number += 1
            aside = path.with_name(f"{path.name}{MARK}{written}.{number}")
        path.rename(aside)
        LOGGER.warning("%s: %s; set aside as %s, and begun anew", path, reason, aside.name)
        found = [each for each in path.parent.iterdir() if each.name.startswith(path.name + MARK)]
        # By when they were set aside: a rename changes that time and no other.
        for old in sorted(found, key=lambda each: each.stat().st_ctime_ns)[:-KEPT]:
            old.unlink()
    return aside
