"""What the commands of exporters have in common: a folder to keep things in, and servers while they run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from specter_core.web import WebServer

Command = TypeVar("Command", bound=Callable[..., Any])


def storage_option(exporter: str, text: str, default: Path | None = None) -> Callable[[Command], Command]:
    """Return the option `--storage.path`, which `SPECTER_<exporter>_STORAGE_PATH` may give too.

    Args:
        exporter: the name of its command.
        text: what the folder holds, for --help.
        default: the folder where none is given; None for none.
    """
    return click.option(
        "--storage.path",
        "storage_path",
        type=click.Path(path_type=Path, file_okay=False),
        default=default,
        show_default=True,
        envvar=f"SPECTER_{exporter.upper()}_STORAGE_PATH",
        show_envvar=True,
        help=text,
    )


@contextmanager
def listening(server: WebServer, what: str = "metrics") -> Iterator[None]:
    """Serve until the end of the block, and say on standard error where `what` is.

    Raises:
        SpecterError: the address cannot be listened on.
    """
    server.start()
    try:
        click.echo(f"{what}: {server.url}", err=True)
        yield
    finally:
        server.stop()
