"""What a fault may do to the shop and around it: run SQL, release a version, change the load, attack."""

import os
import signal
from typing import Any

import psutil
import psycopg
import requests

from specter_core.clock import Clock
from specter_core.errors import SpecterError
from specter_demo.files import read_state, write_atomically, write_state
from specter_demo.jobs.trouble import ALL_WELL, JobTrouble
from specter_demo.provider import Trouble, read_trouble, write_trouble
from specter_demo.settings import Settings
from specter_demo.shop.database import DatabaseError, connect, reason_of
from specter_demo.shop.defects import read_defect
from specter_demo.shop.release import read_release
from specter_demo.tasks.trouble import WORKING, QueueTrouble
from specter_demo.traffic.dials import ATTACKS, LOAD

RELEASED_WITHIN = 30.0
POLL = 0.05
SQL_TIMEOUT = "60s"


class ControlError(SpecterError):
    """The shop could not be changed as asked."""


class Control:
    """Changes a shop that runs on this machine (or in this container)."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run one statement, a constant of a fault, and return its rows (none for DDL).

        Raises:
            DatabaseError: the database cannot be reached or refuses.
        """
        return _ask(self._settings, statement, "the shop's database")

    @property
    def replay_paused(self) -> bool:
        """Whether the standby was told to replay nothing; where there is none, it was not.

        Raises:
            DatabaseError: the standby cannot be reached.
        """
        return self._settings.database_standby_dsn is not None and self._on_standby(
            "select pg_is_wal_replay_paused()"
        ) == [(True,)]

    def pause_replay(self) -> None:
        """Let the standby replay nothing more; it goes on to receive.

        Raises:
            ControlError: there is no standby.
            DatabaseError: the standby cannot be reached.
        """
        self._on_standby("select pg_wal_replay_pause()")

    def resume_replay(self) -> None:
        """Let the standby replay what it has received, and what will come.

        Raises:
            ControlError: there is no standby.
            DatabaseError: the standby cannot be reached.
        """
        self._on_standby("select pg_wal_replay_resume()")

    def _on_standby(self, statement: str) -> list[tuple[Any, ...]]:
        dsn = self._settings.database_standby_dsn
        if dsn is None:
            raise ControlError("the shop's database has no standby: SHOP_DATABASE_STANDBY_DSN is not set")
        there = self._settings.model_copy(update={"database_dsn": dsn})
        return _ask(there, statement, "the standby of the shop's database")

    @property
    def version(self) -> str:
        """The version released last."""
        return read_release(self._settings.release_file)

    @property
    def defect(self) -> str:
        """The defect of the version released last; empty for none."""
        return read_defect(self._settings.defect_file)

    def release(self, version: str, defect: str | None = None) -> None:
        """Replace the running shop by `version` and wait until it answers with it.

        It has the defect `defect`, `NONE` for none; by default that of the version before.
        A shop that is not running takes the version when it starts.

        Raises:
            ControlError: the new version does not answer in time.
        """
        if defect is not None:
            write_atomically(self._settings.defect_file, defect + "\n")
        write_atomically(self._settings.release_file, version + "\n")
        pid = self._shop_pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGHUP)
        deadline = self._clock.monotonic() + RELEASED_WITHIN
        while self.running_version() != version:
            if self._clock.monotonic() > deadline:
                raise ControlError(
                    f"version {version} was released, but {self._settings.url}/healthz does not report it "
                    f"after {RELEASED_WITHIN:g} s; the shop's log says why"
                )
            self._clock.sleep(POLL)

    def shop_running(self) -> bool:
        """Tell whether the pid file names a running shop."""
        return self._shop_pid() is not None

    def require_shop(self) -> None:
        """Make sure that the shop runs.

        Raises:
            ControlError: it does not; the message says how to start it.
        """
        if not self.shop_running():
            raise ControlError(
                f"the shop is not running ({self._settings.pid_file} names no process of it); "
                "start it with `specter demo run`, or `specter demo serve shop`"
            )

    def running_version(self) -> str | None:
        """Return the version that the shop's /healthz reports; None when it does not answer."""
        try:
            with requests.Session() as session:
                session.trust_env = False
                body = session.get(f"{self._settings.url.rstrip('/')}/healthz", timeout=2.0).json()
        except requests.RequestException:
            return None
        return str(body.get("version")) if isinstance(body, dict) else None

    @property
    def load(self) -> float:
        """The load factor in force."""
        return LOAD.read(self._settings.load_file)

    def load_factor(self, factor: float) -> None:
        """Let `factor` times the usual number of clients reach the shop."""
        LOAD.write(self._settings.load_file, factor)

    @property
    def trouble(self) -> Trouble:
        """What is wrong with the payment provider."""
        return read_trouble(self._settings.provider_file)

    def provider(self, trouble: Trouble) -> None:
        """Let `trouble` be what is wrong with the payment provider."""
        write_trouble(self._settings.provider_file, trouble)

    @property
    def attack(self) -> float:
        """Sign-ins a second that attackers try."""
        return ATTACKS.read(self._settings.attack_file)

    def attack_rate(self, rate: float) -> None:
        """Let attackers try `rate` sign-ins a second."""
        ATTACKS.write(self._settings.attack_file, rate)

    @property
    def queue(self) -> QueueTrouble:
        """What is wrong with the queue's worker."""
        return read_state(self._settings.queue_file, WORKING)

    def worker(self, trouble: QueueTrouble) -> None:
        """Let `trouble` be what is wrong with the queue's worker."""
        write_state(self._settings.queue_file, trouble)

    @property
    def jobs(self) -> JobTrouble:
        """What is wrong with the jobs."""
        return read_state(self._settings.jobs_file, ALL_WELL)

    def let_jobs(self, trouble: JobTrouble) -> None:
        """Let `trouble` be what is wrong with the jobs."""
        write_state(self._settings.jobs_file, trouble)

    def _shop_pid(self) -> int | None:
        """Return the pid of the shop's gunicorn; a pid file left behind may name anyone's process."""
        try:
            pid = int(self._settings.pid_file.read_text(encoding="utf-8"))
            command = psutil.Process(pid).cmdline()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
            return None
        return pid if any(part.startswith("specter_demo.shop.") for part in command) else None


def _ask(settings: Settings, statement: str, what: str) -> list[tuple[Any, ...]]:
    """Run `statement` in the database of `settings`, which errors call `what`."""
    try:
        with connect(settings, statement_timeout=SQL_TIMEOUT) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
    except psycopg.Error as error:
        raise DatabaseError(f"{what}: {reason_of(error)}") from error
