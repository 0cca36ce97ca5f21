"""Ask brokers what waits in their queues, and expose it."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.errors import UsageError
from specter_core.named_files import file_problem
from specter_core.signals import StopSignals
from specter_core.web import WebOptions, web_options
from specter_exporters.commands import listening, storage_option

if TYPE_CHECKING:
    from specter_exporters.queues.config import Server

FILE = click.Path(path_type=Path)


@click.command("queues")
@click.option(
    "--config", "config_file", type=FILE, help="Which brokers (YAML), see docs/exporters-queues.md."
)
@click.option(
    "--redis.url",
    "url",
    metavar="URL",
    help="One Redis database, without a password in it; Celery's, RQ's and BullMQ's queues are found there.",
)
@click.option("--redis.password-file", "password_file", type=FILE, help="Its password.")
@storage_option("queues", "Folder for counters that are to survive a restart; in memory without.")
@web_options(9843)
def queues(
    config_file: Path | None,
    url: str | None,
    password_file: Path | None,
    storage_path: Path | None,
    web: WebOptions,
) -> None:
    """Expose queues, workers and caches of Redis, RabbitMQ, Kafka; what is not known is left out, and said.

    \b
    Examples:
      specter exporter queues --redis.url redis://127.0.0.1:6379/0
      specter exporter queues --redis.url rediss://watcher@cache:6379/0 --redis.password-file password
      specter exporter queues --config queues.yml --storage.path /var/lib/specter-queues
    """
    run(_servers(config_file, url, password_file), storage_path, web, StopSignals().wait)


def _servers(config_file: Path | None, url: str | None, password_file: Path | None) -> "Sequence[Server]":
    from specter_exporters.queues.config import RedisSchema, load, redis_url, server_of  # noqa: PLC0415

    if (config_file is None) == (url is None):
        raise UsageError("say which brokers: --config FILE, or --redis.url URL for a single Redis database")
    if config_file is not None:
        if password_file is not None:
            raise UsageError("--redis.password-file belongs to --redis.url; in the file it is password_file")
        return load(config_file)
    try:
        schema = RedisSchema(url=redis_url(url or ""))
    except ValueError as error:
        said = str(error).replace("password_file", "--redis.password-file")
        raise UsageError(f"--redis.url {said}") from None
    problem = None if password_file is None else file_problem(password_file)
    if problem is not None:
        raise UsageError(f"--redis.password-file: {problem}")
    return (server_of(schema, {} if password_file is None else {"password_file": password_file}),)


def run(
    servers: "Sequence[Server]", storage: Path | None, web: WebOptions, wait: Callable[[], object]
) -> None:
    """Serve until `wait` returns. A broker that is down is no reason not to start.

    Raises:
        SpecterError: the address cannot be listened on, or the folder cannot be used.
    """
    from prometheus_client import ProcessCollector  # noqa: PLC0415  (not for --help)

    from specter_core.clock import SystemClock  # noqa: PLC0415
    from specter_core.web import WebServer  # noqa: PLC0415
    from specter_exporters.queues.building import source  # noqa: PLC0415
    from specter_exporters.queues.exposing import Exposition  # noqa: PLC0415
    from specter_exporters.queues.ledger import Ledger, StateFolder  # noqa: PLC0415
    from specter_exporters.site import exporter_site  # noqa: PLC0415

    clock = SystemClock()
    folder = None if storage is None else StateFolder.open(storage)
    try:
        ledger = Ledger() if folder is None else folder.load()
        exposition = Exposition(
            [source(each, clock) for each in servers],
            clock,
            ledger,
            None if folder is None else folder.save,
            [ProcessCollector(registry=None)],
        )
        site = exporter_site(exposition, title="Specter queue exporter", telemetry_path=web.telemetry_path)
        with closing(exposition), listening(WebServer(site, web, threads=4)):
            exposition.start()
            wait()
    finally:
        if folder is not None:
            folder.close()
