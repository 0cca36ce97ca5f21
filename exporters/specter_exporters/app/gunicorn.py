"""gunicorn's hooks: several workers count as one server.

One line in gunicorn's configuration file:

    from specter_exporters.app.gunicorn import *

The master makes a folder for its workers (in memory where the system has /dev/shm)
and names it in their environment, tells them how many requests each can serve at once, and
removes the folder when it ends. After an upgrade in flight (USR2) the new master's
workers go on in the same folder.
"""

import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specter_exporters.app.shared import DIRECTORY, PARENT, SLOTS, held

__all__ = ["on_exit", "on_starting"]

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

logger = logging.getLogger(__name__)

MEMORY = Path("/dev/shm")  # noqa: S108  (folders in it are made by mkdtemp)
OWNER = "owner"
KILLED_WITHIN = 1.0
"""Seconds until the system has let go of what a killed worker held."""
UNLIMITED = ("uvicorn", "aiohttp", "tornado", "asgi")
CONNECTIONS = ("gevent", "eventlet")


def on_starting(server: Any) -> None:
    """Make the workers' folder; delete those that dead servers have left behind.

    Raises:
        OSError: the folder cannot be made.
    """
    given = os.environ.get(DIRECTORY)
    if given:
        folder = Path(given)
        server.specter_owner = _own(folder)
    else:
        folder, server.specter_owner = _new_folder(server)
    os.environ[DIRECTORY] = str(folder)
    os.environ[PARENT] = str(os.getpid())
    os.environ[SLOTS] = str(slots(server.cfg))
    # What gunicorn starts the master of an upgrade with.
    server.cfg.env_orig[DIRECTORY] = str(folder)


def on_exit(server: Any) -> None:
    """Remove the workers' folder, unless another master or a worker is still there."""
    os.close(server.specter_owner)
    folder = Path(os.environ[DIRECTORY])
    if not folder.name.startswith(_prefix()):
        return
    # Workers that did not end in time were killed this very moment.
    deadline = time.monotonic() + KILLED_WITHIN
    while held(folder / OWNER):
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
    shutil.rmtree(folder, ignore_errors=True)


def serve_metrics(address: str, registry: "Callable[[], CollectorRegistry]") -> Callable[[Any], None]:
    """Return a hook `post_worker_init` by which one worker serves the metrics of all at an own address.

    When it ends, another one does, within a second.

    Args:
        address: HOST:PORT; the port is not one of gunicorn's.
        registry: returns the application's registry, in a worker that has loaded it.

    Raises:
        UsageError: it is no address.
    """
    # Not for masters whose metrics have no port of their own.
    from specter_core.web import WebOptions, WebServer, parse_listen_address  # noqa: PLC0415
    from specter_exporters.app.exposition import metrics_app  # noqa: PLC0415
    from specter_exporters.app.metrics_port import MetricsPort  # noqa: PLC0415

    host, port = parse_listen_address(address, "serve_metrics", "127.0.0.1:9840")

    def post_worker_init(worker: Any) -> None:  # noqa: ARG001  (gunicorn's signature)
        shown = registry()
        # From now on this worker counts as one, though it may serve nothing for long.
        deque(shown.collect(), maxlen=0)

        def server() -> WebServer:
            return WebServer(metrics_app(shown), WebOptions(host, port))

        MetricsPort(Path(os.environ[DIRECTORY]) / f"port-{port}", server).start()

    return post_worker_init


def _own(folder: Path) -> int:
    """Lock the folder's owner file: shared with the workers, who inherit it, and an upgrade's master."""
    path = folder / OWNER
    if path.exists():
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor
    # Locked before it has its name, so that no other server finds it without an owner.
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, unnamed = tempfile.mkstemp(dir=folder)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    Path(unnamed).rename(path)
    return descriptor


def slots(cfg: Any) -> int:
    """Return how many requests a worker can serve at once; 0 where there is no such number."""
    worker = cfg.worker_class_str.lower()
    if any(name in worker for name in UNLIMITED):
        return 0
    if any(name in worker for name in CONNECTIONS):
        return int(cfg.worker_connections)
    return int(cfg.threads)


def _new_folder(server: Any) -> tuple[Path, int]:
    """Make a folder in memory or, where there is no room in it, among the temporary files, and own it."""
    if os.access(MEMORY, os.W_OK):
        try:
            folder = _make_folder(server, MEMORY)
            return folder, _own(folder)
        except OSError as error:
            logger.warning("no folder for the workers' metrics in %s: %s", MEMORY, error)
    folder = _make_folder(server, Path(tempfile.gettempdir()))
    return folder, _own(folder)


def _make_folder(server: Any, parent: Path) -> Path:
    for left in parent.glob(f"{_prefix()}*"):
        if _is_left_over(left, {os.geteuid(), server.cfg.uid}):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=_prefix(), dir=parent))
    if os.geteuid() == 0:
        os.chown(folder, server.cfg.uid, server.cfg.gid)  # workers give up root
    return folder


def _is_left_over(folder: Path, users: set[int]) -> bool:
    """Whether nobody is left who counts in a folder of `users`; others may have put one of the name there."""
    try:
        return folder.lstat().st_uid in users and (folder / OWNER).exists() and not held(folder / OWNER)
    except OSError:
        return False  # another server's start has removed it meanwhile


def _prefix() -> str:
    return f"specter-workers-{os.getuid()}-"
