"""Run one slow step beside the screen, and keep what came of it for the thread that asks."""

import logging
import threading
from collections.abc import Callable

from specter_core.errors import SpecterError

logger = logging.getLogger(__name__)


class Background:
    """A step that says in one sentence what it did; started at once.

    The thread is a daemon: Ctrl-C does not wait for a shop that is being stopped.

    Attributes:
        said: the sentence, None until the step has ended well.
        problem: why it failed, None unless it did.
    """

    def __init__(self, name: str, step: Callable[[], str]) -> None:
        self.said: str | None = None
        self.problem: str | None = None
        self._step = step
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def done(self) -> bool:
        """Whether the step has ended, well or not."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.said = self._step()
        except SpecterError as error:
            self.problem = str(error)
        except Exception as error:  # a bug: its traceback belongs in the log, the story must know too
            logger.exception("%s failed", self._thread.name)
            self.problem = f"{type(error).__name__}: {error}"
