"""Plain lines: a level somewhere at the beginning, and the lines of an exception below it."""

from specter_exporters.logs.formats.exceptions import continues_exception, looks_like_exception
from specter_exporters.logs.formats.model import Format, Parsed, Reason, bad_text
from specter_exporters.logs.levels import UNKNOWN, level_in_text


def _parse(raw: bytes) -> Parsed | Reason:
    reason = bad_text(raw)
    if reason is not None:
        return reason
    first, _, rest = raw.decode().partition("\n")
    level = level_in_text(first)
    exception = looks_like_exception(raw)
    if level == UNKNOWN and exception:
        level = "error"
    fields: Parsed = {"level": level, "message": first, "time": first[:32]}
    if rest or exception:
        fields["stack"] = raw.decode() if exception else rest
    return fields


TEXT = Format(parse=_parse, continues=continues_exception, error=("stack",))
