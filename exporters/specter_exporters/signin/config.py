"""The configuration file of the sign-in exporter."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from specter_core.config import ConfigError, Problem, Schema, load_config
from specter_core.secret_files import read_secret_file
from specter_exporters.logs.schema import Pattern
from specter_exporters.proxies import TrustedProxies, valid_network
from specter_exporters.signin.api import ApiOptions
from specter_exporters.signin.settings import Rules, Settings

MIN_KEY = 16


class RulesSchema(Schema):
    """When something is suspected; see `Rules`."""

    source_accounts: int = Field(default=20, ge=2)
    spread_accounts: int = Field(default=50, ge=2)
    account_failures: int = Field(default=30, ge=2)
    breach_failures: int = Field(default=10, ge=2)
    surge_requests: int = Field(default=1000, ge=1)
    quiet_seconds: float = Field(default=300.0, ge=0, le=86_400)


class ApiSchema(Schema):
    """Tokens and limits of the HTTP API."""

    write_token_file: Path | None = None
    read_token_file: Path | None = None
    requests_per_second: float = Field(default=200.0, gt=0, le=100_000)


class SignInSchema(Schema):
    """The file, or the part of a larger one."""

    hash_key_file: Path | None = None
    show_addresses: bool = False
    trusted_proxies: tuple[Annotated[str, AfterValidator(valid_network)], ...] = ()
    app_user_agent: Pattern = ""
    top: int = Field(default=10, ge=0, le=50)
    top_min_failures: int = Field(default=5, ge=1)
    top_min_requests: int = Field(default=100, ge=1)
    window_seconds: float = Field(default=600.0, ge=60, le=3600)
    rules: RulesSchema = RulesSchema()
    api: ApiSchema = ApiSchema()


@dataclass(frozen=True, slots=True)
class SignInConfig:
    """The configuration with its secrets read."""

    settings: Settings
    proxies: TrustedProxies
    api: ApiOptions


def load(path: Path) -> SignInConfig:
    """Read the configuration file; relative paths in it start from its folder.

    Raises:
        ConfigError: it cannot be read or breaks the schema.
        SpecterError: a file with a secret cannot be used.
    """
    return configure(load_config(path, SignInSchema), path.parent, str(path))


def configure(schema: SignInSchema, folder: Path, file: str) -> SignInConfig:
    """Read the secrets that `schema` names; see `load`. `file` is what errors name."""
    secret = _secret(folder, schema.hash_key_file, "hash_key_file")
    if secret is not None and len(secret) < MIN_KEY:
        message = f"holds fewer than {MIN_KEY} characters; `openssl rand -hex 32` makes a key"
        raise ConfigError([Problem(file, None, "hash_key_file", message)])
    settings = Settings(
        secret=None if secret is None else secret.encode(),
        show_addresses=schema.show_addresses,
        top=schema.top,
        top_min_failures=schema.top_min_failures,
        top_min_requests=schema.top_min_requests,
        window_seconds=schema.window_seconds,
        app_user_agent=schema.app_user_agent,
        rules=Rules(**schema.rules.model_dump()),
    )
    proxies = TrustedProxies(schema.trusted_proxies)
    write_token = _token(folder, schema.api.write_token_file, "api.write_token_file", file)
    read_token = _token(folder, schema.api.read_token_file, "api.read_token_file", file)
    if write_token is not None and write_token == read_token:
        message = "holds the write token: who reports sign-ins could read whose account is in wrong hands"
        raise ConfigError([Problem(file, None, "api.read_token_file", message)])
    api = ApiOptions(
        write_token=write_token,
        read_token=read_token,
        requests_per_second=schema.api.requests_per_second,
        proxies=proxies,
    )
    return SignInConfig(settings, proxies, api)


def _secret(folder: Path, path: Path | None, what: str) -> str | None:
    return None if path is None else read_secret_file(folder / path, what=what)


def _token(folder: Path, path: Path | None, what: str, file: str) -> str | None:
    token = _secret(folder, path, what)
    if token is not None and (len(token) < MIN_KEY or not token.isascii() or " " in token):
        message = f"holds no {MIN_KEY} ASCII characters without a space; `openssl rand -hex 32` makes a token"
        raise ConfigError([Problem(file, None, what, message)])
    return token
