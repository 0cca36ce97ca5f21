"""Sign-in and traffic security: who fails to sign in, from where, and whether it is an attack."""

from specter_exporters.signin.outcomes import OUTCOMES, Outcome
from specter_exporters.signin.proxies import TrustedProxies
from specter_exporters.signin.recorder import SignIns
from specter_exporters.signin.settings import Rules, Settings

__all__ = ["OUTCOMES", "Outcome", "Rules", "Settings", "SignIns", "TrustedProxies"]
