"""The configuration file of the browser exporter."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from specter_core.config import Schema, load_config
from specter_exporters.browser.endpoint import BeaconOptions
from specter_exporters.browser.origins import Origins, origin_error
from specter_exporters.browser.pages import Pages, template_error
from specter_exporters.browser.recorder import HOLD_SECONDS, REMEMBER_SECONDS
from specter_exporters.proxies import TrustedProxies, valid_network

MAX_PAGES = 100


def _valid(error: Callable[[str], str | None]) -> AfterValidator:
    """Return the check that `error` finds nothing wrong with a text."""

    def check(text: str) -> str:
        message = error(text)
        if message is not None:
            raise ValueError(message)
        return text

    return AfterValidator(check)


class BrowserSchema(Schema):
    """The file."""

    allowed_origins: tuple[Annotated[str, _valid(origin_error)], ...] = Field(min_length=1)
    pages: tuple[Annotated[str, _valid(template_error)], ...] = Field(default=(), max_length=MAX_PAGES)
    hold_seconds: float = Field(default=HOLD_SECONDS, ge=0, lt=REMEMBER_SECONDS)
    requests_per_second: float = Field(default=500.0, gt=0, le=100_000)
    client_requests_per_second: float = Field(default=10.0, gt=0, le=100_000)
    trusted_proxies: tuple[Annotated[str, AfterValidator(valid_network)], ...] = ()


@dataclass(frozen=True, slots=True)
class BrowserConfig:
    """The configuration as the exporter takes it."""

    hold_seconds: float
    beacon: BeaconOptions


def load(path: Path) -> BrowserConfig:
    """Read the configuration file.

    Raises:
        ConfigError: it cannot be read or breaks the schema.
    """
    return configure(load_config(path, BrowserSchema))


def configure(schema: BrowserSchema) -> BrowserConfig:
    """Return the configuration that `schema` holds."""
    beacon = BeaconOptions(
        origins=Origins(schema.allowed_origins),
        pages=Pages(schema.pages),
        requests_per_second=schema.requests_per_second,
        client_requests_per_second=schema.client_requests_per_second,
        proxies=TrustedProxies(schema.trusted_proxies),
    )
    return BrowserConfig(schema.hold_seconds, beacon)
