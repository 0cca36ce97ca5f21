"""Follow the files of one log through rotations and restarts, by looking again and again (no inotify).

Three things can happen to a file. Renamed (or removed): its path leads to another file, or to none; it is
read to its end where it is, until nothing has come for a while. Truncated: what was read is no longer there;
if a copy of it is beside it (logrotate's copytruncate), the rest is read from the copy, and the file from its
beginning. Rotated while the exporter did not run: the saved place is looked for by its content, in the file
and in what is named alike, compressed or not, and what is newer is read from its beginning.
"""

import errno
import gzip
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path
from typing import Literal

from specter_core.clock import Clock
from specter_core.metrics import LOG_LOST_FILES, LOG_READ_BYTES, LOG_READ_ERRORS, LOG_ROTATIONS
from specter_exporters.logs.series import Store
from specter_exporters.logs.tail.content import HEAD, Place, digest, opened
from specter_exporters.logs.tail.followed import Buffers, Followed, TruncatedError
from specter_exporters.logs.tail.siblings import find_place, looks_rotated, siblings

LOGGER = logging.getLogger(__name__)
CHUNK = 256 * 1024
MAX_DONE = 50
RESCAN = 2.0
"""Seconds between two looks at the folders."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the files of a log are followed.

    Attributes:
        log: its name.
        globs: of the files.
        rotated: globs of what they are rotated to, where that is in another folder.
        start: where to begin in files that are there at the very first start.
        max_files: how many are followed.
        join_timeout: seconds after which an entry is complete though its file says nothing more.
        rotated_timeout: seconds after which a file that was rotated away is done.
    """

    log: str
    globs: Sequence[str]
    rotated: Sequence[str] = ()
    start: Literal["end", "beginning"] = "end"
    max_files: int = 500
    join_timeout: float = 1.0
    rotated_timeout: float = 30.0


@dataclass(slots=True)
class Missing:
    """A place that is looked for, until when, and whether something is surely to be read there."""

    place: Place
    deadline: float
    certain: bool


