"""What can be said about a run on the command line and in the environment."""

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import click

from specter_core.durations import parse_seconds
from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file

R = TypeVar("R")
KEY_VARIABLE = "SPECTER_PING_KEY"
DEFAULT_PING_TIMEOUT = 5.0


class DurationType(click.ParamType):  # type: ignore[type-arg]  # generic since click 8.4
    """A duration such as `90s` or `1h30m`, or seconds, as seconds."""

    name = "duration"

    def __init__(self, *, positive: bool = False) -> None:
        self._positive = positive

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds; what is a number has been converted before."""
        if isinstance(value, float):
            return value
        try:
            seconds = parse_seconds(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if self._positive and not seconds:
            self.fail("must be longer than 0s", param, ctx)
        return seconds


DURATION = DurationType()
POSITIVE_DURATION = DurationType(positive=True)


def default_state() -> Path:
    """Return the folder of this user's locks, spool and dead letters, as the XDG base directories say."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111  (never raises)
    return Path(base) / "specter" / "run"


class PingOptions(NamedTuple):
    """Where pings go.

    Attributes:
        url: what comes before the ping key; empty: nowhere.
        key_file: has the key; None: the environment has it.
        timeout: seconds that connecting and each answer may take, and that is waited for them at the end.
    """

    url: str
    key_file: Path | None
    timeout: float

    @property
    def project(self) -> str:
        """A word for the project that the key is of: pings that wait belong to it alone.

        A new key in the same file is of the same project, and so is the same key at another URL: receivers
        move. A checksum, because hashlib takes 10 ms to import.
        """
        key = os.environ.get(KEY_VARIABLE, "") if self.key_file is None else str(self.key_file)
        return f"{zlib.crc32(os.fsencode(key)):08x}"

    def key(self) -> str:
        """Return the ping key.

        Raises:
            SpecterError: there is none, or it cannot be read.
        """
        if self.key_file is not None:
            return read_secret_file(self.key_file.absolute(), what="ping key")
        key = os.environ.get(KEY_VARIABLE, "")
        if not key:
            raise SpecterError(f"there is no ping key: --ping-key-file or {KEY_VARIABLE}")
        return key


def state_option(command: Callable[..., R]) -> Callable[..., R]:
    """Add `--state-dir` to a command, which receives `state: Path`."""
    option: Callable[[Callable[..., R]], Callable[..., R]] = click.option(
        "--state-dir",
        "state",
        type=click.Path(path_type=Path),
        envvar="SPECTER_RUN_STATE_DIR",
        default=default_state,
        show_default="~/.local/state/specter/run",
        help="Folder of locks, waiting pings and dead letters.",
    )
    return option(command)


_OPTIONS = (
    click.option(
        "--ping-url",
        envvar="SPECTER_PING_URL",
        default="",
        help="Receiver of pings, such as http://127.0.0.1:9855/ping or https://hc-ping.com; without: none.",
    ),
    click.option(
        "--ping-key-file",
        envvar="SPECTER_PING_KEY_FILE",
        type=click.Path(path_type=Path),
        help=f"File with the ping key; otherwise it is in {KEY_VARIABLE}.",
    ),
    click.option(
        "--ping-timeout",
        type=POSITIVE_DURATION,
        default="5s",
        show_default=True,
        help="How long the end waits for pings; what is not delivered then, the next run delivers.",
    ),
    click.option(
        "--textfile",
        type=click.Path(path_type=Path),
        envvar="SPECTER_RUN_TEXTFILE_DIR",
        help="Folder of node_exporter's textfile collector, for a file of metrics.",
    ),
    click.option(
        "--timeout", type=POSITIVE_DURATION, help="End an attempt that takes longer: SIGTERM to its group."
    ),
    click.option(
        "--kill-after", type=DURATION, default="10s", show_default=True, help="SIGKILL so long after that."
    ),
    click.option(
        "--retries",
        type=click.IntRange(0, 100),
        default=0,
        show_default=True,
        help="How often a failed command is tried again.",
    ),
    click.option(
        "--retry-delay",
        type=DURATION,
        default="10s",
        show_default=True,
        help="How long to wait before that; doubled each time, less up to half of it at random.",
    ),
    click.option(
        "--retry-max-delay", type=DURATION, default="10m", show_default=True, help="What that grows to."
    ),
    click.option(
        "--tail",
        type=click.IntRange(0, 90_000),
        default=10_000,
        show_default=True,
        help="Bytes of output kept for a failure; 0: output is not read, the command has it to itself.",
    ),
)


def run_options(command: Callable[..., R]) -> Callable[..., R]:
    """Add what every way to run a command has."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return state_option(command)
