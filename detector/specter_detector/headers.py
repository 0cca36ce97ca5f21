"""What headers a configuration may add to requests: nothing secret in the open, nothing of the protocol's."""

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
OWN_HEADERS = frozenset(
    """accept-encoding connection content-encoding content-length content-type cookie expect host
    proxy-authorization te trailer transfer-encoding upgrade user-agent x-prometheus-remote-read-version
    x-prometheus-remote-write-version""".split()  # noqa: SIM905  (twelve quoted words are harder to read)
)
"""Headers, in lower case, that belong to the connection or to the protocol."""


def check_header_value(text: str) -> str:
    """Return `text`; ValueError unless it can be sent as it is."""
    if not HEADER_VALUE.fullmatch(text):
        raise ValueError("expected printable ASCII without spaces around")
    return text


def _names(value: dict[str, Any]) -> dict[str, Any]:
    wrong = [name for name in value if not HEADER_NAME.fullmatch(name)]
    if wrong:
        raise ValueError(f"not the name of a header: {', '.join(map(repr, wrong))}")
    own = [name for name in value if name.lower() in OWN_HEADERS]
    if own:
        raise ValueError(f"cannot be set: {', '.join(own)}")
    if len({name.lower() for name in value}) < len(value):
        raise ValueError("names of headers that differ only in case")
    return value


def _nothing_secret(value: dict[str, str]) -> dict[str, str]:
    if any(name.lower() == "authorization" for name in value):
        raise ValueError("no secrets here: use bearer_token_file, password_file or headers_files")
    return value


HeaderValue = Annotated[str, AfterValidator(check_header_value)]
Headers = Annotated[dict[str, HeaderValue], AfterValidator(_names), AfterValidator(_nothing_secret)]
HeaderFiles = Annotated[dict[str, Path], AfterValidator(_names)]
