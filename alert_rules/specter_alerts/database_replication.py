"""Standbys, replication slots and the archive of PostgreSQL's log."""

from specter_alerts.database_alert import LEVEL, NAME, ON, OWN, alert, highest, lookup
from specter_alerts.model import AlertRule
from specter_alerts.settings import Settings, number
from specter_core import metrics

SLOT = "slot"
STANDBY = "standby"
ON_SLOT = f"on ({LEVEL}, {SLOT})"
YES_OR_NO = "{{ if eq (. | value) 1.0 }}yes{{ else }}no{{ end }}"
# Backups leave when they are done, and so does what copies a table at first for a subscription.
PASSING = "pg_basebackup|pg_receivewal|pg_[0-9]+_sync_.*"


def alerts(settings: Settings) -> tuple[AlertRule, ...]:
    """Return the alerts on replication and the archive."""
    return (
        _receiver_down(settings),
        _lagging(settings),
        _standby_gone(settings),
        _slot_inactive(settings),
        _slot_growing(settings),
        _slot_lost(settings),
        _archive_failing(settings),
    )


def _receiver_down(settings: Settings) -> AlertRule:
    within = settings.pg_receiver_within
    name = "PostgresReceiverDown"
    had_one = f"max by ({LEVEL}) (max_over_time({metrics.PG_RECEIVER_UP.name}[{within}])) == 1"
    # It goes on when it has been cut off for longer than that.
    told = f'max by ({LEVEL}) ({metrics.ALERTS}{{alertname="{name}", alertstate="firing"}}) == 1'
    return alert(
        settings,
        name,
        f"{highest(metrics.PG_RECEIVER_UP)} == 0\nand {ON}\n({had_one}\nor\n{told})",
        "warning",
        "replication",
        wait=settings.pg_replication_for,
        summary=f"Standby {NAME} receives nothing from its primary",
        description=(
            f"Standby {NAME} has not received from its primary for {settings.pg_replication_for} "
            f"(`specter_pg_wal_receiver_up` is {{{{ $value }}}}, expected 1), and it did within {within}. "
            "What it shows becomes older."
        ),
        action="Read its log: a refused login, an unreachable primary, or a segment that is no longer there.",
    )


def _lagging(settings: Settings) -> AlertRule:
    most = number(settings.pg_replay_lag_seconds)
    paused = lookup(f"{metrics.PG_REPLAY_PAUSED.name}{{{OWN}}}", YES_OR_NO)
    bytes_left = lookup(f"{metrics.PG_REPLAY_LAG_BYTES.name}{{{OWN}}}", "{{ . | value | humanize1024 }}B")
    return alert(
        settings,
        "PostgresReplayLagging",
        f"{highest(metrics.PG_REPLAY_LAG)} > {most}\n"
        # One that does not receive has an alert of its own, or reads an archive, which tells no lag.
        f"and {ON}\n{highest(metrics.PG_RECEIVER_UP)} == 1",
        "warning",
        "replication",
        wait=settings.pg_replay_lag_for,
        summary=f"Standby {NAME} is {{{{ $value | humanizeDuration }}}} behind",
        description=(
            f"What standby {NAME} shows is {{{{ $value | humanizeDuration }}}} old; expected at most {most}s."
            f" Received and not replayed: {bytes_left}. Replay is paused: {paused}."
        ),
        action=(
            "Paused, and nobody needs that: SELECT pg_wal_replay_resume() on the standby. Else look for a "
            "query on it that holds replay up (the oldest in pg_stat_activity), then at its disk and network."
        ),
    )


def _standby_gone(settings: Settings) -> AlertRule:
    within = settings.pg_standby_within
    lag = f'{metrics.PG_STANDBY_LAG_BYTES.name}{{stage="replayed", {STANDBY}!~"{PASSING}"}}'
    labels = f"{LEVEL}, {STANDBY}"
    # Where the primary was not asked, its standbys are not known to be gone.
    asked = highest(metrics.PG_COLLECTOR_SUCCESS, 'collector="replication"')
    return alert(
        settings,
        "PostgresStandbyGone",
        f"max by ({labels}) (last_over_time({lag}[{within}]))\nunless on ({labels})\n"
        f"max by ({labels}) ({lag})\nand {ON}\n{asked} == 1\n"
        f"and {ON}\n{highest(metrics.PG_RECOVERY)} == 0",
        "warning",
        "replication",
        wait=settings.pg_replication_for,
        summary=f"Standby {{{{ $labels.{STANDBY} }}}} of PostgreSQL {NAME} is gone",
        description=(
            f"{{{{ $labels.{STANDBY} }}}} streamed from {NAME} within {within} and has not been connected "
            f"for {settings.pg_replication_for}; it was {{{{ $value | humanize1024 }}}}B behind, expected "
            f"that it stays. This resolves by itself after {within}."
        ),
        action="See whether the standby runs, and what its log says of its primary.",
    )


