"""What the file with the list of dependencies may say."""

import re
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from specter_core.config import SECRET_WORDS, Schema
from specter_exporters.dependencies.model import PLACE
from specter_exporters.logs.schema import Pattern, Seconds

DAY = 86_400.0
SECRET_HEADERS = ("authorization", "cookie", "key", "token", "secret")
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
# One that is waited for longer than this leaves a gap in Prometheus, which forgets after five minutes.
LONGEST_PROBE_INTERVAL = 240.0
# A run that takes longer than five minutes is taken for one that hangs (DependencyChecksStale).
LONGEST_CHECK = 240.0


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError("expected lower-case letters, digits, _ and -, beginning with a letter")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    try:
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        port_ok = False
    if not port_ok or not parts.hostname or not text.isprintable() or " " in text:
        raise ValueError("expected a URL such as https://api.example.com/health")
    if "@" in parts.netloc:
        raise ValueError("holds a user or a password; give them as a header with a secret")
    if parts.fragment or PLACE.search(text):
        raise ValueError("must have no fragment and no ${...}: URLs are written to logs everywhere")
    return text


def _web_url(text: str) -> str:
    if urlsplit(_url(text)).scheme not in {"http", "https"}:
        raise ValueError("expected a URL that begins with http:// or https://")
    return text


def _probed_url(text: str) -> str:
    parts = urlsplit(_url(text))
    if parts.scheme not in {"http", "https", "tcp"}:
        raise ValueError("expected a URL that begins with http://, https:// or tcp://")
    if parts.scheme == "tcp" and (parts.port is None or parts.path):
        raise ValueError("expected tcp://HOST:PORT")
    return text


def secret_in_query(url: str) -> str | None:
    """Return the first name in the query of `url` that sounds like a secret.

    Not part of the schema, whose errors repeat what was found.
    """
    names = (name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True))
    return next((name for name in names if _sounds_secret(name)), None)


def _sounds_secret(name: str) -> bool:
    return any(word in name.lower() for word in SECRET_WORDS)


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
            raise ValueError("has a name that no header can have")
        if not value.isprintable():
            raise ValueError(f"{name} must be one printable line")
        if any(word in name.lower() for word in SECRET_HEADERS) and not PLACE.search(value):
            raise ValueError(f"{name} must hold a secret by name, as in 'Bearer ${{token}}'")
    return headers


def _no_secrets(value: object, name: str = "") -> object:
    """Refuse a value under a name that sounds like a secret: it belongs into a file."""
    if isinstance(value, dict):
        for key, item in value.items():
            _no_secrets(item, str(key))
    elif isinstance(value, list):
        for item in value:
            _no_secrets(item, name)
    elif isinstance(value, str) and _sounds_secret(name) and not PLACE.search(value):
        raise ValueError(f"{name} must hold a secret by name, as in '${{password}}'")
    return value


def _json_path(text: str) -> str:
    if not all(text.split(".")):
        raise ValueError("expected names or numbers with dots between them, as in data.0.token")
    return text


def _as_page(value: object) -> object:
    return {"url": value} if isinstance(value, str) else value


Name = Annotated[str, Field(max_length=64), AfterValidator(_name)]
Variable = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
WebUrl = Annotated[str, Field(max_length=2000), AfterValidator(_web_url)]
ProbedUrl = Annotated[str, Field(max_length=2000), AfterValidator(_probed_url)]
JsonPath = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_json_path)]
Headers = Annotated[dict[str, str], Field(max_length=50), AfterValidator(_headers)]
Status = Annotated[int, Field(ge=100, le=599)]
Interval = Annotated[Seconds, Field(ge=5, le=DAY)]
Timeout = Annotated[Seconds, Field(gt=0, le=60)]


class SecretSchema(Schema):
    """Where a secret is."""

    file: Annotated[str, Field(min_length=1)] | None = None
    env: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "SecretSchema":
        if (self.file is None) == (self.env is None):
            raise ValueError("expected either file, a path, or env, the name of an environment variable")
        return self


class ExpectSchema(Schema):
    """What an answer must be; no `status` is any 2xx."""

    status: Annotated[list[Status], Field(max_length=50)] = Field(default_factory=list)
    body: Pattern | None = None


class ProbeExpectSchema(ExpectSchema):
    """What a probe must be; `latency` is what it may take."""

    latency: Annotated[Seconds, Field(gt=0)] | None = None


