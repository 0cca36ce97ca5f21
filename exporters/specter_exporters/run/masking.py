"""Mask secrets in a job's output and command: what looks like one, and what the environment names so."""

import os
from collections.abc import Iterable, Mapping, Sequence

from specter_core.errors import SpecterError
from specter_exporters.logs.secrets import MASK, mask_secrets
from specter_exporters.run.options import PingOptions

SHORTEST = 6  # a value of the environment that is shorter is too likely a word of the output


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
            shown.append(MASK if secret else self.masked(argument))
            option = "" if secret else argument
        return shown


def secrets_of(pings: PingOptions) -> Secrets:
    """Return what is masked in a job of this process' environment."""
    try:
        return Secrets(os.environ, [pings.key()])
    except SpecterError:  # no key, nothing to mask; whoever delivers says so
        return Secrets(os.environ)


def _names_a_secret(name: str) -> bool:
    return mask_secrets(f"{name}=v") != f"{name}=v"