def _slot_inactive(settings: Settings) -> AlertRule:
    most = settings.pg_slot_inactive_bytes
    return alert(
        settings,
        "PostgresSlotInactive",
        f"{highest(metrics.PG_SLOT_RETAINED, by=SLOT)} > {number(most)}\n"
        f"and {ON_SLOT}\n{highest(metrics.PG_SLOT_ACTIVE, by=SLOT)} == 0",
        "warning",
        "replication_slot",
        wait="15m",
        summary=f"Slot {{{{ $labels.{SLOT} }}}} of PostgreSQL {NAME} keeps the log and nobody reads it",
        description=(
            f"Slot {{{{ $labels.{SLOT} }}}} keeps {{{{ $value | humanize1024 }}}}B of log on {NAME}, and "
            f"it was not read for 15m; expected at most {number(most / 2**30)} GiB. It fills the disk."
        ),
        action="Start its reader again; if it is gone for good: SELECT pg_drop_replication_slot('NAME').",
    )


def _slot_growing(settings: Settings) -> AlertRule:
    most = settings.pg_slot_bytes
    retained = metrics.PG_SLOT_RETAINED.name
    labels = f"{LEVEL}, {SLOT}"
    return alert(
        settings,
        "PostgresSlotGrowing",
        f"min by ({labels}) (min_over_time({retained}[15m])) > {number(most)}\n"
        f"and on ({labels})\nmin by ({labels}) (min_over_time({retained}[15m]))\n"
        f"> on ({labels})\nmax by ({labels}) (max_over_time({retained}[15m] offset 30m))\n"
        f"and on ({labels})\n{highest(metrics.PG_SLOT_ACTIVE, by=SLOT)} == 1",
        "warning",
        "replication_slot",
        wait="15m",
        summary=f"The reader of slot {{{{ $labels.{SLOT} }}}} of PostgreSQL {NAME} does not keep up",
        description=(
            f"Slot {{{{ $labels.{SLOT} }}}} keeps {{{{ $value | humanize1024 }}}}B of log on {NAME} and it "
            f"becomes more; expected at most {number(most / 2**30)} GiB. It fills the disk."
        ),
        action="See what its reader waits for: its disk, its network, one large transaction.",
    )


def _slot_lost(settings: Settings) -> AlertRule:
    return alert(
        settings,
        "PostgresSlotLost",
        f"{highest(metrics.PG_SLOT_LOST, by=SLOT)} == 1",
        "warning",
        "replication_slot",
        wait="1m",
        summary=f"The reader of slot {{{{ $labels.{SLOT} }}}} of PostgreSQL {NAME} can never go on",
        description=(
            f"{NAME} has removed what the reader of slot {{{{ $labels.{SLOT} }}}} needs next "
            "(`specter_pg_replication_slot_lost` is {{ $value }}, expected 0). Nothing reaches it any more."
        ),
        action="Copy the reader anew, then: SELECT pg_drop_replication_slot('NAME').",
    )


def _archive_failing(settings: Settings) -> AlertRule:
    failures = f"max by ({LEVEL}) (increase({metrics.PG_ARCHIVE_FAILURES.name}[15m])) > 0"
    failed, archived = highest(metrics.PG_LAST_ARCHIVE_FAILURE), highest(metrics.PG_LAST_ARCHIVED)
    return alert(
        settings,
        "PostgresArchiveFailing",
        f"{failures}\nand {ON}\n({failed} > {ON} {archived} or {failed} unless {ON} {archived})",
        "warning",
        "archive",
        wait=settings.pg_archive_failing_for,
        summary=f"PostgreSQL {NAME} cannot archive its log",
        description=(
            f"{{{{ $value | humanize }}}} attempts of {NAME} to archive its log failed within 15m and none "
            "succeeded since the newest of them; expected 0. Backups end here, and the disk fills up."
        ),
        action="The server's log has the output of `archive_command`: is the archive full, its key refused?",
    )
