"""The shop's settings: environment first, then the launcher's file, then the defaults."""

from pathlib import Path

import pytest

from specter_demo.settings import SettingsError, load_settings


@pytest.fixture
def launcher_file(tmp_path: Path) -> Path:
    return tmp_path / "demo.env"


def test_defaults_need_nothing(launcher_file: Path) -> None:
    settings = load_settings({}, launcher_file)
    assert settings.url == "http://127.0.0.1:9860"
    assert settings.state_dir == Path.cwd() / ".specter" / "shop"
    assert settings.token_file == settings.state_dir / "inbox.token"
    assert settings.traffic_peak == 24.0


def test_launchers_file_fills_in_what_the_environment_does_not_say(launcher_file: Path) -> None:
    launcher_file.write_text(
        "# written by the launcher\n\nSHOP_URL=http://127.0.0.1:4000\nSHOP_TRAFFIC_PEAK='30'\nOTHER=1\n",
        encoding="utf-8",
    )
    settings = load_settings({"SHOP_URL": "http://127.0.0.1:5000"}, launcher_file)
    assert settings.url == "http://127.0.0.1:5000"
    assert settings.traffic_peak == 30.0


def test_every_wrong_value_is_reported_at_once(launcher_file: Path) -> None:
    environ = {"SHOP_URL": "shop:80", "SHOP_TRAFFIC_PEAK": "-1", "SHOP_LISTEN": "127.0.0.1"}
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, launcher_file)
    assert caught.value.exit_code == 2
    lines = str(caught.value).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == [
        "SHOP_LISTEN",
        "SHOP_TRAFFIC_PEAK",
        "SHOP_URL",
    ]


@pytest.mark.parametrize(
    "dsn", ["host=db password=hunter2", "host=db Password = hunter2", "postgresql://shop:hunter2@db/shop"]
)
def test_password_in_the_connection_string_is_refused_and_not_repeated(launcher_file: Path, dsn: str) -> None:
    with pytest.raises(SettingsError, match="SHOP_DATABASE_PASSWORD_FILE") as caught:
        load_settings({"SHOP_DATABASE_DSN": dsn}, launcher_file)
    assert "hunter2" not in str(caught.value)


def test_malformed_line_is_named(launcher_file: Path) -> None:
    launcher_file.write_text("SHOP_URL=http://x\nexport this\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"demo\.env:2: expected KEY=VALUE"):
        load_settings({}, launcher_file)
