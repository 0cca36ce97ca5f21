"""The share of clients that reach the shop, in a file that a fault changes."""

import json
import logging
from pathlib import Path

from specter_demo.files import write_atomically

logger = logging.getLogger(__name__)

HIGHEST = 50.0


def read_load_factor(path: Path) -> float:
    """Return the factor in `path`, 0 to `HIGHEST`; 1 when there is no such file, or nothing of use in it."""
    try:
        factor = float(json.loads(path.read_text(encoding="utf-8"))["factor"])
    except FileNotFoundError:
        return 1.0
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning('%s: expected {"factor": NUMBER} (%s); using 1', path, error)
        return 1.0
    if not 0.0 <= factor <= HIGHEST:
        logger.warning("%s: factor %g is not within 0 and %g; using 1", path, factor, HIGHEST)
        return 1.0
    return factor


def write_load_factor(path: Path, factor: float) -> None:
    """Write `factor` for the generator, which reads it within a second.

    Raises:
        ValueError: it is not within 0 and `HIGHEST`.
    """
    if not 0.0 <= factor <= HIGHEST:
        raise ValueError(f"load factor {factor:g}: expected 0 to {HIGHEST:g}")
    write_atomically(path, json.dumps({"factor": factor}) + "\n")
