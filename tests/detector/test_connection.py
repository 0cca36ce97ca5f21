"""How the detector introduces itself to a server, and what never leaves its hands."""

import base64
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from specter_core.config import ConfigError, parse_config
from specter_detector.config import DetectorConfig, resolve
from specter_detector.http import open_session
from specter_detector.reader import DatasourceError, PrometheusReader, RefusedError, UnreachableError
from specter_detector.schema import DetectorSchema
from tests.core.certificates import self_signed
from tests.servers.faulty import ONE_ROW, Faulty, Request, faulty_server


def config_of(url: str, keys: str = "") -> DetectorConfig:
    text = f"reader:\n  datasource_url: {url}\n  queries: {{q: {{expr: x}}}}\n{keys}"
    return resolve(parse_config(text, DetectorSchema, file="d.yml"))


def read_once(config: DetectorConfig) -> float:
    with closing(PrometheusReader(config.reader, open_session(config.reader.connection))) as reader:
        (value,) = reader.instant(config.reader.queries["q"], 900.0).samples.values()
        reader.probe()
    return value


@contextmanager
def echoing() -> Iterator[Faulty]:
    with faulty_server(lambda request: request.answer(ONE_ROW)) as server:
        yield server


def test_headers_and_secrets_from_files_go_with_every_request(tmp_path: Path) -> None:
    for name, text in (("password", "hunter2\n"), ("key", "k3y\n")):
        (tmp_path / name).write_text(text)
    keys = (
        f"  username: me\n  password_file: {tmp_path}/password\n"
        f"  headers: {{X-Scope-OrgID: 'team a', X-Plain: '1'}}\n"
        f"  headers_files: {{X-Api-Key: {tmp_path}/key}}\n"
    )
    with echoing() as server:
        config = config_of(server.url, keys)
        read_once(config)
        (tmp_path / "key").write_text("rotated\n")
        read_once(config)
        found = [request.headers for request in server.asked]
    assert len(found) == 4  # two queries, two probes
    assert {each["X-Scope-OrgID"] for each in found} == {"team a"}
    assert {each["X-Plain"] for each in found} == {"1"}
    assert [each["X-Api-Key"] for each in found] == ["k3y", "k3y", "rotated", "rotated"]
    basic = base64.b64encode(b"me:hunter2").decode()
    assert {each["Authorization"] for each in found} == {f"Basic {basic}"}
    assert "hunter2" not in repr(config)
    assert "team a" not in repr(config)


