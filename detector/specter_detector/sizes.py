"""Sizes as people write them: `512MiB`, `1GiB`, `100MB`, or bytes."""

import re
from typing import Annotated

from pydantic import BeforeValidator

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"(\d{1,15})\s*([a-zA-Z]*)", re.ASCII)


def parse_size(text: object) -> int:
    """Return the bytes in `text`.

    Raises:
        ValueError: it is not a size.
    """
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    found = _SIZE.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None or (found[2] or "B") not in UNITS:
        raise ValueError("expected a size such as 512MiB or 1GiB")
    return int(found[1]) * UNITS[found[2] or "B"]


Size = Annotated[int, BeforeValidator(parse_size)]