class ExtractSchema(Schema):
    """What is kept of an answer."""

    json_: JsonPath | None = Field(default=None, alias="json")
    pattern: Pattern | None = None

    @model_validator(mode="after")
    def _one(self) -> "ExtractSchema":
        if (self.json_ is None) == (self.pattern is None):
            raise ValueError("expected either json, a path, or pattern, whose first group is kept")
        if self.pattern is not None and not re.compile(self.pattern).groups:
            raise ValueError("expected a pattern with a group: its first one is kept")
        return self


class CallSchema(Schema):
    """A request."""

    url: WebUrl
    method: Literal["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: Headers = Field(default_factory=dict)
    json_: Annotated[object, AfterValidator(_no_secrets)] = Field(default=None, alias="json")
    form: Annotated[dict[str, str] | None, AfterValidator(_no_secrets)] = None
    timeout: Timeout | None = None
    expect: ExpectSchema = ExpectSchema()

    @model_validator(mode="after")
    def _one_body(self) -> "CallSchema":
        if self.json_ is not None and self.form is not None:
            raise ValueError("expected json or form, not both")
        return self


class StepSchema(CallSchema):
    """A step of a check."""

    name: Name
    extract: Annotated[dict[Variable, ExtractSchema], Field(max_length=20)] = Field(default_factory=dict)


class CheckSchema(Schema):
    """Steps, one after the other."""

    steps: Annotated[list[StepSchema], Field(min_length=1, max_length=20)]
    secrets: Annotated[dict[Variable, SecretSchema], Field(max_length=20)] = Field(default_factory=dict)
    interval: Interval | None = None


class ExpirySchema(Schema):
    """Where the end of a credential's life is told."""

    jwt: bool = False
    header: Annotated[str, Field(min_length=1)] | None = None
    json_: JsonPath | None = Field(default=None, alias="json")

    @model_validator(mode="after")
    def _one(self) -> "ExpirySchema":
        if sum((self.jwt, self.header is not None, self.json_ is not None)) != 1:
            raise ValueError("expected one of jwt: true, header, a name, or json, a path")
        return self


class CredentialSchema(CallSchema):
    """An authenticated call that changes nothing."""

    secret: SecretSchema
    refused: Annotated[list[Status], Field(min_length=1, max_length=50)] = Field(
        default_factory=lambda: [401, 403]
    )
    expiry: ExpirySchema | None = None
    interval: Interval | None = None


class StatusPageSchema(Schema):
    """A vendor's status page on statuspage.io, or one that answers alike."""

    url: WebUrl
    components: Annotated[list[str], Field(max_length=100)] = Field(default_factory=list)
    interval: Interval = 120.0
    timeout: Timeout = 10.0


class TlsSchema(Schema):
    """Certificates."""

    expiry_warning_days: Annotated[float, Field(gt=0, le=365)] = 14.0
    ca_file: Annotated[str, Field(min_length=1)] | None = None


class DependencySchema(Schema):
    """A third party."""

    name: Name
    url: ProbedUrl
    criticality: Literal["critical", "important", "optional"] = "important"
    expect: ProbeExpectSchema = ProbeExpectSchema()
    tls: TlsSchema = TlsSchema()
    interval: Annotated[Seconds, Field(ge=5, le=LONGEST_PROBE_INTERVAL)] = 60.0
    timeout: Timeout = 10.0
    status_page: Annotated[StatusPageSchema | None, BeforeValidator(_as_page)] = None
    check: CheckSchema | None = None
    credential: CredentialSchema | None = None

    @model_validator(mode="after")
    def _fits(self) -> "DependencySchema":
        if self.timeout + 1 > self.interval:
            raise ValueError("timeout must be at least a second below interval")
        if self.expect.latency is not None and self.expect.latency > self.timeout:
            raise ValueError("expect.latency must not be above timeout")
        steps = self.check.steps if self.check else []
        if sum(step.timeout or self.timeout for step in steps) > LONGEST_CHECK:
            raise ValueError(f"the time-outs of a check's steps must add up to at most {LONGEST_CHECK:g}s")
        if self.url.startswith("tcp://") and (self.expect.status or self.expect.body):
            raise ValueError("of tcp:// no status and no body can be expected")
        return self


class DependenciesSchema(Schema):
    """The file."""

    blackbox_address: Annotated[str, Field(pattern=r"^[^\s/:]+:\d{1,5}$")] = "127.0.0.1:9115"
    exporter_address: Annotated[str, Field(pattern=r"^[^\s/:]+:\d{1,5}$")] = "127.0.0.1:9851"
    concurrency: Annotated[int, Field(ge=1, le=64)] = 8
    dependencies: Annotated[list[DependencySchema], Field(min_length=1, max_length=500)]
