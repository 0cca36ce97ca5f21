"""Find the servers' programs on PATH and in the places where Debian puts them."""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from specter_core.errors import SpecterError


@dataclass(frozen=True, slots=True)
class Program:
    """A server program: the names it goes by, where it may hide, the Debian package that has it."""

    name: str
    package: str
    aliases: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every name to look for, the first found wins."""
        return (self.name, *self.aliases)


POSTGRES_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")

PROGRAMS = (
    Program("prometheus", "prometheus"),
    Program("promtool", "prometheus"),
    Program("alertmanager", "prometheus-alertmanager", ("prometheus-alertmanager",)),
    Program("amtool", "prometheus-alertmanager"),
    Program("node_exporter", "prometheus-node-exporter", ("prometheus-node-exporter",)),
    Program("blackbox_exporter", "prometheus-blackbox-exporter", ("prometheus-blackbox-exporter",)),
    Program("postgres", "postgresql", folders=POSTGRES_FOLDERS),
    Program("initdb", "postgresql", folders=POSTGRES_FOLDERS),
    Program("pg_ctl", "postgresql", folders=POSTGRES_FOLDERS),
    Program("pg_dump", "postgresql", folders=POSTGRES_FOLDERS),
    Program("redis-server", "redis-server"),
)

TEST_PROGRAMS = (
    Program("victoria-metrics", "victoria-metrics", ("victoria-metrics-prod",)),
    Program("chromium", "chromium", ("chromium-browser", "google-chrome")),
    Program("chromedriver", "chromium-driver"),
    Program("mariadbd", "mariadb-server", folders=("/usr/sbin",)),
    Program("pgbouncer", "pgbouncer", folders=("/usr/sbin",)),
    Program("rabbitmqctl", "rabbitmq-server", folders=("/usr/lib/rabbitmq/bin",)),
    Program("java", "default-jre-headless"),
    Program("mvn", "maven"),
)
"""What only the tests run."""


class MissingProgramsError(SpecterError):
    """Some servers are not installed; `programs` lists them."""

    def __init__(self, programs: list[Program]) -> None:
        self.programs = programs
        names = ", ".join(program.name for program in programs)
        packages = " ".join(sorted({program.package for program in programs}))
        super().__init__(
            f"not found on PATH or in Debian's places: {names}\n"
            f"  Debian, Ubuntu:  apt-get install --no-install-recommends {packages}\n"
            f"  elsewhere:       put the programs on PATH, see https://prometheus.io/download/"
        )


def locate(program: Program, path: str | None = None) -> Path | None:
    """Return where `program` is, or None. `path` replaces the environment's PATH.

    PATH wins over the system's folders, and there the newest version wins.
    """
    for name in program.names:
        found = shutil.which(name, path=path)
        if found:
            return Path(found)
    for pattern in program.folders:
        base = Path(pattern.partition("*")[0]).parent
        candidates = (
            sorted(base.glob(str(Path(pattern).relative_to(base))), key=_version) if base.is_dir() else []
        )
        found = shutil.which(program.name, path=os.pathsep.join(map(str, reversed(candidates))))
        if found:
            return Path(found)
    return None


def _version(folder: Path) -> tuple[int, ...]:
    """Sort 9 before 15: the digits of the path as numbers."""
    digits = "".join(char if char.isdigit() else " " for char in str(folder))
    return tuple(int(part) for part in digits.split())


def find_program(name: str) -> Path:
    """Return the path of the program called `name` in `PROGRAMS` or `TEST_PROGRAMS`.

    Raises:
        MissingProgramsError: it is not installed.
    """
    program = next(program for program in (*PROGRAMS, *TEST_PROGRAMS) if program.name == name)
    found = locate(program)
    if found is None:
        raise MissingProgramsError([program])
    return found


def missing_programs(programs: Iterable[Program] = PROGRAMS) -> list[Program]:
    """Return those of `programs` that this machine lacks."""
    return [program for program in programs if locate(program) is None]
