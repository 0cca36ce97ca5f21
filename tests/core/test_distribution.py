"""What is shipped: the wheel's packages, commands and metadata."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
COMPONENTS = {"specter_core", "specter_exporters", "specter_detector", "specter_dashboards", "specter_alerts"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=CHECKOUT, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        yield archive


def metadata(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_the_wheel_has_the_components_and_nothing_of_a_checkout(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == COMPONENTS
    assert {f"{component}/py.typed" for component in COMPONENTS} <= set(wheel.namelist())


def test_its_requirements_do_not_name_what_only_a_checkout_needs(wheel: zipfile.ZipFile) -> None:
    text = metadata(wheel, "METADATA")
    requires = {line.split()[1] for line in text.splitlines() if line.startswith("Requires-Dist: ")}
    assert not any(name.startswith(("supervisor", "rich", "pytest")) for name in requires)
    assert "License-Expression: Apache-2.0" in text
    assert {
        *("app", "logs", "postgres", "sql", "queues", "kafka", "jobs"),
        *("detector", "dashboards", "scale", "all"),
    } == {line.split()[1] for line in text.splitlines() if line.startswith("Provides-Extra: ")}


def test_a_missing_extra_is_named_when_a_command_needs_it() -> None:
    # As after an installation without extras: the command loads, and what it imports when called is missing.
    code = (
        "import sys; sys.modules['prometheus_api_client'] = None; sys.modules['numpy'] = None\n"
        "from specter_core.cli import main\n"
        "sys.argv = ['specter', 'detector', 'check', 'stack/detector/detector.yml', '--resolve']\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "pip install 'specter-observability[detector]'" in done.stderr
