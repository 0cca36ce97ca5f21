"""Where the shop's sign-ins and business events go: to the exporters, if there are any."""

import atexit
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Unpack

import requests

from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_demo.settings import Settings
from specter_demo.shop.sign_ins import Reporter, SignInReporter, Untold
from specter_exporters.business import BusinessClient
from specter_exporters.business.validation import Details


class Events(Protocol):
    """What takes business events by the names of the catalogue."""

    def event(self, name: str, /, **details: Unpack[Details]) -> None:
        """Take one event."""


class Uncounted:
    """Takes events and forgets them: there is no exporter."""

    def event(self, name: str, /, **details: Unpack[Details]) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told what happens in the shop."""

    business: Events
    sign_ins: Reporter


NOBODY = Told(Uncounted(), Untold())


def told(settings: Settings, at_exit: Callable[[Callable[[], object]], object] = atexit.register) -> Told:
    """Return the exporters that `settings` name; what still waits is sent when the worker ends.

    Raises:
        SpecterError: the file with a token is missing or empty.
    """
    business: Events = Uncounted()
    sign_ins: Reporter = Untold()
    if settings.business_url is not None:
        business = BusinessClient(settings.business_url, _token(settings, "business"), session=_session)
    if settings.signin_url is not None:
        reporter = SignInReporter(settings.signin_url, _token(settings, "signin"))
        at_exit(reporter.close)
        sign_ins = reporter
    return Told(business, sign_ins)


def _session() -> requests.Session:
    session = requests.Session()
    # No proxy and no ~/.netrc between the shop and its exporters.
    session.trust_env = False
    return session


def _token(settings: Settings, kind: str) -> str:
    path = getattr(settings, f"{kind}_token_file")
    name = f"SHOP_{kind.upper()}_TOKEN_FILE"
    if path is None:
        raise SpecterError(f"SHOP_{kind.upper()}_URL is set, but not {name}, the file with the token for it")
    return read_secret_file(path, what=name)
