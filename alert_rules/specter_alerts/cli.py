"""Write and check alert rules and Alertmanager routing.

The heavy modules are imported by the command that needs them.
"""

import json
from dataclasses import replace
from pathlib import Path

import click

from specter_alerts.settings import DEFAULTS
from specter_core import generated
from specter_core.errors import SpecterError

GENERATED = Path("alert_rules/generated")
RUNBOOKS = Path("alert_rules/runbooks")


@click.group()
def alerts() -> None:
    """Write and check alert rules and Alertmanager routing.

    \b
    Examples:
      specter alerts generate             write alert_rules/generated
      specter alerts generate --check     exit 1 if it is not what would be written
      specter alerts lint                 checks that promtool does not make
    """


def _base(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001  click's
    """Return a base URL without the slash at its end."""
    if not value.startswith(("http://", "https://")):
        raise click.BadParameter(f"{value!r} does not begin with http:// or https://")
    return value.rstrip("/")


@alerts.command()
@generated.options(GENERATED)
@click.option(
    "--dashboard-url",
    default=DEFAULTS.dashboard_base,
    show_default=True,
    callback=_base,
    help="Grafana's address, for the link from an alert to its dashboard.",
)
@click.option(
    "--runbook-url",
    default=DEFAULTS.runbook_base,
    show_default=True,
    callback=_base,
    help="Where ALERT.md is read, for the link from an alert to its runbook.",
)
@click.option(
    "--catalogue",
    "catalogue_file",
    type=click.Path(path_type=Path),
    help="Catalogue of business events (YAML): its critical events and its funnels. Without one, that of the "
    "example platform.",
)
def generate(
    output_dir: Path, check: bool, dashboard_url: str, runbook_url: str, catalogue_file: Path | None
) -> None:
    """Write the rule files and alertmanager.yml.

    With --check, give the same URLs and catalogue as when the files were written.

    \b
    Examples:
      specter alerts generate
      specter alerts generate --output-dir /etc/prometheus/specter --dashboard-url https://grafana.example.org
      specter alerts generate --check
    """
    from specter_alerts import writer  # noqa: PLC0415  keeps --help fast
    from specter_core.catalogue import load_catalogue  # noqa: PLC0415

    catalogue = load_catalogue(catalogue_file) if catalogue_file else None
    settings = replace(DEFAULTS, dashboard_base=dashboard_url, runbook_base=runbook_url, catalogue=catalogue)
    generated.run("specter alerts generate", output_dir, writer.render(settings), check=check)


@alerts.command(name="lint")
@click.option(
    "--runbooks",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help=f"Folder with one ALERT.md an alert.  [default: {RUNBOOKS}, if it is there]",
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def lint_rules(runbooks: Path | None, output: str) -> None:
    """Check what promtool does not: severities, label templates, rate windows, runbooks, duplicates.

    Exits 1 when something is found. An installed package has no runbooks: without --runbooks, and
    outside of a checkout, that one check is left out.

    \b
    Examples:
      specter alerts lint
      specter alerts lint --output json
      specter alerts lint --runbooks /srv/runbooks
    """
    from specter_alerts.families import all_groups  # noqa: PLC0415  keeps --help fast
    from specter_alerts.lint import lint  # noqa: PLC0415

    groups = all_groups()
    if runbooks is None and RUNBOOKS.is_dir():
        runbooks = RUNBOOKS
    if runbooks is None:
        click.echo(f"runbooks not checked: no folder {RUNBOOKS} here, and no --runbooks", err=True)
    findings = lint(groups, None if runbooks is None else {path.stem for path in runbooks.glob("*.md")})
    if output == "json":
        rows = [{"group": f.group, "rule": f.rule, "check": f.check, "message": f.message} for f in findings]
        click.echo(json.dumps(rows))
    else:
        for finding in findings:
            click.echo(finding)
    if findings:
        raise SpecterError(f"{len(findings)} findings in the rules")
    if output == "text":
        click.echo(f"{sum(len(group.rules) for group in groups)} rules, nothing found")
