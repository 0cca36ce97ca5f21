"""Mask secrets in a job's output and command: what looks like one, and what the environment names so."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from specter_core.errors import SpecterError
from specter_exporters.logs.secrets import MASK, mask_secrets
from specter_exporters.run.options import PingOptions

SHORTEST = 6  # a value of the environment that is shorter is too likely a word of the output

_MORE = r"(?:[^|;&]{0,300}\s)?"
# Passwords behind options that are called by one letter, of the programs that crontabs call most.
_PASSED = re.compile(
    rf"""(\b(?:mysql|mariadb)[\w-]*\s{_MORE}-p|\bsshpass\s{_MORE}-p\s*|\bredis-cli\s{_MORE}-a\s+"""
    rf"""|\bcurl\s{_MORE}(?:-u|--user)[\s=]*["']?[^\s:"']{{1,100}}:)('[^']*'|"[^"]*"|[^\s"'|;&]+)"""
)
_CALLED_SO = frozenset({"-p", "-a", "-u", "--user"})


class Secrets:
    """What is masked.

    Args:
        environment: the job's; variables whose names sound like a secret hold one.
        more: further secrets.
    """

    def __init__(self, environment: Mapping[str, str], more: Iterable[str] = ()) -> None:
        named = {value for name, value in environment.items() if _names_a_secret(name)}
        long = {value for value in {*named, *more} if len(value) >= SHORTEST}
        self._values = sorted(long, key=len, reverse=True)  # one may be the beginning of another

    def masked(self, text: str) -> str:
        """Return `text` with `…` for every secret that can be told."""
        for value in self._values:
            text = text.replace(value, MASK)
        return mask_secrets(text)

    def masked_command(self, command: Sequence[str]) -> list[str]:
        """Return `command` with `…` for every secret, also behind an option that is named like one."""
        shown = []
        option = ""
        for argument in command:
            secret = option.startswith("-") and _names_a_secret(option.lstrip("-"))
            before = f"{command[0]} {option} " if option in _CALLED_SO else f"{command[0]} "
            passed = _PASSED.sub(rf"\1{MASK}", before + argument).removeprefix(before)
            shown.append(MASK if secret else self.masked(passed))
            option = "" if secret else argument
        return shown


def masked_line(line: str) -> str:
    """Return a line of a shell with `…` for what looks like a secret, or is behind such an option."""
    return mask_secrets(_PASSED.sub(rf"\1{MASK}", line))


def secrets_of(pings: PingOptions) -> Secrets:
    """Return what is masked in a job of this process' environment."""
    try:
        return Secrets(os.environ, [pings.key()])
    except SpecterError:  # no key, nothing to mask; whoever delivers says so
        return Secrets(os.environ)


def _names_a_secret(name: str) -> bool:
    return mask_secrets(f"{name}=v") != f"{name}=v"
