"""Publish tasks beside the requests: a checkout neither waits for Redis nor fails with it."""

import atexit
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Protocol

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from specter_demo.settings import Settings
from specter_demo.tasks.broker import create_celery
from specter_exporters.queues.publishing import stamp_celery_tasks

logger = logging.getLogger(__name__)

MOST_WAITING = 1000
PAUSE = 1.0
CLOSE_SECONDS = 2.0
Arguments = tuple[int | str, ...]


class Queues(Protocol):
    """What takes tasks by their names."""

    def publish(self, task: str, *arguments: int | str) -> None:
        """Take one task."""


class Unqueued:
    """Takes tasks and forgets them: there is no queue."""

    def publish(self, task: str, *arguments: int | str) -> None:
        """Do nothing."""


class Publisher:
    """Publishes from a thread of its own, in order; while Redis is away, tasks wait in bounded memory.

    Args:
        app: Celery on the broker.
        most_waiting: how many tasks wait at most; further ones are lost.
        pause: seconds between attempts.

    Attributes:
        lost: tasks that were not published.
    """

    def __init__(self, app: Celery, *, most_waiting: int = MOST_WAITING, pause: float = PAUSE) -> None:
        self.lost = 0
        self._app = app
        self._most = most_waiting
        self._pause = pause
        self._away = False
        self._closing = threading.Event()
        self._waiting: SimpleQueue[tuple[str, Arguments] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def publish(self, task: str, *arguments: int | str) -> None:
        """Publish the task of this name soon."""
        if self._waiting.qsize() >= self._most:
            self.lost += 1
        else:
            self._waiting.put((task, arguments))

    def close(self) -> None:
        """Publish what waits, within two seconds, and end the thread."""
        self._closing.set()
        self._waiting.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while (message := self._waiting.get()) is not None:
            while not self._published(*message):
                if self._closing.wait(self._pause):
                    self.lost += 1
                    break

    def _published(self, task: str, arguments: Arguments) -> bool:
        try:
            self._app.send_task(task, arguments)
        except (OperationalError, RedisError, OSError) as error:
            if not self._away:
                logger.warning("Redis takes no tasks (%s)", type(error).__name__)
            self._away = True
            return False
        if self._away:
            logger.warning("Redis takes tasks again; %d have been lost", self.lost)
        self._away = False
        return True


def queues_of(
    settings: Settings, at_exit: Callable[[Callable[[], object]], object] = atexit.register
) -> Queues:
    """Return the queues that `settings` name; what still waits is published when the process ends.

    Tasks are stamped with the time, so that the exporter of queues knows their age.
    """
    if settings.queue_url is None:
        return Unqueued()
    stamp_celery_tasks()
    publisher = Publisher(create_celery(settings.queue_url))
    at_exit(publisher.close)
    return publisher