class Tailer:
    """The files of one log.

    Args:
        settings: see there.
        make_buffers: for a new file.
        sink: is given the entries of a file.
        store: where it is counted.
        clock: the time.
        places: where an earlier process has stopped; None at the very first start.
    """

    def __init__(
        self,
        settings: Settings,
        make_buffers: Callable[[], Buffers],
        sink: Callable[[list[bytes]], None],
        store: Store,
        clock: Clock,
        places: Sequence[Place] | None = None,
    ) -> None:
        self.settings = settings
        self._make_buffers = make_buffers
        self._sink = sink
        self._clock = clock
        log = settings.log
        self._bytes = store.counters(LOG_READ_BYTES, log).find()[0]
        self._rotations = store.counters(LOG_ROTATIONS, log)
        for how in ("renamed", "truncated", "vanished"):
            self._rotations.find(how)
        self._lost = store.counters(LOG_LOST_FILES, log).find()[0]
        self._errors = store.counters(LOG_READ_ERRORS, log)
        self._live: dict[Path, Followed] = {}
        self._draining: list[Followed] = []
        self._missing: list[Missing] = []
        self._done: list[Place] = []
        self._copies: dict[Path, float] = {}
        self._refused: set[Path] = set()
        self._rescan_at = 0.0
        self.ignored = 0
        self._first = places is None
        if places:
            self._resume(places)
        self.rescan()
        self._first = False

    @property
    def files(self) -> Iterator[Followed]:
        """Every file that is followed."""
        yield from self._live.values()
        yield from self._draining

    @property
    def up(self) -> bool:
        """Whether there is a file, and every file can be read."""
        return bool(self._live) and not self._refused

    def places(self) -> list[Place]:
        """Return where a restart goes on."""
        found = [file.place(self.settings.log) for file in self.files if file.identity != (-1, -1)]
        return found + [missing.place for missing in self._missing] + self._done

    def close(self) -> None:
        """Close every file."""
        for file in self.files:
            file.close()

    # --- looking ---

    def poll(self) -> list[Followed]:
        """Look at every file; return those that have something to read, see `pump`."""
        now = self._clock.monotonic()
        if now >= self._rescan_at:
            self.rescan()
        if self._missing:
            self._look_for_missing(now)
        ready = []
        for file in list(self.files):
            if self._look(file):
                ready.append(file)
            else:
                self._idle(file, now)
        return ready

    def _look(self, file: Followed) -> bool:
        try:
            return file.look()
        except TruncatedError:
            self._truncated(file)
        except FileNotFoundError:
            if file in self._draining:
                # It was closed to save open files, and renamed or removed since.
                self._draining.remove(file)
                self._miss(file)
        except OSError as error:
            self._refuse(file, error)
        return False

    def rescan(self) -> None:
        """Look at the folders: which files are new, and which have been rotated away."""
        now = self._clock.monotonic()
        self._rescan_at = now + RESCAN
        wanted = self._wanted()
        for path, file in list(self._live.items()):
            self._check_live(path, file)
        known = {file.identity: file for file in self.files}
        for path, identity in wanted.items():
            if path in self._live or self._is_unnameable(path):
                continue
            if identity in known:
                self._moved(known[identity], path)
            elif len(self._live) < self.settings.max_files and not self._claimed(path):
                self._follow(path)
        self.ignored = max(0, len(wanted) - self.settings.max_files)
        self._refused &= set(wanted)
        self._copies = {path: since for path, since in self._copies.items() if path in wanted}

    def _wanted(self) -> dict[Path, tuple[int, int]]:
        """Return the files that the globs name, each once though several links lead to it."""
        found: dict[Path, tuple[int, int]] = {}
        seen: set[tuple[int, int]] = set()
        for pattern in self.settings.globs:
            for name in sorted(glob(pattern, recursive=True)):  # noqa: PTH207  (whole paths)
                if looks_rotated(name) and name != pattern:
                    continue
                path = Path(name)
                try:
                    status = path.stat()
                except OSError:
                    continue  # removed since, or a link to nothing
                identity = (status.st_dev, status.st_ino)
                if path.is_file() and identity not in seen:
                    seen.add(identity)
                    found[path] = identity
        return found

    def _check_live(self, path: Path, file: Followed) -> None:
        try:
            status = path.stat()
        except FileNotFoundError:
            self._rotate(path, file, "vanished")
            return
        except OSError as error:
            self._refuse(file, error)
            return
        if file.identity not in {(-1, -1), (status.st_dev, status.st_ino)}:
            self._rotate(path, file, "renamed")

    def _rotate(self, path: Path, file: Followed, how: str) -> None:
        """Go on with a file that is no longer at its path."""
        self._rotations.add(1, how)
        del self._live[path]
        file.rotated = True
        file.grown = self._clock.monotonic()
        if file.content is None:
            self._miss(file)
            return
        self._draining.append(file)
        # It may have been rotated twice since the last look, or more often.
        self._read_newer(path, file.modified)

    def _moved(self, file: Followed, path: Path) -> None:
        """A file that is known came back, or was renamed to what the globs name as well."""
        if file in self._draining:
            self._draining.remove(file)
        elif self._live.get(file.path) is file:
            return
        file.path = file.where = path
        file.rotated = False
        self._live[path] = file

    def _claimed(self, path: Path) -> bool:
        """Whether a new file holds what is known: a renamed one, or a copy of one about to be truncated."""
        hashes: dict[int, str] = {}
        try:
            with opened(path) as content:
                head = content.read_from(0, HEAD)

                def holds(place: Place) -> bool:
                    size = place.head_size
                    if size and size not in hashes:
                        hashes[size] = digest(head[:size])
                    return size > 0 and hashes[size] == place.head and place.is_in(content)

                missing = next((each for each in self._missing if holds(each.place)), None)
                done = next((each for each in self._done if holds(each)), None)
                if missing is None and done is None:
                    places = (file.place(self.settings.log) for file in self.files)
                    return self._is_copy(path, next((place for place in places if holds(place)), None))
        except (OSError, EOFError):
            return False
        if missing is not None:
            self._missing.remove(missing)
            self._go_on(path, missing.place)
        elif done is not None:
            self._done.remove(done)
            self._go_on(path, done)
        return True

    def _is_copy(self, path: Path, original: Place | None) -> bool:
        """Whether to wait for the truncation of what a new file is a copy of.

        If it does not come, two logs just begin alike: the new one is followed behind what they share.
        """
        now = self._clock.monotonic()
        if original is None:
            self._copies.pop(path, None)
            return False
        if now - self._copies.setdefault(path, now) >= self.settings.rotated_timeout:
            del self._copies[path]
            self._go_on(path, replace(original, path=str(path), rotated=False, offset=original.seen))
        return True

    def _is_unnameable(self, path: Path) -> bool:
        """Refuse a file whose name is not UTF-8: neither a label nor the saved state can hold it."""
        try:
            str(path).encode()
        except UnicodeEncodeError:
            self._refuse(
                Followed(path, path, self._make_buffers()), OSError(errno.EILSEQ, "its name is not UTF-8")
            )
            return True
        return False

    def _follow(self, path: Path) -> None:
        file = Followed(path, path, self._make_buffers())
        try:
            file.open()
            if self._first and self.settings.start == "end":
                file.begin_at_end()
        except (OSError, TruncatedError) as error:
            self._refuse(file, error)
            return
        self._refused.discard(path)
        file.grown = self._clock.monotonic()
        self._live[path] = file

    # --- reading ---

    def pump(self, file: Followed) -> int:
        """Read a stretch of a file and give its entries to the sink; return how many bytes it was."""
        try:
            data = file.read(CHUNK)
        except TruncatedError:
            self._truncated(file)
            return 0
        except FileNotFoundError:
            return 0
        except (OSError, EOFError) as error:
            self._refuse(file, error)
            return 0
        now = self._clock.monotonic()
        if file.modified_before and not file.rotated and (not data or file.position == len(data)):
            # It was empty, or has nothing new though it was written to: it may have been filled, copied and
            # truncated since the last look.
            self._read_newer(file.path, file.modified_before)
        if not data:
            self._idle(file, now)
            return 0
        self._refused.discard(file.path)
        file.grown = now
        file.last_read = self._clock.time()
        self._bytes[0] += len(data)
        self._sink(file.buffers.feed(data))
        return len(data)

    def _idle(self, file: Followed, now: float) -> None:
        quiet = now - file.grown
        if file.rotated and (quiet >= self.settings.rotated_timeout or file.ends):
            self._finish(file)
        elif file.buffers.joiner.held and quiet >= self.settings.join_timeout:
            self._sink(file.buffers.joiner.flush())

    def _finish(self, file: Followed) -> None:
        """Give out the rest of a file that is done, and forget it."""
        self._sink(file.buffers.finish())
        self._remember_done(file.place(self.settings.log))
        file.close()
        if file in self._draining:
            self._draining.remove(file)

    def _remember_done(self, place: Place) -> None:
        """Know a file that is done, in case that it comes back: it must not be counted again."""
        if place.head_size:
            self._done.append(replace(place, done=True))
            del self._done[:-MAX_DONE]

    def _truncated(self, file: Followed) -> None:
        """Go on with the rest in the copy, if there is one, and with the file from its beginning."""
        self._rotations.add(1, "truncated")
        # The last look at which it was still what it had been, if this one has seen another already.
        file.modified = file.modified_before or file.modified
        file.close()
        if file in self._draining:
            self._draining.remove(file)
        elif self._live.get(file.path) is file:
            fresh = Followed(file.path, file.path, self._make_buffers())
            fresh.grown = self._clock.monotonic()
            fresh.modified = file.modified
            self._live[file.path] = fresh
        else:
            return
        self._miss(file)

    def _refuse(self, file: Followed, error: Exception) -> None:
        """Tell of a file that cannot be read now; what was rotated away is given up after a while."""
        if file.path not in self._refused:
            LOGGER.warning("%s cannot be read: %s", _shown(file.where), _shown(error))
            self._errors.add(1, _reason(error))
        self._refused.add(file.path)
        file.close()
        if file in self._draining and self._clock.monotonic() >= file.grown + self._patience:
            self._refused.discard(file.path)
            self._draining.remove(file)
            self._lost[0] += 1

    @property
    def _patience(self) -> float:
        """Seconds for which a rotation may take to have its files in place."""
        return max(5.0, self.settings.rotated_timeout)

    # --- finding again ---

    def _miss(self, file: Followed) -> None:
        """Look for the rest of a file that is not where it was."""
        place = file.place(self.settings.log)
        if not place.head_size:
            return  # it was empty
        now = self._clock.monotonic()
        certain = file.backlog() > 0 or place.offset < place.seen
        self._missing.append(Missing(place, now + self._patience, certain))
        self._look_for_missing(now)

    def _look_for_missing(self, now: float) -> None:
        for missing in list(self._missing):
            place = missing.place
            path = Path(place.path)
            found = find_place(place, siblings(path, self.settings.rotated))
            if found is not None:
                self._missing.remove(missing)
                self._drain(found, path, place)
                self._read_newer(path, place.modified)
            elif now >= missing.deadline:
                self._missing.remove(missing)
                self._remember_done(place)
                if missing.certain:
                    self._lost[0] += 1
                    LOGGER.warning("%s: the rest of what was rotated away is not found", _shown(path))

    def _drain(self, where: Path, path: Path, place: Place | None) -> None:
        """Read the rest of a file that was rotated to `where`, or all of it if there is no place."""
        file = Followed(path, where, self._make_buffers())
        try:
            if place is None:
                file.open()
            else:
                file.resume(place)
        except (OSError, EOFError, TruncatedError) as error:
            LOGGER.warning("%s cannot be read: %s", _shown(where), _shown(error))
            self._errors.add(1, _reason(error))
            return
        known = {each.identity for each in self.files}
        if file.identity in known:
            file.close()
            return
        file.rotated = True
        file.grown = self._clock.monotonic()
        self._draining.append(file)

    def _resume(self, places: Sequence[Place]) -> None:
        """Find the places of an earlier process, and the files that were made and rotated since."""
        by_path: dict[str, list[Place]] = {}
        self._done = [place for place in places if place.done]
        for place in places:
            if place.done:
                continue
            by_path.setdefault(place.path, []).append(place)
        for name, group in by_path.items():
            self._resume_path(Path(name), group)

    def _resume_path(self, path: Path, places: list[Place]) -> None:
        live_found = False
        for place in places:
            where = find_place(place, [path]) if not place.rotated else None
            if where is not None and not live_found:
                live_found = True
                self._go_on(path, place)
                continue
            where = find_place(place, siblings(path, self.settings.rotated))
            if where is not None:
                self._drain(where, path, place)
            elif place.head_size:
                self._miss_later(place)
        if not live_found:
            self._read_newer(path, max(place.modified for place in places))

    def _go_on(self, path: Path, place: Place) -> None:
        file = Followed(path, path, self._make_buffers())
        try:
            file.resume(place)
        except (OSError, EOFError) as error:
            self._refuse(file, error)
            return
        file.rotated = False
        file.grown = self._clock.monotonic()
        self._live[path] = file

    def _miss_later(self, place: Place) -> None:
        self._missing.append(Missing(place, self._clock.monotonic() + self._patience, certain=True))

    def _read_newer(self, path: Path, edge: float) -> None:
        """Read what was begun and rotated away while nobody looked: it is not older than the newest known.

        Args:
            path: of the log.
            edge: when the log had been written to at the last look (Unix s).
        """
        for sibling in reversed(siblings(path, self.settings.rotated)):
            if _modified(sibling) >= edge and not self._is_known(sibling):
                self._drain(sibling, path, None)

    def _is_known(self, path: Path) -> bool:
        """Whether a file is followed or done, or is a copy of one that is."""
        places = [file.place(self.settings.log) for file in self.files] + self._done
        return any(place.head_size and find_place(place, [path]) is not None for place in places)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _shown(text: object) -> str:
    """Return `text`, that may be a name which is no UTF-8, so that any log handler can write it."""
    return str(text).encode("utf-8", "backslashreplace").decode()


def _reason(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "permission"
    if isinstance(error, EOFError | gzip.BadGzipFile):
        return "damaged"
    if isinstance(error, OSError) and error.errno == errno.EILSEQ:
        return "name"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower().replace(" ", "_")[:40]
    return "other"
