"""What to write where a job is started, so that it tells of its runs: a crontab's line, a unit's command."""

import re
import shlex
import sys
from pathlib import Path

# What a program takes as it stands, without a shell: one with a path, as a word alone may be the shell's own.
_PLAIN = re.compile(r"[\w@+.-]*/[\w@+:,./-]*( [\w@+=:,./ -]*)?", re.ASCII)
# cron gives what follows the first % to the command's standard input; behind a backslash it is a letter, as
# another backslash is.
_COMMAND = re.compile(r"(?:[^\\%]|\\.?)*", re.DOTALL)
NEXT = """\
# What to do next:
# 1. A key for the URLs of pings, beside this file:  (umask 077; openssl rand -hex 16 > ping.key)
# 2. {program} exporter jobs --config THIS_FILE
# 3. Let each job tell of its runs, by the line behind "now:"; … stands for a secret, which your line has.
#    Above the lines of a crontab, or in a unit behind Environment=, say where to and with which key:
#      SPECTER_PING_URL=http://127.0.0.1:9855/ping
#      SPECTER_PING_KEY_FILE=/full/path/of/ping.key
#    Without specter run:  COMMAND; E=$?; curl -fsS -m 10 -o /dev/null http://127.0.0.1:9855/ping/KEY/NAME/$E
"""


def program() -> str:
    """Return how this program is called from everywhere: cron's PATH does not have it."""
    script = Path(sys.executable).with_name("specter")
    return shlex.quote(str(script)) if script.exists() else f"{shlex.quote(sys.executable)} -m specter_core"


def wrapped(name: str, command: str, shell: str = "/bin/sh") -> str:
    """Return what runs `command`, of a crontab with this `shell`, as the job `name`."""
    found = _COMMAND.match(command)
    end = 0 if found is None else found.end()
    text, given = command[:end].strip(), command[end:]
    if not _PLAIN.fullmatch(text):
        text = f"{shlex.quote(shell)} -c {shlex.quote(text)}"
    return f"{runs(name)} {text}{given}"


def runs(name: str) -> str:
    """Return what runs, as the job `name`, the command that is written behind it."""
    return f"{program()} run --job {name} --"
