"""The backup: what cannot be made again of the shop's database, by pg_dump, the newest few kept."""

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_demo.settings import Settings

KEPT = 5
PATTERN = "shop-*.dump"
TIMEOUT = 240.0
# `specter demo seed` makes the goods again, and they are nine tenths of the database.
WITHOUT = "products"


class BackupError(SpecterError):
    """The database was not backed up; the message says why."""


def back_up(settings: Settings, program: Path, now: float, environ: Mapping[str, str] = os.environ) -> Path:
    """Write a backup of the shop's database to `settings.backups` and return it; the oldest go.

    A file has its name when it is whole. `program` is pg_dump, `now` epoch seconds.

    Raises:
        BackupError: pg_dump failed.
    """
    folder = settings.backups
    folder.mkdir(parents=True, exist_ok=True)
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    target, unfinished = folder / f"shop-{stamp}.dump", folder / "unfinished"
    command = [
        *(str(program), "--dbname", settings.database_dsn, "--no-password", "--format=custom"),
        *("--compress=1", f"--exclude-table-data={WITHOUT}", "--file", str(unfinished)),
    ]
    try:
        # The password goes by the environment: a command line can be seen by everybody.
        done = subprocess.run(
            command,
            env={**environ, **_password(settings)},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        if done.returncode:
            raise BackupError(f"pg_dump ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
        unfinished.replace(target)
    except subprocess.TimeoutExpired as error:
        raise BackupError(f"pg_dump did not end within {TIMEOUT:g} s") from error
    finally:
        unfinished.unlink(missing_ok=True)
    for old in sorted(folder.glob(PATTERN))[:-KEPT]:
        old.unlink()
    return target


def _password(settings: Settings) -> dict[str, str]:
    file = settings.database_password_file
    if file is None:
        return {}
    return {"PGPASSWORD": read_secret_file(file, what="SHOP_DATABASE_PASSWORD_FILE")}
