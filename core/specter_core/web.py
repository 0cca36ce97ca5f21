"""One web server for every long-running command.

Flags and `--web.config.file` are those of Prometheus' exporter-toolkit
(https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md):
TLS, client certificates, basic authentication with bcrypt hashes. Nothing
listens beyond loopback unless told to; on loopback the Host header is checked,
so that a web page cannot reach the server by DNS rebinding.
"""

import functools
import ipaddress
import re
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import click
from pydantic import AfterValidator, Field, model_validator

from specter_core.config import Schema, load_config
from specter_core.errors import SpecterError, UsageError
from specter_core.guards import BasicAuth, HostCheck
from specter_core.http_limits import Limits
from specter_core.named_files import file_problem

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

R = TypeVar("R")

CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_OPTIONAL,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
TLS_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
MAX_BODY_BYTES = 10 * 1024 * 1024


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


def _bcrypt(hashed: str) -> str:
    if not re.fullmatch(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}", hashed):
        raise ValueError("is not a bcrypt hash (htpasswd -nBC 10 '' makes one)")
    return hashed


class WebConfig(Schema):
    """The file behind `--web.config.file`."""

    tls_server_config: TlsServerConfig | None = None
    basic_auth_users: dict[str, Annotated[str, AfterValidator(_bcrypt)]] = Field(
        default_factory=dict, repr=False
    )


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
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_listen_address(text: str, option: str, default: str) -> tuple[str, int]:
    """Return (host, port) of `host:port`, `[v6]:port` or `:port` (every interface), as `option` gave it.

    Args:
        text: what was given.
        option: its name.
        default: what it is if nothing is given, for an example.

    Raises:
        UsageError: there is no port, or it is not 0-65535.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{option} {text!r}: expected HOST:PORT, for example {default}")
    return host.strip("[]") or "0.0.0.0", int(port)


def web_options(default_port: int) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Add exporter-toolkit's web flags to a click command, which receives `web: WebOptions`."""
    default = f"127.0.0.1:{default_port}"

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @click.option(
            "--web.listen-address",
            "web_listen_address",
            default=default,
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
            web = resolve_web_options(web_listen_address, web_telemetry_path, web_config_file, default)
            return function(*args, web=web, **kwargs)

        return command

    return decorate


def resolve_web_options(
    listen_address: str, telemetry_path: str, config_file: Path | None, default: str
) -> WebOptions:
    """Turn the flags' values into `WebOptions`; see `web_options`. Without them it listens at `default`."""
    host, port = parse_listen_address(listen_address, "--web.listen-address", default)
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


def secured(app: "WSGIApplication", options: WebOptions) -> "WSGIApplication":
    """Wrap `app` in the checks that `options` ask for."""
    if options.config.basic_auth_users:
        app = BasicAuth(app, options.config.basic_auth_users, exempt=frozenset({"/-/healthy", "/-/ready"}))
    if options.loopback:
        app = HostCheck(app)
    return app


class WebServer:
    """A threaded HTTP server around one WSGI application, started and stopped by its owner.

    Args:
        app: the application.
        options: where and how to listen.
        threads: how many requests are served at once.
        max_body_bytes: of a request; a larger one is answered with 413.
        limits: what its clients may take of it. A connection costs a thread only while a request of it is
            served.
    """

    def __init__(
        self,
        app: "WSGIApplication",
        options: WebOptions,
        *,
        threads: int = 8,
        max_body_bytes: int = MAX_BODY_BYTES,
        limits: Limits | None = None,
    ) -> None:
        from specter_core.http_server import Server  # noqa: PLC0415  (imports ssl adapters; not for --help)

        self.options = options
        self._server = Server(
            (options.host, options.port),
            secured(app, options),
            threads=threads,
            max_body_bytes=max_body_bytes,
            limits=limits or Limits(),
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
        """Bind and serve in background threads, which do not keep the process alive.

        Raises:
            SpecterError: the address cannot be bound.
        """
        bound: SimpleQueue[Exception | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, args=(bound,), name="web", daemon=True)
        self._thread.start()
        error = bound.get()
        if isinstance(error, OSError):
            address = f"{self.options.host}:{self.options.port}"
            said = f"cannot listen on {address}: {_reason(error)}; choose another address"
            raise SpecterError(said) from error
        if error is not None:
            raise error

    def _serve(self, bound: "SimpleQueue[Exception | None]") -> None:
        """Tell how binding went, and serve. What a daemon thread starts, as cheroot does, are daemons too."""
        try:
            self._server.prepare()
        except Exception as error:  # noqa: BLE001  (it is raised where the server was started)
            bound.put(error)
            return
        bound.put(None)
        self._server.serve()

    def stop(self) -> None:
        """Stop serving and wait for the requests under way."""
        self._server.stop()
        if self._thread is not None:
            self._thread.join(timeout=5)


def _reason(error: OSError) -> str:
    """Return the system's words in cheroot's error, a text that names every address it tried."""
    found = re.search(r"\[Errno -?\d+\] ([^)]*)", str(error))
    return found[1] if found else str(error)


def _tls_adapter(tls: TlsServerConfig) -> object:
    from specter_core.http_server import TlsAdapter  # noqa: PLC0415  (not for --help)

    for path in (tls.cert_file, tls.key_file, tls.client_ca_file):
        problem = None if path is None else file_problem(path)
        if problem is not None:
            raise SpecterError(f"tls_server_config: {problem}")
    try:
        # Without a password OpenSSL would stop and ask for one on the terminal.
        adapter = TlsAdapter(str(tls.cert_file), str(tls.key_file), private_key_password="")
        adapter.context.minimum_version = TLS_VERSIONS[tls.min_version]
        if tls.client_ca_file:
            adapter.context.load_verify_locations(str(tls.client_ca_file))
        adapter.context.verify_mode = CLIENT_AUTH[tls.client_auth_type]
    except OSError as error:  # ssl.SSLError is one, and so is a key that cannot be read
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise SpecterError(f"tls_server_config: {tls.cert_file} and {tls.key_file}: {reason}") from error
    return adapter
