"""`specter exporter app` and `specter exporter catalogue`."""

import json
import sys
from pathlib import Path

import click

from specter_core.config import ConfigError, Problem
from specter_core.errors import UsageError
from specter_core.web import WebOptions, parse_listen_address, web_options
from specter_exporters.commands import storage_option

EVENTS_ADDRESS = "127.0.0.1:9848"


@click.command("app")
@click.option(
    "--business.token-file",
    "token_files",
    metavar="NAME=FILE",
    multiple=True,
    help="A sender's name, which becomes a label, and the file with its token. Once for each sender.",
)
@click.option(
    "--business.catalogue",
    "catalogue_file",
    type=click.Path(path_type=Path),
    help="Catalogue of business events (YAML). Without one, that of the example platform.",
)
@click.option(
    "--business.listen-address",
    "events_address",
    default=EVENTS_ADDRESS,
    show_default=True,
    help="HOST:PORT on which events are taken; TLS is that of --web.config.file.",
)
@click.option(
    "--business.rate",
    "rate",
    type=click.FloatRange(min=1.0),
    default=50_000.0,
    show_default=True,
    help="Events a second that each sender may send; more are answered with 429.",
)
@click.option(
    "--business.user-key-file",
    "user_key_file",
    type=click.Path(path_type=Path),
    help="File with the key under which users are hashed. Without one, it is made and kept in the storage.",
)
@storage_option("app", "Folder in which the users' counts outlive a restart.", Path("data-app"))
@web_options(9840)
def app(
    token_files: tuple[str, ...],
    catalogue_file: Path | None,
    events_address: str,
    rate: float,
    user_key_file: Path | None,
    storage_path: Path,
    web: WebOptions,
) -> None:
    """Take business events over HTTP and expose them, until stopped.

    Events are taken on a listener of their own (--business.listen-address), metrics are on
    --web.listen-address.

    \b
    Examples:
      openssl rand -hex 32 > shop.token
      specter exporter app --business.token-file shop=shop.token
      specter exporter app --business.token-file shop=shop.token --business.catalogue catalogue.yml
      curl -H "Authorization: Bearer $(cat shop.token)" -H "Content-Type: application/json" \\
        -d '{"event": "payment", "amount": 12.5, "currency": "EUR"}' http://127.0.0.1:9848/api/v1/events
    """
    from specter_exporters.business.running import Settings, run  # noqa: PLC0415  (not for --help)

    if not token_files:
        raise UsageError(
            "say who may send events: openssl rand -hex 32 > shop.token, then --business.token-file "
            "shop=shop.token"
        )
    host, port = parse_listen_address(events_address, "--business.listen-address", EVENTS_ADDRESS)
    run(Settings(catalogue_file, token_files, host, port, rate, user_key_file, storage_path), web)


@click.command("catalogue")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
def catalogue(file: Path | None, output: str) -> None:
    """Check a catalogue of business events and show what it says; without FILE, the one that is shipped.

    Every error is listed with its line, and the exit code is 2. `--output yaml` writes the shipped one as it
    is, to begin from.

    \b
    Examples:
      specter exporter catalogue
      specter exporter catalogue --output yaml > catalogue.yml
      specter exporter catalogue catalogue.yml
      specter exporter catalogue catalogue.yml --output json
    """
    from specter_core.catalogue import load_catalogue, platform_catalogue  # noqa: PLC0415  (not for --help)
    from specter_core.catalogue.loading import platform_text  # noqa: PLC0415
    from specter_exporters.business.table import as_json, as_text  # noqa: PLC0415

    if output == "yaml":
        if file is not None:
            raise UsageError("--output yaml writes the catalogue that is shipped: leave out the file")
        click.echo(platform_text(), nl=False)
        return
    try:
        found = load_catalogue(file) if file is not None else platform_catalogue()
    except ConfigError as error:
        if output == "text":
            raise
        click.echo(json.dumps({"ok": False, "problems": [_problem(one) for one in error.problems]}))
        sys.exit(error.exit_code)
    click.echo(as_json(found) if output == "json" else as_text(found))


def _problem(problem: Problem) -> dict[str, object]:
    return {"file": problem.file, "line": problem.line, "path": problem.path, "message": problem.message}
