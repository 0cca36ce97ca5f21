"""The exporter's folder: one process holds it, and one file in it says everything, or what it said before.

Offsets, counters and templates are saved together. So whatever kills the process, a restart goes on with
counters that have exactly the entries up to the offsets. And what is exposed is saved first: Prometheus never
sees a counter go back, which it would take for a restart from nothing.
"""

from typing import Any

import orjson

from specter_core.files import replace_file
from specter_exporters.held_folder import HeldFolder, StateError

FORMAT = 1
FILE = "state.json"


class StateFolder(HeldFolder):
    """A folder that this process holds; made by `open`."""

    holder = "log exporter"

    def load(self) -> dict[str, Any] | None:
        """Return what was saved last; None if nothing was.

        Raises:
            StateError: it is damaged, or a later Specter wrote it. It is never dropped silently: beginning
                anew would count what was counted before.
        """
        file = self.path / FILE
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(f"{file}: cannot be read: {error.strerror}") from error
        hint = f"move {file} away to begin anew"
        try:
            saved = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise StateError(f"{file}: is damaged ({error}); {hint}") from error
        if not isinstance(saved, dict) or saved.get("format") != FORMAT:
            raise StateError(f"{file}: this Specter knows format {FORMAT} only; {hint}")
        return saved

    def save(self, data: bytes) -> None:
        """Put `data` in the place of what was saved, in one step that survives a power cut.

        Raises:
            OSError: it cannot be written; what was saved before is still there.
        """
        replace_file(self.path / FILE, [data])


def encode(saved: dict[str, Any]) -> bytes:
    """Return `saved` as `load` reads it."""
    return orjson.dumps({"format": FORMAT, **saved})
