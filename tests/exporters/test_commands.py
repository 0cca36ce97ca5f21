"""What the commands of exporters have in common."""

import pytest
from click.testing import CliRunner

from specter_core.errors import UsageError
from specter_exporters.cli import exporter


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
