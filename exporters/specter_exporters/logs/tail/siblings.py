"""Find what a rotation has made of a file: `app.log.1`, `app.log.2.gz`, `app.log-20250930`, `app-1.log`."""

import re
from collections.abc import Iterator, Sequence
from glob import glob
from pathlib import Path

from specter_exporters.logs.tail.content import Place, opened

# Names that a rotation makes. A date before the extension is no sign of one: `app-2025-09-30.log` may be the
# file that is being written, where a logger begins a new one each day.
ROTATED = re.compile(
    r"(?:\.\d{1,5}|[-._]\d{4}-?\d\d-?\d\d(?:[-_T.]?\d{2,10})?|\.old|\.bak)(?:\.(?:gz|bz2|xz|zst|lz4|Z))?$"
    r"|\.(?:gz|bz2|xz|zst|lz4|Z)$|~$|\.(?:tmp|swp)$",
    re.ASCII,
)
_UNREADABLE = re.compile(r"\.(?:bz2|xz|zst|lz4|Z|tmp|swp)$|~$", re.ASCII)


def looks_rotated(path: str) -> bool:
    """Whether a rotation made the name: such a file is read only if its beginning was missed."""
    return ROTATED.search(path) is not None


def siblings(path: Path, elsewhere: Sequence[str] = ()) -> list[Path]:
    """Return the files that may be what `path` was rotated to, the newest first.

    Args:
        path: the log.
        elsewhere: globs of rotated files in other places (logrotate's `olddir`).
    """
    found: dict[Path, int] = {}
    for each in _named_alike(path, elsewhere):
        if each == path or _UNREADABLE.search(each.name):
            continue
        try:
            status = each.stat()
        except OSError:
            continue  # rotated on, or removed, since the folder was read
        if each.is_file():
            found[each] = status.st_mtime_ns
    # Beside a compressed file, the plain one that it was made of may still be there.
    plain = {each for each in found if each.suffix != ".gz"}
    kept = [each for each in found if each.suffix != ".gz" or each.with_suffix("") not in plain]
    return sorted(kept, key=lambda each: -found[each])


def _named_alike(path: Path, elsewhere: Sequence[str]) -> Iterator[Path]:
    stem, extension = path.stem, path.suffix
    try:
        names = list(path.parent.iterdir())
    except OSError:
        names = []
    for each in names:
        name = each.name
        if name.startswith(path.name) and looks_rotated(name):
            yield each
        elif extension and name.startswith(stem) and len(name) > len(path.name):
            middle = name[len(stem) :]
            if re.match(r"[-._]\d[\d\-_.T]*" + re.escape(extension), middle):
                yield each
    for pattern in elsewhere:
        yield from (Path(name) for name in glob(pattern, recursive=True))  # noqa: PTH207  (whole paths)


def find_place(place: Place, candidates: Sequence[Path]) -> Path | None:
    """Return the file among `candidates` that `place` was in; None if none is, or none can be read now."""
    for path in sorted(candidates, key=lambda each: not _same_inode(each, place)):
        try:
            with opened(path) as content:
                if place.is_in(content):
                    return path
        except (OSError, EOFError):
            continue  # removed meanwhile, or being compressed: it is looked for again
    return None


def _same_inode(path: Path, place: Place) -> bool:
    try:
        return path.stat().st_ino == place.inode
    except OSError:
        return False
