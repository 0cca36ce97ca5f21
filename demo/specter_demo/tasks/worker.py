"""The program that does the shop's tasks: Celery's worker with two processes. `Keeper` starts it."""

import ctypes
import functools
import os
import signal
import sys

from celery import Celery

from specter_core.errors import SpecterError
from specter_demo.files import read_state
from specter_demo.mail import mailer
from specter_demo.settings import Settings, load_settings
from specter_demo.shop.database import Pool, connect
from specter_demo.tasks.broker import PROCESSES, QUEUE_OF, create_celery
from specter_demo.tasks.orders import register
from specter_demo.tasks.trouble import WORKING

NAME = "worker-1@shop"
PR_SET_PDEATHSIG = 1


def create_worker(settings: Settings) -> Celery:
    """Return Celery with the shop's tasks.

    Raises:
        SpecterError: `settings` name no queue or no inbox.
    """
    if settings.queue_url is None:
        raise SpecterError("SHOP_QUEUE_URL is not set: the Redis database of the shop's queues")
    app = create_celery(settings.queue_url)
    register(
        app,
        Pool(functools.partial(connect, settings), size=1),
        mailer(settings),
        lambda: read_state(settings.queue_file, WORKING),
    )
    return app


def arguments() -> list[str]:
    """Return the command line of Celery's worker, which looks for no others: it is the only one."""
    return [
        *("worker", "--hostname", NAME, "--queues", ",".join(sorted(set(QUEUE_OF.values())))),
        *("--concurrency", str(PROCESSES), "--task-events", "--loglevel", "WARNING"),
        *("--without-mingle", "--without-gossip"),
    ]


def end_with_parent(parent: int) -> None:
    """Let the kernel send SIGTERM when the process `parent` ends, also by kill -9."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)


def main() -> None:
    """Work until SIGTERM; what has been begun is finished."""
    end_with_parent(int(sys.argv[1]))
    create_worker(load_settings(os.environ)).worker_main(arguments())


if __name__ == "__main__":
    main()
