"""The configuration file: every error at once, secrets from files, nothing of them told."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from specter_core.config import ConfigError
from specter_core.errors import SpecterError, UsageError
from specter_exporters.cli import exporter
from specter_exporters.signin import Settings, load

KEY = "0123456789abcdef0123456789abcdef"


def written(folder: Path, text: str) -> Path:
    file = folder / "signin.yml"
    file.write_text(text, encoding="utf-8")
    return file


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    config = load(written(tmp_path, ""))
    assert config.settings == Settings()
    assert (config.api.write_token, config.api.read_token) == (None, None)


def test_everything_can_be_set_and_paths_start_from_the_file(tmp_path: Path) -> None:
    for name, content in (("hash.key", KEY), ("write.token", "w" * 32), ("read.token", "r" * 32)):
        (tmp_path / name).write_text(content + "\n", encoding="utf-8")
    config = load(
        written(
            tmp_path,
            """
            hash_key_file: hash.key
            show_addresses: true
            trusted_proxies: [10.0.0.0/8, "2001:db8::/32"]
            app_user_agent: ^Quest/
            top: 20
            top_min_failures: 3
            top_min_requests: 50
            window_seconds: 300
            rules: {source_accounts: 30, spread_accounts: 80, account_failures: 50, breach_failures: 15,
                    surge_requests: 5000, quiet_seconds: 600}
            api: {write_token_file: write.token, read_token_file: read.token, requests_per_second: 50}
            """,
        )
    )
    assert config.settings.secret == KEY.encode()
    assert (config.settings.top, config.settings.window_seconds, config.settings.rules.breach_failures) == (
        20,
        300,
        15,
    )
    assert config.proxies.client("10.0.0.1", "203.0.113.7") == "203.0.113.7"
    assert (config.api.write_token, config.api.read_token) == ("w" * 32, "r" * 32)
    for secret in (KEY, "w" * 32, "r" * 32):
        assert secret not in repr(config)


def test_every_error_is_told_at_once_with_its_line(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "trusted_proxies: [10.0.0.0/33]\napp_user_agent: '('\ntop: 51\n"
        "rules:\n  breach_failures: 1\nshow: 1\n",
    )
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (1, "trusted_proxies[0]"), (2, "app_user_agent"), (3, "top"), (5, "rules.breach_failures"),
        (6, "show"),
    ]  # fmt: skip


def test_a_key_that_can_be_guessed_is_refused_and_not_told(tmp_path: Path) -> None:
    (tmp_path / "hash.key").write_text("swordfish", encoding="utf-8")
    with pytest.raises(ConfigError, match="fewer than 16 characters") as caught:
        load(written(tmp_path, "hash_key_file: hash.key"))
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize("token", ["short", "tok€n" * 8, "two words" * 8])
def test_a_token_that_can_be_guessed_or_never_be_shown_is_refused_and_not_told(
    tmp_path: Path, token: str
) -> None:
    (tmp_path / "read.token").write_text(token, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"api\.read_token_file: holds no 16 ASCII characters") as caught:
        load(written(tmp_path, "api: {read_token_file: read.token}"))
    assert token not in str(caught.value)


def test_who_reports_may_not_read(tmp_path: Path) -> None:
    (tmp_path / "one.token").write_text(KEY, encoding="utf-8")
    with pytest.raises(ConfigError, match="holds the write token") as caught:
        load(written(tmp_path, "api: {write_token_file: one.token, read_token_file: one.token}"))
    assert KEY not in str(caught.value)


def test_a_pattern_that_a_client_could_make_run_for_ever_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"app_user_agent: .* exponential time"):
        load(written(tmp_path, "app_user_agent: '^(Quest+)+$'"))


def test_a_secret_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecterError, match=r"api\.read_token_file: cannot read .*read\.token"):
        load(written(tmp_path, "api: {read_token_file: read.token}"))


def test_the_command_says_what_it_does_and_which_address_is_wrong() -> None:
    shown = CliRunner().invoke(exporter, ["signin", "--help"])
    assert shown.exit_code == 0
    assert "specter exporter signin --config signin.yml" in shown.output
    assert "signin" in CliRunner().invoke(exporter, ["--help"]).output
    wrong = CliRunner().invoke(
        exporter, ["signin", "--config", "x.yml", "--events.listen-address", "nowhere"]
    )
    assert isinstance(wrong.exception, UsageError)
    assert "--events.listen-address 'nowhere'" in str(wrong.exception)
