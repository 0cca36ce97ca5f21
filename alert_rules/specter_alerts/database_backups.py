"""Backups of PostgreSQL: there are any, they are new, as large as before, and somebody has tried one."""

from specter_alerts.database_alert import LEVEL, NAME, alert, highest
from specter_alerts.model import AlertRule
from specter_alerts.settings import Settings, number
from specter_core import metrics

BACKUP = "backup"
WHAT = f"backup {{{{ $labels.{BACKUP} }}}} of PostgreSQL {NAME}"
# A dump may just be written, or moved.
WAIT = "15m"


def alerts(settings: Settings) -> tuple[AlertRule, ...]:
    """Return the alerts on backups; they are silent where none is configured."""
    return (_missing(settings), _old(settings), _shrunk(settings), *_verified(settings))


def _missing(settings: Settings) -> AlertRule:
    return alert(
        settings,
        "PostgresBackupMissing",
        f"{highest(metrics.PG_BACKUPS, by=BACKUP)} == 0",
        "warning",
        "backup",
        wait=WAIT,
        summary=f"There is no {WHAT}",
        description=(
            f"No {WHAT} has been found for {WAIT} ({{{{ $value }}}}, expected at least 1). What is lost now "
            "is lost for good."
        ),
        action="Look where the exporter's `backups` say: does the job run, and write there?",
    )


def _old(settings: Settings) -> AlertRule:
    most = settings.pg_backup_seconds
    return alert(
        settings,
        "PostgresBackupOld",
        f"time() - {highest(metrics.PG_BACKUP_TIME, by=BACKUP)} > {number(most)}",
        "warning",
        "backup",
        wait=WAIT,
        summary=f"The newest {WHAT} is {{{{ $value | humanizeDuration }}}} old",
        description=(
            f"The newest {WHAT} was finished {{{{ $value | humanizeDuration }}}} ago; expected at most "
            f"{number(most / 3600)}h. What was written since is in no backup."
        ),
        action="See the log of the backup's job: did it run, and what did it fail at?",
    )


def _shrunk(settings: Settings) -> AlertRule:
    labels = f"{LEVEL}, {BACKUP}"
    within, least = settings.pg_backup_sizes_within, settings.pg_backup_shrunk
    before = f"max by ({labels}) (max_over_time({metrics.PG_BACKUP_BYTES.name}[{within}]))"
    return alert(
        settings,
        "PostgresBackupShrunk",
        f"{highest(metrics.PG_BACKUP_BYTES, by=BACKUP)} / on ({labels}) {before} < {number(least)}",
        "warning",
        "backup",
        wait=WAIT,
        summary=f"The newest {WHAT} is much smaller than before",
        description=(
            f"The newest {WHAT} has {{{{ $value | humanizePercentage }}}} of the largest size within "
            f"{within}; expected at least {number(least * 100)}%. It may lack tables, or its end."
        ),
        action="Restore it elsewhere and count; was data deleted on purpose?",
    )


def _verified(settings: Settings) -> tuple[AlertRule, AlertRule]:
    most = settings.pg_backup_verified_seconds
    return (
        alert(
            settings,
            "PostgresBackupNeverVerified",
            f"{highest(metrics.PG_BACKUP_VERIFIED, by=BACKUP)} == 0",
            "info",
            "backup_verification",
            wait=settings.pg_backup_verified_within,
            summary=f"No {WHAT} was ever verified",
            description=(
                f"It is told when a {WHAT} is verified, and none was ({{{{ $value }}}}, expected 1) for "
                f"{settings.pg_backup_verified_within}. A backup that nobody has restored may be none."
            ),
            action="Restore the newest one elsewhere, then touch `verified_file` or record it.",
        ),
        alert(
            settings,
            "PostgresBackupVerificationOld",
            f"time() - {highest(metrics.PG_BACKUP_VERIFIED_TIME, by=BACKUP)} > {number(most)}",
            "info",
            "backup_verification",
            wait=WAIT,
            summary=f"No {WHAT} was verified for {{{{ $value | humanizeDuration }}}}",
            description=(
                f"A {WHAT} was last verified {{{{ $value | humanizeDuration }}}} ago; expected at most "
                f"{number(most / 86400)}d."
            ),
            action="Restore the newest one elsewhere, then touch `verified_file` or record it.",
        ),
    )
