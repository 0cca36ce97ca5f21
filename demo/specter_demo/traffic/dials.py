"""Numbers that a fault turns while the generator runs, each in a file of its own."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from specter_demo.files import write_atomically

logger = logging.getLogger(__name__)

HIGHEST = 50.0


@dataclass(frozen=True, slots=True)
class Dial:
    """A number from 0 to `HIGHEST`.

    Attributes:
        what: it is, for messages.
        key: its name in the file.
        usual: the number without a file.
        then: what happens with the usual one, for messages.
    """

    what: str
    key: str
    usual: float
    then: str

    def read(self, path: Path) -> float:
        """Return the number in `path`; the usual one when there is no such file, or nothing of use in it."""
        try:
            number = float(json.loads(path.read_text(encoding="utf-8"))[self.key])
        except FileNotFoundError:
            return self.usual
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning('%s: expected {"%s": NUMBER} (%s); %s', path, self.key, error, self.then)
            return self.usual
        if not 0.0 <= number <= HIGHEST:
            logger.warning("%s: %s %g is not within 0 and %g; %s", path, self.key, number, HIGHEST, self.then)
            return self.usual
        return number

    def write(self, path: Path, number: float) -> None:
        """Write `number` for the generator, which reads it within a second.

        Raises:
            ValueError: it is not within 0 and `HIGHEST`.
        """
        if not 0.0 <= number <= HIGHEST:
            raise ValueError(f"{self.what} {number:g}: expected 0 to {HIGHEST:g}")
        write_atomically(path, json.dumps({self.key: number}) + "\n")


LOAD = Dial("load factor", "factor", 1.0, "using 1")
"""The share of clients that reach the shop."""
ATTACKS = Dial("attack rate", "rate", 0.0, "nobody attacks")
"""Sign-ins a second that attackers try."""
