"""One web server for every long-running command.

Flags and `--web.config.file` are those of Prometheus' exporter-toolkit
(https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md):
TLS, client certificates, basic authentication with bcrypt hashes. Nothing
listens beyond loopback unless told to; on loopback the Host header is checked,
so that a web page cannot reach the server by DNS rebinding.
"""

import functools
import hmac
import ipaddress
import ssl
import threading
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from secrets import token_bytes
from typing import TYPE_CHECKING, Literal, TypeVar

import click
from pydantic import Field, model_validator

from specter_core.config import Schema, load_config
from specter_core.errors import SpecterError, UsageError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from cheroot.wsgi import Server as CherootServer

R = TypeVar("R")

CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_OPTIONAL,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
TLS_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
CACHED_PASSWORDS = 100


class TlsServerConfig(Schema):
    """`tls_server_config` of the exporter-toolkit web configuration."""

    cert_file: Path
    key_file: Path
    client_auth_type: Literal[
        "NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"
    ] = "NoClientCert"
    client_ca_file: Path | None = None
    min_version: Literal["TLS12", "TLS13"] = "TLS12"

    @model_validator(mode="after")
    def _client_ca(self) -> "TlsServerConfig":
        verifies = self.client_auth_type in {"VerifyClientCertIfGiven", "RequireAndVerifyClientCert"}
        if verifies and self.client_ca_file is None:
            raise ValueError(f"client_auth_type {self.client_auth_type} needs client_ca_file")
        return self


class WebConfig(Schema):
    """The file behind `--web.config.file`."""

    tls_server_config: TlsServerConfig | None = None
    basic_auth_users: dict[str, str] = Field(default_factory=dict, repr=False)

    @model_validator(mode="after")
    def _bcrypt(self) -> "WebConfig":
        for user, hashed in self.basic_auth_users.items():
            if not hashed.startswith(("$2a$", "$2b$", "$2y$")):
                raise ValueError(
                    f"basic_auth_users.{user} is not a bcrypt hash (htpasswd -nBC 10 '' makes one)"
                )
        return self


@dataclass(frozen=True, slots=True)
class WebOptions:
    """Where and how to listen."""

    host: str
    port: int
    telemetry_path: str = "/metrics"
    config: WebConfig = field(default_factory=WebConfig)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_listen_address(text: str) -> tuple[str, int]:
    """Return (host, port) of `host:port`, `[v6]:port` or `:port` (every interface).

    Raises:
        UsageError: there is no port, or it is not 0-65535.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"--web.listen-address {text!r}: expected HOST:PORT, for example 127.0.0.1:9845")
    return host.strip("[]") or "0.0.0.0", int(port)


def web_options(default_port: int) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Add exporter-toolkit's web flags to a click command, which receives `web: WebOptions`."""

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @click.option(
            "--web.listen-address",
            "web_listen_address",
            default=f"127.0.0.1:{default_port}",
            show_default=True,
            help="HOST:PORT to listen on.",
        )
        @click.option("--web.telemetry-path", "web_telemetry_path", default="/metrics", show_default=True)
        @click.option(
            "--web.config.file",
            "web_config_file",
            type=click.Path(path_type=Path),
            help="TLS and basic authentication, in exporter-toolkit's format.",
        )
        @functools.wraps(function)
        def command(
            *args: object,
            web_listen_address: str,
            web_telemetry_path: str,
            web_config_file: Path | None,
            **kwargs: object,
        ) -> R:
            web = resolve_web_options(web_listen_address, web_telemetry_path, web_config_file)
            return function(*args, web=web, **kwargs)

        return command

    return decorate


def resolve_web_options(listen_address: str, telemetry_path: str, config_file: Path | None) -> WebOptions:
    """Turn the flags' values into `WebOptions`; see `web_options`."""
    host, port = parse_listen_address(listen_address)
    if not telemetry_path.startswith("/"):
        raise UsageError(f"--web.telemetry-path {telemetry_path!r}: expected a path that starts with /")
    config = load_config(config_file, WebConfig) if config_file else WebConfig()
    if config_file and config.tls_server_config:
        config = _beside(config_file, config)
    return WebOptions(host, port, telemetry_path, config)


def _beside(config_file: Path, config: WebConfig) -> WebConfig:
    """Resolve relative certificate paths against the configuration file, as exporter-toolkit does."""
    tls = config.tls_server_config
    if tls is None:
        return config
    base = config_file.parent
    paths = {
        "cert_file": base / tls.cert_file,
        "key_file": base / tls.key_file,
        "client_ca_file": base / tls.client_ca_file if tls.client_ca_file else None,
    }
    return config.model_copy(update={"tls_server_config": tls.model_copy(update=paths)})


