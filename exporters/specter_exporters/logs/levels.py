"""How bad an entry is, in the words of the metric: one of eight levels, whatever the library calls it."""

import re

UNKNOWN = "unknown"
ERRORS = frozenset({"error", "critical"})

_NAMES = {
    "trace": "trace finest finer silly verbose all",
    "debug": "debug fine debug1 debug2 debug3 debug4 debug5 dbg d",
    "info": "info information informational log http i inf config",
    "notice": "notice n success",
    "warning": "warning warn w wrn",
    "error": "error err e eror severe exception",
    "critical": "critical crit fatal panic alert emerg emergency dpanic f c",
}
# pino and bunyan count in tens; syslog in ones, downwards.
_NUMBERS = {
    10: "trace",
    20: "debug",
    30: "info",
    40: "warning",
    50: "error",
    60: "critical",
    0: "critical",
    1: "critical",
    2: "critical",
    3: "error",
    4: "warning",
    5: "notice",
    6: "info",
    7: "debug",
}
LEVELS = {name: level for level, names in _NAMES.items() for name in names.split()}
ALL = (*_NAMES, UNKNOWN)

# In a plain line the level stands within its beginning, after times, names and brackets.
_IN_TEXT = re.compile(
    r"\b(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|PANIC|ALERT|EMERG)\b"
    r"|\[(trace|debug|info|notice|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|panic|alert|emerg)\]"
    r"|\blevel=\"?([A-Za-z]+)|\b(error|warning|info|debug|fatal|critical):",
    re.ASCII,
)
_LOOKED_AT = 160


class LevelNames:
    """Turns what a level field holds into one of `ALL`; remembers what it has seen, within a limit."""

    def __init__(self) -> None:
        self._known: dict[object, str] = {}

    def __call__(self, value: object) -> str:
        """Return the level that `value` means; unknown where it means none."""
        kind = type(value)
        if kind is not str and kind is not int:
            return UNKNOWN
        known = self._known.get(value)
        if known is None:
            known = _meaning(value)
            if len(self._known) < 200:
                self._known[value] = known
        return known


def _meaning(value: object) -> str:
    if isinstance(value, str):
        text = value.strip().lower()
        if text.isdecimal() and len(text) < 4:
            return _NUMBERS.get(int(text), UNKNOWN)
        return LEVELS.get(text, UNKNOWN)
    if isinstance(value, int):
        # Levels in between, as pino and Python's logging allow them, count as the one below.
        return _NUMBERS.get(value if value < 10 else min(value // 10 * 10, 60), UNKNOWN)
    return UNKNOWN


def level_in_text(text: str) -> str:
    """Return the level that a plain line names in its first 160 characters."""
    found = _IN_TEXT.search(text, 0, _LOOKED_AT)
    if found is None:
        return UNKNOWN
    return LEVELS.get(found[found.lastindex or 0].lower(), UNKNOWN)
