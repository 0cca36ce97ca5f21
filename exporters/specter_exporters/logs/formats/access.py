r"""The combined access log of Apache and nginx, with what people add at its end.

`1.2.3.4 - bob [10/Oct/2025:13:55:36 +0000] "GET /x HTTP/1.1" 200 123 "referer" "agent" 0.005 HIT`
"""

import re
from collections.abc import Sequence

from specter_exporters.logs.formats.model import Format, Parsed, Reason, bad_text

# Every repeat is over characters that what follows it does not begin with: the time is linear.
_LINE = re.compile(
    r'(\S+) \S+ ([^\[]*) ?\[([^\]]{1,64})\] "([^"\\]*(?:\\.[^"\\]*)*)" (\d{3}) (\d+|-)'
    r'(?: "([^"\\]*(?:\\.[^"\\]*)*)" "([^"\\]*(?:\\.[^"\\]*)*)")?(.*)',
    re.ASCII | re.DOTALL,
)
_EXTRA = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
NONE = "-"


def access_format(extra: Sequence[str] = ()) -> Format:
    """Return the format of access lines.

    Args:
        extra: names for what stands behind the user agent, separated by spaces; `-` alone is no value.
    """

    def parse(raw: bytes) -> Parsed | Reason:
        text = raw.decode("utf-8", "replace")
        found = _LINE.match(text)
        if found is None:
            return bad_text(raw) or "no_match"
        host, user, time, request, status, size, referer, agent, rest = found.groups()
        method, _, target = request.partition(" ")
        path, _, _ = target.rpartition(" ")
        fields: Parsed = {
            "remote_addr": host,
            "user": user.strip(),
            "time": time,
            "method": method,
            "path": path or target,
            "status": status,
            "bytes": 0 if size == NONE else size,
            "referer": referer,
            "user_agent": agent,
            "message": request,
        }
        if extra and rest:
            _add_extra(fields, extra, rest)
        return fields

    return Format(
        parse=parse,
        default_level="info",
        defaults={
            "method": ("method",),
            "path": ("path",),
            "status": ("status",),
            "bytes": ("bytes",),
            "source": ("remote_addr",),
            "account": ("user",),
            "user_agent": ("user_agent",),
            **({"duration": ("request_time",)} if "request_time" in extra else {}),
            **{
                name: (field,)
                for name, field in (
                    ("cache_status", "upstream_cache_status"),
                    ("upstream", "upstream_addr"),
                    ("upstream_duration", "upstream_response_time"),
                    ("request_bytes", "request_length"),
                )
                if field in extra
            },
        },
    )


def _add_extra(fields: Parsed, names: Sequence[str], rest: str) -> None:
    for name, found in zip(names, _EXTRA.finditer(rest), strict=False):
        value = found[1] if found[2] is None else found[2]
        if value != NONE:
            fields[name] = value
