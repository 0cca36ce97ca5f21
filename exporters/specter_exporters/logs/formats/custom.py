"""Lines of one's own format: a regular expression with named groups, kept from running away.

Python's `re` backtracks: a pattern such as `(a+)+$` takes longer than the universe lasts on a line of a
hundred characters. `unsafe` refuses what can take exponential time, as RE2 does by construction. What is
left can still be polynomial, so a match is also limited in time (see `watch`), and where a pattern was too
slow, it is given shorter lines from then on.
"""

import re

from specter_exporters.logs.formats.exceptions import continues_exception
from specter_exporters.logs.formats.model import Format, Parsed, Reason, bad_text
from specter_exporters.logs.watch import Matcher, TooLongError, Watch

LONGEST = 64 * 1024


def regex_format(pattern: str, watch: Watch) -> Format:
    """Return the format of lines that `pattern` matches from their beginning; its groups are the fields."""
    match = re.compile(pattern).match
    within = Matcher(watch, LONGEST)

    def parse(raw: bytes) -> Parsed | Reason:
        reason = bad_text(raw)
        if reason is not None:
            return reason
        first, _, rest = raw.decode().partition("\n")
        if len(first) > LONGEST:
            return "too_long"
        try:
            found = within(match, first)
        except TooLongError:
            return "time_limit"
        if found is None:
            return "no_match"
        fields: Parsed = {name: value for name, value in found.groupdict().items() if value is not None}
        if rest:
            fields["stack"] = rest
        return fields

    return Format(
        parse=parse,
        continues=continues_exception,
        error=("stack",),
        message=("message", "msg"),
        time=("time", "timestamp"),
        defaults={
            **{name: (name,) for name in ("method", "path", "status", "bytes", "account", "source")},
            **{name: (name,) for name in ("user_agent", "cache_status", "upstream", "upstream_duration")},
            "duration": ("duration",),
            "statement": ("statement",),
        },
    )
