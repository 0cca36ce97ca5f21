"""Count business events in this process: the Python API, and what the HTTP endpoint stands on."""

import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from secrets import token_bytes
from typing import Unpack

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric as Family

from specter_core import metrics
from specter_core.catalogue import Catalogue
from specter_core.clock import Clock, SystemClock
from specter_exporters.business.collector import Reading, families
from specter_exporters.business.distinct import EXACT_UP_TO, LOG_REGISTERS, new_sketch
from specter_exporters.business.keeping import Keeper
from specter_exporters.business.pseudonyms import Pseudonyms
from specter_exporters.business.refusals import Refusals
from specter_exporters.business.sessions import LIMIT, Sessions
from specter_exporters.business.snapshot import take
from specter_exporters.business.tally import Distribution, Tally
from specter_exporters.business.users import Users
from specter_exporters.business.validation import Details, EventRefusedError, Observation, Validator

logger = logging.getLogger(__name__)


class Business:
    """Counts the events of a catalogue; a collector of `registry`, shared by all threads of one process.

    Memory is fixed by the catalogue and the limits. Users and sessions are known
    by keyed hashes only. Processes that are several (gunicorn's workers) send their
    events to one exporter with `BusinessClient`: users cannot be added up.

    Args:
        catalogue: what there is to count.
        registry: where to register; a fresh one by default.
        strict: raise what is refused, instead of counting it and logging it once.
        user_key: 16 to 64 secret bytes; with `storage` one is made and kept there by default.
        storage: a folder in which the users' counts outlive a restart (see `save`); None keeps them in
            memory only.
        exact_up_to: how many users of a day, week or month are counted exactly.
        max_sessions: how many sessions are followed at once.
        clock: the time.

    Raises:
        SpecterError: the folder cannot be used.
        ModuleNotFoundError: the extra `app` is not installed.
        ValueError: the key is too short, or the registry already holds metrics of these names.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        registry: CollectorRegistry | None = None,
        *,
        strict: bool = False,
        user_key: bytes | None = None,
        storage: Path | None = None,
        exact_up_to: int = EXACT_UP_TO,
        max_sessions: int = LIMIT,
        clock: Clock | None = None,
    ) -> None:
        new_sketch(LOG_REGISTERS)  # what is not installed must not come out at the ten-thousandth user
        self.catalogue = catalogue
        self.registry = CollectorRegistry() if registry is None else registry
        self._strict = strict
        self._clock = clock or SystemClock()
        self._keeper = Keeper(storage, self._clock) if storage is not None else None
        if user_key is None:
            user_key = self._keeper.user_key() if self._keeper else token_bytes(32)
        self._pseudonyms = Pseudonyms(user_key)
        self._validator = Validator(catalogue)
        self._lock = threading.Lock()
        self._tally = Tally(catalogue)
        self._sessions = Sessions(catalogue.session_idle, max_sessions)
        self._session_durations = Distribution(metrics.BUSINESS_SESSION_DURATION.buckets)
        if self._keeper is None:
            self._users = Users(catalogue, exact_up_to)
        else:
            self._users = self._keeper.restored(catalogue, exact_up_to, self._pseudonyms.fingerprint)
        self.refusals = Refusals(logger)
        self.registry.register(self)

    def event(self, name: str, /, **details: Unpack[Details]) -> None:
        """Count one event of the catalogue; without `strict` it never raises.

        Args:
            name: of the event.
            details: see `Details`.

        Raises:
            EventRefusedError: the catalogue does not allow it, and `strict` is set.
        """
        item = {**details, "event": name}
        try:
            seen = self._validator.check(item)
            if self._strict:
                self._known_reason(seen)
            self.record([seen])
        except EventRefusedError as error:
            self.refusals.count(error)
            if self._strict:
                raise
            self.refusals.log(error)
        except Exception:
            # It runs inside of somebody's request, which must not fail for being counted.
            self.refusals.defect()
            if self._strict:
                raise
            logger.exception("a business event is lost by a defect")

    def _known_reason(self, seen: Observation) -> None:
        if seen.overflow:
            reasons = self.catalogue.events[seen.event].reasons
            raise EventRefusedError("unknown_reason", "reason", "is not in the catalogue", reasons)

    def check(self, item: object) -> Observation:
        """Return what an event, as a mapping with the arguments of `event`, says; nothing is counted.

        Raises:
            EventRefusedError: the catalogue does not allow it.
        """
        return self._validator.check(item)

    def record(self, observations: Iterable[Observation]) -> None:
        """Count valid events that happened now."""
        now = self._clock.time()
        hashed = [(seen, *self._hashes(seen)) for seen in observations]
        with self._lock:
            for seen, user, session in hashed:
                self._tally.add(seen)
                if user is not None:
                    self._users.add(user, seen, now)
                if session is not None:
                    for duration in self._sessions.touch(session, now):
                        self._session_durations.observe(duration)

    def _hashes(self, seen: Observation) -> tuple[int | None, int | None]:
        user = self._pseudonyms.of(seen.user) if seen.user else None
        return user, self._pseudonyms.of(seen.session) if seen.session else user

    def collect(self) -> Iterable[Family]:
        """Yield the families, as they are at this moment."""
        yield from families(self._reading(), self.catalogue)
        if self._keeper is not None:
            yield from self._keeper.families()

    def describe(self) -> Iterable[Family]:
        """Yield the families, so that a registry refuses a second one."""
        return self.collect()

    def _reading(self) -> Reading:
        now = self._clock.time()
        with self._lock:
            self._users.roll(now)
            for duration in self._sessions.expire(now):
                self._session_durations.observe(duration)
            tally, users = self._tally, self._users
            return Reading(
                events=dict(tally.events),
                overflow=dict(tally.overflow),
                steps=dict(tally.steps),
                features=dict(tally.features),
                quantities=list(tally.distributions()),
                active_users={(period.value,): one.count for period, one in users.periods.items()},
                feature_users={
                    (feature, period.value): one.count for (feature, period), one in users.features.items()
                },
                active_sessions=self._sessions.active,
                session_durations=self._session_durations.copy(),
                untracked=self._sessions.untracked,
                returned=dict(users.retention.known) if users.retention else {},
                rejected=self.refusals.counts(),
            )

    def save(self) -> bool:
        """Write the users' counts to the storage; return whether they are there.

        Whoever made this object calls it from time to time, and when stopping. A disk
        that refuses is logged and counted, and what was saved before is kept. Without
        a storage nothing is done.
        """
        if self._keeper is None:
            return False
        with self._lock:
            state = take(self._users, self._pseudonyms.fingerprint, self.catalogue.time_zone)
        return self._keeper.save(state)
