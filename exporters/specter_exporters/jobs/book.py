"""The jobs and their states. One thread keeps what is told, many events at once, before it is answered."""

import heapq
import logging
import math
import threading
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_exporters.jobs.described import NOTHING_SAID, Said, as_kept, described, judged_by
from specter_exporters.jobs.model import Event, Job
from specter_exporters.jobs.state import (
    EARLY,
    State,
    advanced,
    begun,
    next_change,
    rescheduled,
    reused,
    set_right,
    told,
)
from specter_exporters.jobs.store import KeptEvent, KeptJob, KeptPush, Store, StoreError

LOGGER = logging.getLogger(__name__)
MOST_AT_ONCE = 500
MOST_LATE = 30 * 86_400.0
"""Seconds that a ping may have waited; one that says more, or is `EARLY` ahead, comes from a wrong clock."""
WITHIN = 20.0
"""Seconds after which an event that is not kept is given up; a store that hangs may keep it all the same."""


class FullError(SpecterError):
    """No job more is made by pings."""


@dataclass(slots=True)
class Entry:
    """A job in the book.

    `place` counts from 0 and never changes, `wake` is when to look at it next, `said_at` when what a ping has
    said of it was true, and `reuses` whether one number was seen to stand for several of its runs.
    """

    job: Job
    uuid: str
    made: bool
    place: int
    state: State
    wake: float = math.inf
    said_at: float = 0.0
    reuses: bool = False


@dataclass(slots=True)
class _Waiting:
    """What waits to be kept. Who tells it waits for `kept`, a lock that is free when it is done.

    `new` is false of what was told before.
    """

    told: tuple[Entry, Event, str] | None
    push: KeptPush | None
    arrived: float
    kept: threading.Lock = field(default_factory=threading.Lock)
    error: StoreError | None = None
    new: bool = True


@dataclass(slots=True)
class StoreCounts:
    """What the store did: writes, the seconds that they took, and whether the newest one was kept."""

    writes: int = 0
    seconds: float = 0.0
    up: bool = True


