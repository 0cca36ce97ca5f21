"""What a label, a metric and a header may be called."""

import re

LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
OWN_HEADERS = frozenset(
    """accept-encoding connection content-encoding content-length content-type cookie expect host
    proxy-authorization te trailer transfer-encoding upgrade user-agent x-prometheus-remote-read-version
    x-prometheus-remote-write-version""".split()  # noqa: SIM905  (twelve quoted words are harder to read)
)
"""Headers, in lower case, that belong to the connection or to the protocol."""
