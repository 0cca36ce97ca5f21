"""What has to be known of PromQL's grammar, without parsing it."""

import re

STRING = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|`[^`]*`'
BARE_SELECTOR = re.compile(
    rf"\s*(?:[a-zA-Z_:][\w:]*\s*(?:\{{(?:[^{{}}\"'`]|{STRING})*\}})?|\{{(?:[^{{}}\"'`]|{STRING})*\}})\s*"
)
NAME_MATCHER = re.compile(rf"\b__name__\s*=~?\s*({STRING})")
_STRINGS = re.compile(STRING)


def metric_names(expr: str) -> str:
    """Return the text of `expr` in which names of metrics can stand.

    Strings are left out, because a label's value may be any word, except those
    that `__name__` is compared with.
    """
    named = [match[1:-1] for match in NAME_MATCHER.findall(expr)]
    return " ".join([_STRINGS.sub('""', expr), *named])
