"""What a run tells the receiver of pings: it began, it goes on, it ended with an exit code.

The protocol is that of healthchecks.io (https://healthchecks.io/docs/http_api/). What it lacks goes in
headers, which other receivers ignore: when it happened, and what the check is.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, urlencode

from specter_core.errors import UsageError

START, LOG, FAIL = "start", "log", "fail"
JOB_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}")  # of a job: healthchecks' slug, and part of a file's name
AT_HEADER = "X-Specter-At"
_NO_NAME = re.compile(r"[^a-z0-9_-]+")
_ACTION = re.compile(rf"{START}|{LOG}|{FAIL}|\d{{1,3}}")


class Check(NamedTuple):
    """What the receiver is told about the job, for the check that it makes of it.

    Attributes:
        create: whether it makes one when it knows none.
        schedule: cron or OnCalendar expression, or a period; empty: unknown.
        timezone: of the schedule, an IANA name.
        grace: seconds after which a run that has not begun or ended is missed.
        kind: of the job, a word.
    """

    create: bool = True
    schedule: str = ""
    timezone: str = ""
    grace: float | None = None
    kind: str = ""

    def headers(self) -> dict[str, str]:
        """Return what is known of it, as HTTP headers.

        Raises:
            UsageError: a value is not printable ASCII.
        """
        told = {
            "X-Specter-Schedule": self.schedule,
            "X-Specter-Timezone": self.timezone,
            "X-Specter-Grace": "" if self.grace is None else f"{self.grace:g}",
            "X-Specter-Kind": self.kind,
        }
        for name, value in told.items():
            if not (value.isascii() and value.isprintable()):
                raise UsageError(f"{name.rpartition('-')[2].lower()}: expected printable ASCII")
        return {name: value for name, value in told.items() if value}


class Ping(NamedTuple):
    """One event of a run.

    Attributes:
        job: its name.
        action: `start`, `log`, `fail`, or the exit code in decimal digits.
        run_id: a UUID, the same in all pings of a run.
        at: when it happened, Unix seconds.
        body: text for people.
        create: whether the receiver makes a check that it does not know.
        headers: what it is told about the check.
        attempts: that the run took, at its end; 0: not told.
    """

    job: str
    action: str
    run_id: str
    at: float
    body: str = ""
    create: bool = True
    headers: Mapping[str, str] = {}
    attempts: int = 0

    def path(self, key: str) -> str:
        """Return path and query behind the receiver's URL, which hold the ping key."""
        more = {"create": "1" if self.create else "", "attempts": str(self.attempts or "")}
        query = {"rid": self.run_id, **{name: value for name, value in more.items() if value}}
        return f"/{quote(key, safe='')}/{self.job}/{self.action}?{urlencode(query)}"

    def all_headers(self) -> dict[str, str]:
        """Return the headers of the request, but those of HTTP itself."""
        return {
            "Content-Type": "text/plain; charset=utf-8",
            "User-Agent": "specter-run",
            AT_HEADER: f"{self.at:.3f}",
            **self.headers,
        }

    def dump(self) -> bytes:
        """Return it as JSON, for `parse`."""
        return json.dumps({**self._asdict(), "headers": dict(self.headers)}).encode()


def checked_name(name: str) -> str:
    """Return `name`, of a job.

    Raises:
        UsageError: it can be none.
    """
    if not JOB_NAME.fullmatch(name):
        raise UsageError(f"job {name}: expected lower-case letters, digits, - and _, 100 at most")
    return name


def slug(text: str) -> str:
    """Return the name of a job that other programs call `text`."""
    return _NO_NAME.sub("-", text.lower()).strip("-_")[:100] or "job"


def parse(text: bytes) -> Ping:
    """Return the ping that `Ping.dump` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        fields = json.loads(text)
        ping = Ping(**fields)
        headers = {str(name): str(value) for name, value in ping.headers.items()}
        ping = ping._replace(
            at=float(ping.at), body=str(ping.body), headers=headers, attempts=int(ping.attempts)
        )
        known = JOB_NAME.fullmatch(ping.job) and _ACTION.fullmatch(ping.action)
        told = "".join(f"{name}{value}" for name, value in headers.items())
    except (AttributeError, TypeError) as error:
        raise ValueError(f"not a ping: {type(error).__name__}") from error
    if not known or not (told.isascii() and told.isprintable()):
        raise ValueError("not a ping: its job, action or headers")
    return ping