def test_a_bearer_token_and_a_tenant_go_with_every_request(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t0ken")
    keys = f"  bearer_token_file: {tmp_path}/token\n  tenant_id: a|b\n"
    with echoing() as server:
        read_once(config_of(server.url, keys))
        for request in server.asked:
            assert request.headers["Authorization"] == "Bearer t0ken"
            assert request.headers["X-Scope-OrgID"] == "a|b"


def test_a_secret_that_cannot_be_read_is_named_by_its_file_and_comes_back(tmp_path: Path) -> None:
    keys = f"  headers_files: {{X-Api-Key: {tmp_path}/key}}\n"
    with echoing() as server:
        config = config_of(server.url, keys)
        with closing(PrometheusReader(config.reader, open_session(config.reader.connection))) as reader:
            query = config.reader.queries["q"]
            with pytest.raises(RefusedError, match=r"headers_files\.X-Api-Key: cannot read .*/key"):
                reader.instant(query, 900.0)
            (tmp_path / "key").write_text("two\nlines")
            with pytest.raises(RefusedError, match="one line of printable") as caught:
                reader.instant(query, 900.0)
            assert "lines" not in str(caught.value).replace("one line of", "")
            (tmp_path / "key").write_text("k3y")
            assert len(reader.instant(query, 900.0).samples) == 1


@pytest.mark.parametrize("probing", [True, False])
def test_redirects_to_another_server_take_nothing_along(tmp_path: Path, probing: bool) -> None:
    (tmp_path / "key").write_text("k3y")
    keys = f"  bearer_token_file: {tmp_path}/key\n  headers_files: {{X-Api-Key: {tmp_path}/key}}\n"
    with echoing() as other:

        def respond(request: Request) -> None:
            request.answer(b"", 307, Location=f"{other.url}/api/v1/query")

        with faulty_server(respond) as server:
            config = config_of(server.url, keys)
            with closing(PrometheusReader(config.reader, open_session(config.reader.connection))) as reader:
                query = config.reader.queries["q"]
                ask = reader.probe if probing else lambda: reader.instant(query, 900.0)
                with pytest.raises(RefusedError, match="redirects are not followed") as caught:
                    ask()
        assert other.asked == []
    assert "k3y" not in str(caught.value)


def test_a_client_certificate_is_shown_and_the_configured_authority_alone_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, theirs, other = (self_signed(tmp_path, name) for name in ("mine", "theirs", "other"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(theirs.cert, theirs.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(mine.cert)
    trust, show = f"  ca_file: {theirs.cert}\n", f"  cert_file: {mine.cert}\n  key_file: {mine.key}\n"
    # The environment's authorities must not beat those of the configuration.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.cert))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with faulty_server(lambda request: request.answer(ONE_ROW), context=context) as server:
        # Loopback sessions do not look at the environment at all; this one does.
        config = config_of(server.url, trust + show)
        session = open_session(config.reader.connection)
        session.trust_env = True
        with closing(PrometheusReader(config.reader, session)) as reader:
            assert len(reader.instant(config.reader.queries["q"], 900.0).samples) == 1
            reader.probe()
        for wrong in (show, trust, f"  ca_file: {other.cert}\n{show}"):
            with pytest.raises(UnreachableError):
                read_once(config_of(server.url, wrong))
        missing = f"{trust}  cert_file: {tmp_path}/none.crt\n  key_file: {mine.key}\n"
        with pytest.raises(DatasourceError, match=r"none\.crt"):
            read_once(config_of(server.url, missing))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("  headers: {'X Y': a}\n", "not the name of a header: 'X Y'"),
        ("  headers: {'X-A\\r\\nX-B': a}\n".replace("'", '"'), "not the name of a header"),
        ('  headers: {X-A: "a\\r\\nX-B: b"}\n', "printable ASCII"),
        ("  headers: {X-A: é}\n", "printable ASCII"),
        ("  headers: {X-A: ''}\n", "printable ASCII"),
        ("  headers: {Authorization: Bearer abc}\n", "no secrets here"),
        ("  headers: {Host: a}\n", "cannot be set: Host"),
        ("  headers_files: {accept-encoding: /f}\n", "cannot be set"),
        ("  headers: {X-A: a, x-a: b}\n", "differ only in case"),
        ("  headers: {X-A: a}\n  headers_files: {x-a: /f}\n", "said in two ways: the header x-a"),
        ("  tenant_id: a\n  headers: {X-Scope-OrgID: b}\n", "said in two ways: the header x-scope-orgid"),
        ("  bearer_token_file: /t\n  headers_files: {Authorization: /f}\n", "said in two ways"),
        ('  tenant_id: "a\\nb"\n', "printable ASCII"),
        ("  cert_file: /c\n", "cert_file and key_file belong together"),
        ("  max_concurrent_queries: 0\n", r"expected at least 1 \(found 0\)"),
    ],
)
def test_headers_and_certificates_are_checked_when_the_configuration_is_read(keys: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        config_of("http://127.0.0.1:9090", keys)
    assert "Bearer abc" not in str(caught.value)


def test_the_writer_has_the_readers_certificate_and_headers_where_it_has_its_server() -> None:
    keys = "  cert_file: /c\n  key_file: /k\n  headers: {X-A: a}\n  headers_files: {X-B: /f}\n"
    config = config_of("https://p", keys)
    assert config.writer.connection == config.reader.connection
    assert config.reader.connection.headers_files == {"X-B": Path("/f")}
    assert config.reader.queries["q"].max_series == 1000
    assert config.reader.max_concurrent == 4
