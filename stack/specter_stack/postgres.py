"""A PostgreSQL server of our own: created once, owned by an unprivileged account."""

import os
import pwd
import shlex
import subprocess
from hashlib import blake2b
from pathlib import Path

from specter_stack.errors import StackError
from specter_stack.layout import Layout
from specter_stack.ports import LOOPBACK
from specter_stack.programs import find_program
from specter_stack.service import Service

SUPERUSER = "specter"
ACCOUNT = "postgres"
SPARE_FOLDER = Path("/var/tmp")  # noqa: S108  (checked in _spare_folder)
# The demo's data can be generated again, so speed wins over surviving a power cut.
SETTINGS = {
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "60",
    "log_min_duration_statement": "500ms",
    "max_wal_size": "512MB",
}


def server_account() -> str | None:
    """Return the account to run PostgreSQL as: it refuses root, so root lends it Debian's `postgres`.

    Raises:
        StackError: root has no such account to lend.
    """
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(ACCOUNT).pw_name
    except KeyError:
        raise StackError(
            f"PostgreSQL refuses to run as root and there is no account `{ACCOUNT}`; "
            "install Debian's postgresql package, or start as an ordinary user"
        ) from None


def data_folder(layout: Layout, account: str | None) -> Path:
    """Return where the cluster lives: in the state folder, if `account` may walk there.

    A checkout below a private folder (root's home) would have to be opened to
    others; then the cluster lives in /var/tmp under a name derived from the state path.
    """
    inside = layout.state / "postgres"
    if account is None or all(parent.stat().st_mode & 0o001 for parent in inside.parents if parent.exists()):
        return inside / "data"
    return _spare_folder(layout) / "data"


def _spare_folder(layout: Layout) -> Path:
    digest = blake2b(str(layout.state).encode(), digest_size=8).hexdigest()
    folder = SPARE_FOLDER / f"specter-postgres-{digest}"
    if folder.is_symlink() or (folder.exists() and folder.stat().st_uid not in _trusted_owners()):
        raise StackError(
            f"{folder} belongs to somebody else; move it away, or use a state folder others can reach"
        )
    return folder


def _trusted_owners() -> set[int]:
    return {os.geteuid(), pwd.getpwnam(ACCOUNT).pw_uid}


def create_cluster(data: Path, account: str | None, password_file: Path) -> bool:
    """Run initdb in `data` unless a cluster is there; return whether one was created.

    Raises:
        StackError: initdb failed; the message quotes it.
    """
    if (data / "PG_VERSION").exists():
        return False
    folder = data.parent
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    # initdb reads the password from a file, and the account cannot read the launcher's secrets.
    handed_over = folder / "password"
    handed_over.unlink(missing_ok=True)
    handed_over.touch(mode=0o600)
    handed_over.write_bytes(password_file.read_bytes())
    if account is not None:
        user = pwd.getpwnam(account)
        for path in (handed_over, folder):
            os.chown(path, user.pw_uid, user.pw_gid)
    command = [
        *(["runuser", "-u", account, "--"] if account else []),
        str(find_program("initdb").resolve()),
        *("-D", str(data), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={handed_over}"),
        *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, timeout=120)
    finally:
        handed_over.unlink()
    if done.returncode:
        raise StackError(f"initdb failed in {data}: {done.stderr.strip()}")
    return True


def postgres_service(layout: Layout, port: int, password_file: Path) -> Service:
    """Create the cluster if need be and return the server as a service."""
    account = server_account()
    data = data_folder(layout, account)
    create_cluster(data, account, password_file)
    binary = find_program("postgres").resolve()
    is_ready = (str(binary.with_name("pg_isready")), "-q", "-h", LOOPBACK, "-p", str(port))
    settings = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    return Service(
        name="postgres",
        command=(
            str(binary),
            *("-D", str(data), "-p", str(port), "-c", f"listen_addresses={LOOPBACK}"),
            *settings,
        ),
        # The port is open before the server takes queries, so a connection would prove nothing.
        ready=f"exec:{shlex.join(is_ready)}",
        user=account,
        stop_signal="INT",
        own_pid_file=str(data / "postmaster.pid"),
    )
