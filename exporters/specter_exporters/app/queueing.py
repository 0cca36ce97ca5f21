"""How long a request waited in front of the application, by the header that the proxy put on it."""

import re

# nginx `t=${msec}` (seconds), Apache `t=%t` (µs), Heroku milliseconds, HAProxy `t=%Ts`; `t=` may be missing.
_START = re.compile(r"(?:t=)?([0-9]{9,17}(?:\.[0-9]{1,9})?)")
# The year 2001 in milliseconds and in microseconds: far from what the smaller unit means today.
_MILLISECONDS = 1e12 * 0.9
_MICROSECONDS = 1e15 * 0.9
OLDEST = 300.0
# A proxy may round to milliseconds, and two clocks of one machine agree better than this.
AHEAD = 0.005


def queue_seconds(header: str, now: float) -> float | None:
    """Return the seconds since `X-Request-Start`.

    None when the header is malformed or gives a time that cannot be: more than 5 ms
    ahead of this clock or more than five minutes ago. Clocks that differ by less than the wait
    cannot be told from a wait.

    Args:
        header: a Unix time in seconds, milliseconds or microseconds, with or without `t=`.
        now: Unix time in seconds.
    """
    match = _START.fullmatch(header.strip())
    if match is None:
        return None
    start = float(match[1])
    if start > _MICROSECONDS:
        start /= 1e6
    elif start > _MILLISECONDS:
        start /= 1e3
    waited = now - start
    if waited < -AHEAD or waited > OLDEST:
        return None
    return max(0.0, waited)
