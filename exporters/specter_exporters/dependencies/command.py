"""Watch third parties, and write what blackbox_exporter probes of them."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specter_core.errors import SpecterError, UsageError
from specter_core.signals import StopSignals
from specter_core.web import WebOptions, web_options
from specter_exporters.commands import listening

if TYPE_CHECKING:
    from specter_exporters.dependencies.model import Dependencies

FILE = click.Path(path_type=Path)


@click.group("dependencies", invoke_without_command=True)
@click.option(
    "--config",
    "config_file",
    type=FILE,
    help="List of dependencies (YAML), see docs/exporters-dependencies.md.",
)
@web_options(9851)
@click.pass_context
def dependencies(context: click.Context, config_file: Path | None, web: WebOptions) -> None:
    """Check third parties in several steps, their credentials and their status pages.

    \b
    Examples:
      specter exporter dependencies --config dependencies.yml
      specter exporter dependencies check dependencies.yml
      specter exporter dependencies generate --config dependencies.yml --output /etc/prometheus/dependencies
    """
    if context.invoked_subcommand is not None:
        return
    if config_file is None:
        raise UsageError("say what to watch: --config FILE; docs/exporters-dependencies.md shows one")
    config = _load(config_file)
    run(config, web, StopSignals().wait)


def _load(config_file: Path, *, secrets: bool = True) -> "Dependencies":
    from specter_exporters.dependencies.config import load, secret_problems  # noqa: PLC0415  (not for --help)

    config = load(config_file)
    problems = secret_problems(config) if secrets else []
    if problems:
        raise UsageError("\n".join(f"{config_file}: {problem}" for problem in problems))
    return config


def run(config: "Dependencies", web: WebOptions, wait: Callable[[], object]) -> None:
    """Check and serve until `wait` returns.

    Raises:
        SpecterError: the address cannot be listened on.
    """
    from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415  (not for --help)

    from specter_core.web import WebServer  # noqa: PLC0415
    from specter_exporters.dependencies.collector import DependencyCollector  # noqa: PLC0415
    from specter_exporters.dependencies.results import Results  # noqa: PLC0415
    from specter_exporters.dependencies.runner import Runner, jobs  # noqa: PLC0415
    from specter_exporters.dependencies.searching import Searcher  # noqa: PLC0415
    from specter_exporters.site import exporter_site  # noqa: PLC0415

    results = Results()
    registry = CollectorRegistry()
    registry.register(DependencyCollector(config, results))
    ProcessCollector(registry=registry)
    site = exporter_site(registry, title="Specter dependency exporter", telemetry_path=web.telemetry_path)
    searcher = Searcher()
    runner = Runner(jobs(config, searcher.search), results, concurrency=config.concurrency)
    with closing(searcher), listening(WebServer(site, web, threads=4)):
        try:
            runner.start()
            wait()
        finally:
            runner.stop()


@dependencies.command("check")
@click.argument("config_file", type=FILE)
def check_command(config_file: Path) -> None:
    """Validate the list and the secrets that it names; list every error and exit with 2.

    \b
    Examples:
      specter exporter dependencies check dependencies.yml
    """
    config = _load(config_file)
    for each in config.dependencies:
        asked = [
            f"check of {len(each.check.steps)} steps" if each.check else "",
            "credential" if each.credential else "",
            "status page" if each.status_page else "",
        ]
        more = ", ".join(part for part in asked if part) or "probe only"
        click.echo(f"{each.name}: {each.criticality}, {each.url}: {more}")
    click.echo(f"{config_file}: ok")


@dependencies.command("generate")
@click.option("--config", "config_file", type=FILE, required=True, help="List of dependencies (YAML).")
@click.option(
    "--output",
    "--output-dir",
    "output_dir",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder that holds the generated files and nothing else.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit 1 if files are missing, orphaned or different."
)
def generate_command(config_file: Path, output_dir: Path, check: bool) -> None:
    """Write blackbox_exporter's modules and Prometheus' targets and scrape jobs.

    \b
    Examples:
      specter exporter dependencies generate --config dependencies.yml --output /etc/prometheus/dependencies
      specter exporter dependencies generate --config dependencies.yml --output DIR --check
    """
    from specter_core import files, generated  # noqa: PLC0415  (not for --help)
    from specter_exporters.dependencies import blackbox  # noqa: PLC0415

    rendered = blackbox.render(_load(config_file, secrets=False))
    if check:
        generated.run(f"{blackbox.COMMAND} --output {output_dir}", output_dir, rendered, check=True)
        return
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        for name, text in rendered.items():
            # Others read them: Prometheus and blackbox_exporter run as users of their own.
            files.replace_file(output_dir / name, [text.encode()], mode=0o644)
            click.echo(output_dir / name)
    except OSError as error:
        raise SpecterError(f"cannot write {error.filename or output_dir}: {error.strerror}") from error
