"""What the commands of exporters have in common."""

import pytest
from click.testing import CliRunner

from specter_core.errors import UsageError
from specter_exporters.cli import COMMANDS, exporter


@pytest.mark.parametrize(
    ("name", "port"),
    [
        ("app", 9840),
        ("postgres", 9841),
        ("sql", 9842),
        ("queues", 9843),
        ("jobs", 9844),
        ("logs", 9847),
        ("signin", 9849),
        ("dependencies", 9851),
        ("browser", 9852),
    ],
)
def test_the_example_of_an_address_is_the_exporters_own(name: str, port: int) -> None:
    flags = ["--web.listen-address", str(port)]
    required = ["--config", "none.yml"] if name in {"signin", "browser", "postgres"} else []
    result = CliRunner().invoke(exporter, [name, *required, *flags])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == (
        f"--web.listen-address '{port}': expected HOST:PORT, for example 127.0.0.1:{port}"
    )


def test_what_is_not_installed_is_listed_with_its_extra_and_hides_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(COMMANDS, "signin", "not_installed_anywhere.command:signin")
    monkeypatch.setitem(COMMANDS, "sql", "nor_is_this.command:sql")
    shown = CliRunner().invoke(exporter, ["--help"], terminal_width=200)
    assert shown.exit_code == 0
    lines = shown.output.partition("Commands:\n")[2].splitlines()
    rows = {row[0]: row[1] for row in (line.split(maxsplit=1) for line in lines)}
    assert rows["signin"] == "needs not_installed_anywhere: pip install 'specter-observability[app,logs]'"
    assert rows["sql"] == "needs nor_is_this: pip install 'specter-observability[sql]'"
    assert rows["queues"].startswith("Expose queues")
    asked = CliRunner().invoke(exporter, ["signin", "--help"])
    assert asked.exit_code == 1
    assert "`specter exporter signin` needs not_installed_anywhere: pip install" in asked.output