class HostCheck:
    """WSGI middleware: answer 421 when the Host header names another machine (DNS rebinding)."""

    def __init__(self, app: "WSGIApplication", allowed: Iterable[str] = ()) -> None:
        self._app = app
        self._allowed = {"localhost", *allowed}

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        host = environ.get("HTTP_HOST", "localhost")
        name = (
            host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() and not host.endswith("]") else host
        )
        name = name.strip("[]").lower()
        if name in self._allowed or _is_loopback(name):
            return self._app(environ, start_response)
        start_response("421 Misdirected Request", [("Content-Type", "text/plain; charset=utf-8")])
        return [b"This server listens on loopback and answers only to a loopback Host header.\n"]


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class BasicAuth:
    """WSGI middleware: HTTP basic authentication against bcrypt hashes.

    Verified passwords are remembered as keyed hashes, so that bcrypt (tens of
    milliseconds) is paid once a password and not once a scrape. `exempt` paths
    are open (health checks of an orchestrator carry no credentials).
    """

    def __init__(
        self, app: "WSGIApplication", users: dict[str, str], exempt: frozenset[str] = frozenset()
    ) -> None:
        self._app = app
        self._users = {user: hashed.encode() for user, hashed in users.items()}
        self._exempt = exempt
        self._key = token_bytes(32)
        self._verified: dict[bytes, bool] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Serve one request."""
        if environ.get("PATH_INFO") in self._exempt or self._allowed(environ.get("HTTP_AUTHORIZATION", "")):
            return self._app(environ, start_response)
        start_response(
            "401 Unauthorized",
            [("WWW-Authenticate", 'Basic realm="specter"'), ("Content-Type", "text/plain; charset=utf-8")],
        )
        return [b"Unauthorized\n"]

    def _allowed(self, header: str) -> bool:
        scheme, _, encoded = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            user, _, password = b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return False
        digest = blake2b(f"{user}\0{password}".encode(), key=self._key).digest()
        with self._lock:
            known = self._verified.get(digest)
        if known is None:
            known = self._verify(user, password)
            with self._lock:
                if len(self._verified) >= CACHED_PASSWORDS:
                    self._verified.pop(next(iter(self._verified)))
                self._verified[digest] = known
        return known

    def _verify(self, user: str, password: str) -> bool:
        import bcrypt  # noqa: PLC0415  (10 ms that commands without a server need not pay)

        # An unknown user costs the same as a known one, or names could be guessed by timing.
        hashed = self._users.get(user, b"$2b$10$2222222222222222222222uLh1cW3OAfLqFFV8XmKoCE6dG8y0bxe")
        try:
            matches = bcrypt.checkpw(password.encode()[:72], hashed)
        except ValueError:
            return False
        return matches and hmac.compare_digest(hashed, self._users.get(user, b""))


def secured(app: "WSGIApplication", options: WebOptions) -> "WSGIApplication":
    """Wrap `app` in the checks that `options` ask for."""
    if options.config.basic_auth_users:
        app = BasicAuth(app, options.config.basic_auth_users, exempt=frozenset({"/-/healthy", "/-/ready"}))
    if options.loopback:
        app = HostCheck(app)
    return app


class WebServer:
    """A threaded HTTP server around one WSGI application, started and stopped by its owner."""

    def __init__(self, app: "WSGIApplication", options: WebOptions, *, threads: int = 8) -> None:
        from cheroot.wsgi import Server  # noqa: PLC0415  (imports ssl adapters; not for --help)

        self.options = options
        self._server: CherootServer = Server(
            (options.host, options.port), secured(app, options), numthreads=threads, server_name="specter"
        )
        tls = options.config.tls_server_config
        if tls is not None:
            self._server.ssl_adapter = _tls_adapter(tls)
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The base URL, with the port that was really bound."""
        scheme = "https" if self.options.config.tls_server_config else "http"
        host, port = self._server.bind_addr[:2]
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    def start(self) -> None:
        """Bind and serve in a background thread.

        Raises:
            SpecterError: the address cannot be bound.
        """
        try:
            self._server.prepare()
        except OSError as error:
            address = f"{self.options.host}:{self.options.port}"
            raise SpecterError(
                f"cannot listen on {address}: {error.strerror or error}; choose another --web.listen-address"
            ) from error
        self._thread = threading.Thread(target=self._server.serve, name="web", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and wait for the requests under way."""
        self._server.stop()
        if self._thread is not None:
            self._thread.join(timeout=5)


def _tls_adapter(tls: TlsServerConfig) -> object:
    from cheroot.ssl.builtin import BuiltinSSLAdapter  # noqa: PLC0415  (only for TLS)

    for path in (tls.cert_file, tls.key_file, tls.client_ca_file):
        if path is not None and not path.is_file():
            raise SpecterError(f"tls_server_config: {path} does not exist")
    try:
        adapter = BuiltinSSLAdapter(str(tls.cert_file), str(tls.key_file))
        adapter.context.minimum_version = TLS_VERSIONS[tls.min_version]
        if tls.client_ca_file:
            adapter.context.load_verify_locations(str(tls.client_ca_file))
        adapter.context.verify_mode = CLIENT_AUTH[tls.client_auth_type]
    except ssl.SSLError as error:
        raise SpecterError(
            f"tls_server_config: {tls.cert_file} and {tls.key_file}: {error.reason}"
        ) from error
    return adapter
