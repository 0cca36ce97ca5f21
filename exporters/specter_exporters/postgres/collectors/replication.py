"""Standbys: how far they are behind, told by whoever knows it."""

from collections.abc import Callable, Iterable

from specter_core import metrics
from specter_core.clock import Clock
from specter_exporters.postgres.model import Fact, facts
from specter_exporters.postgres.session import Session

MOST = 40
_STANDBYS = """
SELECT coalesce(application_name, ''), state,
       pg_wal_lsn_diff(pg_current_wal_lsn(), sent_lsn)::float8,
       pg_wal_lsn_diff(pg_current_wal_lsn(), write_lsn)::float8,
       pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn)::float8,
       pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::float8
FROM pg_stat_replication ORDER BY pid LIMIT %s
"""
# A lost slot keeps nothing, though since PostgreSQL 16 it may still say from where on it did. What a standby
# copies from its primary (since 17) is read there, and by nobody here.
_SLOTS = """
SELECT slot_name, {active}, wal_status = 'lost',
       CASE WHEN wal_status <> 'lost' THEN pg_wal_lsn_diff(
         CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
         restart_lsn
       )::float8 END
FROM pg_replication_slots ORDER BY slot_name LIMIT %s
"""
_ACTIVE = {130000: "active", 170000: "CASE WHEN NOT synced THEN active END"}
# Where the role may see no more than that there is a receiver, its status is NULL.
_STANDBY = """
SELECT (SELECT coalesce(status, 'streaming') = 'streaming' FROM pg_stat_wal_receiver),
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::float8,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8,
       pg_is_wal_replay_paused()
"""
_STAGES = ("sent", "written", "flushed", "replayed")
_STATES = ("startup", "catchup", "streaming", "backup", "stopping")


class ReplayLag:
    """How old what a standby shows may be.

    The time of the newest replayed transaction alone is wrong twice: on an idle primary it grows
    though nothing is missing, and a standby that was cut off while it had replayed everything would
    seem to be up to date. So it counts from the last moment at which nothing was missing.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._whole: float | None = None

    def seconds(self, *, receiving: bool, behind: float | None, since_replayed: float | None) -> float | None:
        """Return the lag in seconds, None where nothing tells it.

        Args:
            receiving: whether the standby receives from its primary now.
            behind: bytes received and not replayed.
            since_replayed: seconds since the newest replayed transaction was committed.
        """
        now = self._clock.monotonic()
        if receiving and behind is not None and behind <= 0:
            self._whole = now
            return 0.0
        ages = (since_replayed, None if self._whole is None else now - self._whole)
        return min((age for age in ages if age is not None), default=None)


def collector(clock: Clock) -> Callable[[Session], Iterable[Fact]]:
    """Return the collector, which remembers when the standby was last up to date."""
    lag = ReplayLag(clock)

    def collect(session: Session) -> Iterable[Fact]:
        (recovering,) = session.row("SELECT pg_is_in_recovery()")
        yield from _standby(session, lag) if recovering else _primary(session)
        slots = _SLOTS.format(active=_ACTIVE[170000 if session.version >= 170000 else 130000])
        for slot, active, lost, retained in session.rows(slots, [MOST]):
            yield from facts(
                (metrics.PG_SLOT_ACTIVE, [slot], active),
                (metrics.PG_SLOT_LOST, [slot], lost),
                (metrics.PG_SLOT_RETAINED, [slot], retained),
            )

    return collect


def _primary(session: Session) -> Iterable[Fact]:
    count = dict.fromkeys(_STATES, 0)
    for name, state, *stages in session.rows(_STANDBYS, [MOST]):
        if state is not None:
            count[state] += 1
        yield from facts(
            *(
                (metrics.PG_STANDBY_LAG_BYTES, [name, stage], value)
                for stage, value in zip(_STAGES, stages, strict=True)
            )
        )
    for state, number in count.items():
        yield Fact(metrics.PG_STANDBYS, [state], number)


def _standby(session: Session, lag: ReplayLag) -> Iterable[Fact]:
    receiving, behind, since, paused = session.row(_STANDBY)
    receiving = bool(receiving)
    seconds = lag.seconds(receiving=receiving, behind=behind, since_replayed=since)
    return facts(
        (metrics.PG_RECEIVER_UP, [], receiving),
        (metrics.PG_REPLAY_LAG_BYTES, [], behind),
        (metrics.PG_REPLAY_LAG, [], seconds),
        (metrics.PG_REPLAY_PAUSED, [], paused),
    )
