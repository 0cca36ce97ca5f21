"""Write and check alert rules and Alertmanager routing.

The heavy modules are imported by the command that needs them.
"""

import json
from pathlib import Path

import click

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


@alerts.command()
@click.option(
    "--output-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=GENERATED,
    show_default=True,
    help="Folder that holds the generated files and nothing else.",
)
@click.option(
    "--check", is_flag=True, help="Write nothing; exit 1 if files are missing, orphaned or different."
)
def generate(output_dir: Path, check: bool) -> None:
    """Write the rule files and alertmanager.yml.

    \b
    Examples:
      specter alerts generate
      specter alerts generate --output-dir /etc/prometheus/specter
      specter alerts generate --check
    """
    from specter_alerts import writer  # noqa: PLC0415  keeps --help fast

    if not check:
        for path in writer.write(output_dir):
            click.echo(path)
        return
    problems = writer.differences(output_dir)
    if problems:
        raise SpecterError("\n".join([*problems, "run `specter alerts generate`, and delete orphans"]))
    click.echo(f"{output_dir} is up to date")


@alerts.command(name="lint")
@click.option(
    "--runbooks",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=RUNBOOKS,
    show_default=True,
    help="Folder with one ALERT.md an alert.",
)
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def lint_rules(runbooks: Path, output: str) -> None:
    """Check what promtool does not: severities, label templates, rate windows, runbooks, duplicates.

    Exits 1 when something is found.

    \b
    Examples:
      specter alerts lint
      specter alerts lint --output json
    """
    from specter_alerts.families import all_groups  # noqa: PLC0415  keeps --help fast
    from specter_alerts.lint import lint  # noqa: PLC0415

    groups = all_groups()
    findings = lint(groups, {path.stem for path in runbooks.glob("*.md")})
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
