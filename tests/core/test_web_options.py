"""The web flags and the file behind --web.config.file."""

from pathlib import Path

import bcrypt
import click
import pytest
from click.testing import CliRunner

from specter_core.config import ConfigError
from specter_core.errors import UsageError
from specter_core.web import (
    TlsServerConfig,
    WebConfig,
    WebOptions,
    parse_listen_address,
    resolve_web_options,
    web_options,
)

HASH = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9845", ("127.0.0.1", 9845)),
        ("[::1]:9845", ("::1", 9845)),
        (":9845", ("0.0.0.0", 9845)),
        ("localhost:0", ("localhost", 0)),
        ("specter.example:65535", ("specter.example", 65535)),
    ],
)
def test_a_listen_address_is_host_and_port(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen_address(text, "--beacon.listen-address", "127.0.0.1:9853") == expected


@pytest.mark.parametrize(
    "text", ["", "9845", "localhost", "localhost:", "a:65536", "a:-1", "a:http", "a:²", "a: 1"]
)
def test_another_listen_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_listen_address(text, "--beacon.listen-address", "127.0.0.1:9853")
    assert caught.value.exit_code == 2
    assert str(caught.value) == (
        f"--beacon.listen-address {text!r}: expected HOST:PORT, for example 127.0.0.1:9853"
    )


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("LOCALHOST", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, loopback: bool) -> None:
    assert WebOptions(host, 1).loopback is loopback


def test_the_flags_arrive_as_options_and_default_to_loopback(tmp_path: Path) -> None:
    seen: list[WebOptions] = []

    @click.command()
    @web_options(9845)
    def serve(web: WebOptions) -> None:
        seen.append(web)

    config = tmp_path / "web.yml"
    config.write_text(f"basic_auth_users:\n  alice: {HASH}\n")
    flags = ["--web.listen-address", ":1", "--web.telemetry-path", "/m", "--web.config.file", str(config)]
    assert CliRunner().invoke(serve, []).exit_code == 0
    assert CliRunner().invoke(serve, flags).exit_code == 0
    assert seen == [
        WebOptions("127.0.0.1", 9845, "/metrics", WebConfig()),
        WebOptions("0.0.0.0", 1, "/m", WebConfig(basic_auth_users={"alice": HASH})),
    ]
    assert HASH not in repr(seen)


def test_a_telemetry_path_starts_with_a_slash() -> None:
    with pytest.raises(
        UsageError, match=r"--web\.telemetry-path 'metrics': expected a path that starts with /"
    ):
        resolve_web_options("127.0.0.1:1", "metrics", None, "127.0.0.1:9845")


def test_certificates_are_looked_for_beside_the_file(tmp_path: Path) -> None:
    config = tmp_path / "web.yml"
    config.write_text(
        "tls_server_config:\n  cert_file: tls/a.crt\n  key_file: /etc/a.key\n  client_ca_file: ca.crt\n"
    )
    assert resolve_web_options(
        "127.0.0.1:1", "/metrics", config, "127.0.0.1:9845"
    ).config.tls_server_config == TlsServerConfig(
        cert_file=tmp_path / "tls" / "a.crt", key_file=Path("/etc/a.key"), client_ca_file=tmp_path / "ca.crt"
    )


def test_every_error_of_the_file_is_named_and_no_password(tmp_path: Path) -> None:
    config = tmp_path / "web.yml"
    config.write_text(
        "tls_server_config:\n"
        "  cert_file: a.crt\n"
        "  min_version: TLS10\n"
        "basic_auth_users:\n"
        "  alice: hunter2\n"
        "  bob: $2b$12$short\n"
        "  carol: 12345\n"
        "basic_auth: {}\n"
    )
    with pytest.raises(ConfigError) as caught:
        resolve_web_options("127.0.0.1:1", "/metrics", config, "127.0.0.1:9845")
    assert str(caught.value).splitlines() == [
        f"{config}:1: tls_server_config.key_file: is required",
        f"{config}:3: tls_server_config.min_version: expected 'TLS12' or 'TLS13' (found 'TLS10')",
        f"{config}:5: basic_auth_users.alice: is not a bcrypt hash (htpasswd -nBC 10 '' makes one)",
        f"{config}:6: basic_auth_users.bob: is not a bcrypt hash (htpasswd -nBC 10 '' makes one)",
        f"{config}:7: basic_auth_users.carol: expected a text",
        f"{config}:8: basic_auth: is not a known key: did you mean basic_auth_users?",
    ]


def test_verified_clients_need_an_authority(tmp_path: Path) -> None:
    config = tmp_path / "web.yml"
    config.write_text(
        "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAndVerifyClientCert}\n"
    )
    with pytest.raises(ConfigError, match="client_auth_type RequireAndVerifyClientCert needs client_ca_file"):
        resolve_web_options("127.0.0.1:1", "/metrics", config, "127.0.0.1:9845")
