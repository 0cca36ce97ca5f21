"""Search what somebody else has answered for a pattern, in a process that can be ended.

Python's `re` keeps every other thread waiting while it looks: what one third party answers could hold up the
checks of all, and every scrape. `[0-9]+ orders` in a million digits takes half an hour.
"""

import json
import re
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

SECONDS = 2.0
Found = Sequence[str | None] | None
"""The match and its groups, as of `re.Match`; None where there is none."""
Search = Callable[[re.Pattern[str], str], Found]

# Without any of these a search takes linear time.
_REPEATS = re.compile(r"[*+?{|]")
_PROGRAM = """\
import json, re, sys
for line in sys.stdin.buffer:
    pattern, text = json.loads(line)
    found = re.search(pattern, text)
    print(json.dumps(found and [found[0], *found.groups()]), flush=True)
"""


def search_here(pattern: re.Pattern[str], text: str) -> Found:
    """Search in this process, however long it takes."""
    found = pattern.search(text)
    return None if found is None else [found[0], *found.groups()]


class Searcher:
    """Searches in one process for all threads, which is started when it is first needed.

    Args:
        seconds: after which a search is given up and the process ended.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def search(self, pattern: re.Pattern[str], text: str) -> Found:
        """Return what `pattern` finds in `text`.

        Raises:
            TimeoutError: it takes too long.
        """
        if _REPEATS.search(pattern.pattern) is None:
            return search_here(pattern, text)
        question = json.dumps([pattern.pattern, text]).encode() + b"\n"
        with self._lock:
            try:
                answer = self._asked(question)
            except BrokenPipeError:  # somebody has ended it
                self._end()
                answer = self._asked(question)
        found: Found = json.loads(answer)
        return found

    def close(self) -> None:
        """End the process, once a search that is under way has ended."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _asked(self, question: bytes) -> bytes:
        """Return the process' answer.

        Raises:
            TimeoutError: there is none yet.
            BrokenPipeError: the process has ended.
        """
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        asked, answers = self._process.stdin, self._process.stdout
        if asked is None or answers is None:
            raise BrokenPipeError
        asked.write(question)
        asked.flush()
        ready, _, _ = select.select([answers], [], [], self._seconds)
        if not ready:
            self._end()
            raise TimeoutError
        answer = answers.readline()
        if not answer:
            raise BrokenPipeError
        return answer