class Book:
    """Every job, and what is known of it. Safe for threads.

    Nothing is shown that is not on the disk but what time alone brings: that a run is due, missed, lost. From
    what is kept it comes out the same again, so that it is counted once, also over a restart.

    Args:
        jobs: of the configuration.
        store: where they are kept.
        clock: the time.
        most_made: how many more jobs pings may make.
        forgotten: names of those that pings made and that are no more.
        new_uuid: returns one.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        store: Store,
        clock: Clock,
        *,
        most_made: int = 0,
        forgotten: Container[str] = (),
        new_uuid: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._jobs = jobs
        self._store = store
        self._clock = clock
        self._most_made = most_made
        self._forgotten = forgotten
        self._new_uuid = new_uuid
        self._entries: list[Entry] = []
        self._by_name: dict[str, Entry] = {}
        self._by_uuid: dict[str, Entry] = {}
        self._due: list[tuple[float, int]] = []
        self._unsaved: set[int] = set()
        self._changed: set[int] = set()
        self._advanced_to = -math.inf
        self._queue: list[_Waiting] = []
        self._writing: list[_Waiting] = []
        self._save = False
        self._ending = False
        self._broken = False
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self.counts = StoreCounts()

    def open(self) -> None:
        """Read the store, take in what time has brought since it was written, and begin to keep.

        Raises:
            StoreError: it cannot be read or written.
        """
        kept = {each.name: each for each in self._store.open()}
        now = self._clock.time()
        known = {job.name for job in self._jobs}
        made = [
            as_kept(Job(name), each.schedule)
            for name, each in kept.items()
            if each.made and name not in known and name not in self._forgotten
        ]
        for job, is_made in [*((job, False) for job in self._jobs), *((job, True) for job in made)]:
            old = kept.get(job.name)
            uuid = job.uuid or (self._new_uuid() if old is None else old.uuid)
            self._add(Entry(job, uuid, is_made, len(self._entries), _restored(job, old, now)))
        self._set_right(now)
        before = sum(each.state.missed for each in self._entries)
        self._advance(now)
        missed = sum(each.state.missed for each in self._entries) - before
        if missed:
            LOGGER.warning("%d scheduled runs were missed while the exporter was down", missed)
        self._store.write([_kept(each) for each in self._entries], [], [])
        self._unsaved.clear()
        self._thread.start()

    def close(self) -> None:
        """Keep what waits, and end."""
        with self._work:
            self._ending = True
            self._save = True
            self._work.notify()
        if self._thread.ident is not None:
            self._thread.join(WITHIN)
        self._store.close()

    def by_uuid(self, uuid: str) -> Entry | None:
        """Return the job with this UUID, in its usual spelling."""
        return self._by_uuid.get(uuid)

    def by_name(self, name: str) -> Entry | None:
        """Return the job of this name."""
        return self._by_name.get(name)

    def make(self, name: str, said: Said = NOTHING_SAID) -> Entry:
        """Return the job of this name, made as its ping says if there is none.

        Raises:
            FullError: there are as many as pings may make.
            ValueError: what the ping says is wrong.
        """
        with self._lock:
            entry = self._by_name.get(name)
            if entry is None:
                if sum(each.made for each in self._entries) >= self._most_made:
                    raise FullError(f"pings may make {self._most_made} jobs, and have")
                job = described(Job(name), said)
                state = begun(job, self._clock.time())
                entry = Entry(job, self._new_uuid(), made=True, place=len(self._entries), state=state)
                self._add(entry)
            return entry

    def describe(self, entry: Entry, said: Said, at: float = 0.0) -> None:
        """Let a job that a ping has made be what a later ping says; those of the file stay as they are.

        Args:
            entry: the job.
            said: of it.
            at: Unix time at which it was true; 0: now. What was true before changes nothing.

        Raises:
            ValueError: what the ping says is wrong.
        """
        if not entry.made or said == NOTHING_SAID:
            return
        job = described(Job(entry.job.name), said)
        with self._lock:
            at, _ = _when(at, self._clock.time())
            if at < entry.said_at:
                return
            entry.said_at = at
            before, entry.job = entry.job, job
            if job == before:
                return
            same = judged_by(job) == judged_by(before)
            self._set(entry, entry.state if same else rescheduled(job, entry.state, self._clock.time()))
            self._unsaved.add(entry.place)

    def tell(self, entry: Entry, event: Event, output: str = "") -> bool:
        """Return once `event` is on the disk: False if it was told before, and is not counted again.

        Its time is that of this call, unless it says one, of `MOST_LATE` before it to `EARLY` after it.

        Raises:
            StoreError: it is not kept.
        """
        return self._wait_for(entry, event, output, None)

    def push(self, push: KeptPush, run: tuple[Entry, Event] | None) -> None:
        """Return once `push`, and the run that it tells of, are on the disk; see `tell`."""
        entry, event = run or (None, None)
        self._wait_for(entry, event, "", push)

    def pushes(self) -> list[KeptPush]:
        """Return what is kept of pushes; see `Store.pushes`."""
        return self._store.pushes()

    def _wait_for(self, entry: Entry | None, event: Event | None, output: str, push: KeptPush | None) -> bool:
        with self._work:
            now = self._clock.time()
            told = None
            if entry is not None and event is not None:
                at, dated = _when(event.at, now)
                told = (entry, replace(event, at=at, dated=dated, arrived=now), output)
            waiting = _Waiting(told, push, now)
            waiting.kept.acquire()
            self._queue.append(waiting)
            self._work.notify()
        if not waiting.kept.acquire(timeout=WITHIN):
            raise StoreError(f"the store has not answered for {WITHIN:g} s")
        if waiting.error is not None:
            raise waiting.error
        return waiting.new

    def save(self) -> None:
        """Let what time has brought be kept soon, and tidy the store."""
        if self.counts.up:
            try:
                self._store.tidy()
            except StoreError as error:
                LOGGER.warning("the store is not tidied: %s", error)
        with self._work:
            self._advance(self._settled())
            self._save = bool(self._unsaved)
            if self._save:
                self._work.notify()

    def changes(self) -> list[tuple[int, Job, State]]:
        """Return the jobs that have changed since this was last called, by their place, as they are now."""
        with self._lock:
            self._advance(self._settled())
            changed = [(place, self._entries[place]) for place in sorted(self._changed)]
            self._changed.clear()
            return [(place, entry.job, entry.state) for place, entry in changed]

    def entries(self) -> list[Entry]:
        """Return all jobs as they are now."""
        with self._lock:
            self._advance(self._settled())
            return [replace(each) for each in self._entries]

    def events(self, name: str) -> list[KeptEvent]:
        """Return what is kept of a job's events; see `Store.events`."""
        return self._store.events(name)

    def _add(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._by_name[entry.job.name] = entry
        self._by_uuid[entry.uuid] = entry
        self._set(entry, entry.state)

    def _set(self, entry: Entry, state: State) -> None:
        entry.state = state
        self._changed.add(entry.place)
        self._wake(entry)

    def _wake(self, entry: Entry) -> None:
        """See to it that the job is looked at when time changes it."""
        moment = next_change(entry.job, entry.state)
        if moment < entry.wake:
            entry.wake = moment
            heapq.heappush(self._due, (moment, entry.place))

    def _settled(self) -> float:
        """Return until when nothing more can come: an event that is not kept yet may stand for a run."""
        waiting = [*self._writing[:1], *self._queue[:1]]
        return min([self._clock.time(), *(each.arrived for each in waiting)])

    def _set_right(self, now: float) -> None:
        for entry in self._entries:
            state = set_right(entry.job, entry.state, now)
            if state is not entry.state:
                self._set(entry, state)
                self._unsaved.add(entry.place)

    def _advance(self, now: float) -> None:
        if now < self._advanced_to - EARLY:
            LOGGER.warning(
                "the clock was %.0f s ahead: what it has brought is set right", self._advanced_to - now
            )
            self._set_right(now)
        self._advanced_to = now
        while self._due and self._due[0][0] <= now:
            moment, place = heapq.heappop(self._due)
            entry = self._entries[place]
            if moment != entry.wake:  # an earlier one took its place
                continue
            entry.wake = math.inf
            state = advanced(entry.job, entry.state, now)
            if state is entry.state:
                self._wake(entry)
            else:
                self._set(entry, state)
                self._unsaved.add(place)

    def _keep(self) -> None:
        while True:
            with self._work:
                while not (self._queue or self._save or self._ending):
                    self._work.wait()
                self._writing = self._queue[:MOST_AT_ONCE]
                del self._queue[:MOST_AT_ONCE]
                saved = self._unsaved.copy() if self._save else set()
                self._save = False
                if self._ending and not (self._writing or saved):
                    return
            error = self._written(saved)
            with self._work:
                done, self._writing = self._writing, []
            for each in done:
                each.error = error
                each.kept.release()

    def _written(self, saved: set[int]) -> StoreError | None:
        """Write what waits, and show it once it is kept; return why it was not."""
        began = self._clock.monotonic()
        try:
            if self._broken:
                self._reopen()
            states, events = self._after(self._writing)
            rows = [replace(_kept(self._entries[place]), state=state) for place, state in states.items()]
            rows += [_kept(self._entries[place]) for place in saved - states.keys()]
            pushes = [each.push for each in self._writing if each.push is not None]
            self._store.write(rows, events, pushes)
        except StoreError as error:
            if not self._broken:
                LOGGER.warning("nothing is kept: %s", error)
            self._broken = True
            self.counts.up = False
            return error
        except Exception:
            # What one event brings about must not end the thread that all others wait for.
            LOGGER.exception("events are lost by a defect")
            return StoreError("the events cannot be taken in, by a defect")
        with self._lock:
            for place, state in states.items():
                self._set(self._entries[place], state)
            self._unsaved -= saved | states.keys()
        self.counts.writes += 1
        self.counts.seconds += self._clock.monotonic() - began
        self.counts.up = True
        return None

    def _after(self, waiting: Iterable[_Waiting]) -> tuple[dict[int, State], list[KeptEvent]]:
        """Return the states after the events that wait, by place, and the events as they are kept."""
        states: dict[int, State] = {}
        events = []
        with self._lock:
            for each in waiting:
                if each.told is None:
                    continue
                entry, event, output = each.told
                before = states.get(entry.place, entry.state)
                state = told(entry.job, before, event)
                each.new = state is not before
                if not each.new:
                    continue
                states[entry.place] = state
                if not entry.reuses and reused(before, event):
                    entry.reuses = True
                    LOGGER.warning(
                        "job %s sends one rid for several runs: some are not counted", entry.job.name
                    )
                events.append(
                    KeptEvent(
                        entry.job.name,
                        state.pings,
                        event.at,
                        event.kind,
                        event.run,
                        event.exit_status,
                        output,
                    )
                )
        return states, events

    def _reopen(self) -> None:
        """Connect anew. What a broken write has left is what counts."""
        kept = {each.name: each for each in self._store.open()}
        with self._lock:
            for entry in self._entries:
                old = kept.get(entry.job.name)
                if old is not None and old.state.pings != entry.state.pings:
                    self._set(entry, old.state)
        self._broken = False
        LOGGER.info("the store answers again")


def _when(said: float, now: float) -> tuple[float, bool]:
    """Return when something happened, and whether that is what was `said`: a wrong clock is not believed."""
    dated = now - MOST_LATE <= said <= now + EARLY
    return (said if dated else now), dated


def _kept(entry: Entry) -> KeptJob:
    return KeptJob(entry.job.name, entry.uuid, entry.made, judged_by(entry.job), entry.state)


def _restored(job: Job, old: KeptJob | None, now: float) -> State:
    if old is None:
        return begun(job, now)
    if old.schedule != judged_by(job):
        return rescheduled(job, old.state, now)
    # What could not be read, and was set aside by the store, expects nothing: it begins anew.
    return (
        old.state if old.state.expected is not None else old.state._replace(expected=begun(job, now).expected)
    )
