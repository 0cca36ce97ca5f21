"""A PostgreSQL server of our own: created once, owned by an unprivileged account."""

import os
import pwd
import shlex
import shutil
import stat
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
SPARE_FOLDER = Path("/var/tmp")  # noqa: S108  (checked in _claim)
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
    # A standby that is away for longer is copied anew.
    "max_slot_wal_keep_size": "512MB",
    "shared_preload_libraries": "pg_stat_statements",
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


def cluster_folders(layout: Layout) -> list[Path]:
    """Return the parents of the data folders that runs of this state folder have left, wherever they are."""
    # Only root ever needs the spare one, and only root can look into it.
    spare = [_spare_folder(layout)] if os.geteuid() == 0 else []
    return [folder for folder in (layout.state / "postgres", *spare) if folder.is_dir()]


def _spare_folder(layout: Layout) -> Path:
    digest = blake2b(str(layout.state).encode(), digest_size=8).hexdigest()
    return SPARE_FOLDER / f"specter-postgres-{digest}"


def _claim(folder: Path, account: str | None) -> None:
    """Create `folder` for root alone, or make sure that it is one of ours.

    In /var/tmp anybody may have put a folder or a link of that name there first;
    once ours is there, the sticky bit keeps others from replacing it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        found = folder.lstat()
        owners = {os.geteuid(), *([pwd.getpwnam(account).pw_uid] if account else [])}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
            raise StackError(
                f"{folder} belongs to somebody else; move it away, or use a state folder others can reach"
            ) from None


def create_cluster(data: Path, account: str | None, password_file: Path) -> bool:
    """Run initdb in `data` unless a cluster is there; return whether one was created.

    Raises:
        StackError: initdb failed; the message quotes it.
    """
    folder = data.parent
    _claim(folder, account)
    if (data / "PG_VERSION").exists():
        return False
    # An initdb that was cut short must not pass for a cluster: the folder gets its name when it is whole.
    unfinished = folder / "unfinished"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    handed_over = _hand_over(password_file, folder, account)
    command = [
        *(["runuser", "-u", account, "--"] if account else []),
        str(find_program("initdb").resolve()),
        *("-D", str(unfinished), "-U", SUPERUSER, "-A", "scram-sha-256", f"--pwfile={handed_over}"),
        *("-E", "UTF8", "--locale=C.UTF-8", "--no-sync"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False, timeout=120)
    finally:
        handed_over.unlink()
    if done.returncode:
        raise StackError(f"initdb failed in {folder}: {done.stderr.strip()}")
    unfinished.rename(data)
    return True


def _hand_over(password_file: Path, folder: Path, account: str | None) -> Path:
    """Copy the password into `folder`, give both to `account`, and return the copy.

    initdb reads the password from a file, and the account cannot read the launcher's secrets.
    """
    copy = folder / "password"
    copy.unlink(missing_ok=True)
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(password_file.read_bytes())
        if account is not None:
            user = pwd.getpwnam(account)
            os.fchown(file.fileno(), user.pw_uid, user.pw_gid)
            os.chown(folder, user.pw_uid, user.pw_gid, follow_symlinks=False)
    return copy


def postgres_service(layout: Layout, port: int, password_file: Path) -> Service:
    """Create the cluster if need be and return the server as a service."""
    account = server_account()
    data = data_folder(layout, account)
    create_cluster(data, account, password_file)
    return server_service("postgres", data, port, account)


def server_service(name: str, data: Path, port: int, account: str | None) -> Service:
    """Return the server of the cluster in `data` as a service."""
    binary = find_program("postgres").resolve()
    is_ready = (str(binary.with_name("pg_isready")), "-q", "-h", LOOPBACK, "-p", str(port))
    settings = [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
    return Service(
        name=name,
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
