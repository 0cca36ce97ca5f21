"""Sign-in and traffic security: who fails to sign in, from where, and whether it is an attack."""

from specter_exporters.proxies import TrustedProxies
from specter_exporters.signin.api import ApiOptions, signin_api
from specter_exporters.signin.config import SignInConfig, SignInSchema, configure, load
from specter_exporters.signin.events import EventError, ingest
from specter_exporters.signin.middleware import (
    SOURCE,
    AsgiRequestSources,
    WsgiRequestSources,
    source_of_environ,
    source_of_scope,
)
from specter_exporters.signin.outcomes import OUTCOMES, Outcome
from specter_exporters.signin.recorder import SignIns
from specter_exporters.signin.settings import Rules, Settings

__all__ = [
    "OUTCOMES",
    "SOURCE",
    "ApiOptions",
    "AsgiRequestSources",
    "EventError",
    "Outcome",
    "Rules",
    "Settings",
    "SignInConfig",
    "SignInSchema",
    "SignIns",
    "TrustedProxies",
    "WsgiRequestSources",
    "configure",
    "ingest",
    "load",
    "signin_api",
    "source_of_environ",
    "source_of_scope",
]
