"""Mails of the demo: sent to its inbox over HTTP, which writes them down."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import requests

from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file
from specter_demo.settings import Settings

TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail."""

    recipient: str
    subject: str
    text: str


def mailer(settings: Settings) -> Callable[[Mail], None]:
    """Return what sends a mail to the inbox; it raises `requests.RequestException` when that takes none.

    Raises:
        SpecterError: no inbox is named, or the file with its token is missing.
    """
    if settings.inbox_url is None:
        raise SpecterError("SHOP_INBOX_URL is not set: the base URL of the inbox that takes mails")
    url = settings.inbox_url.rstrip("/") + "/mails"
    token = read_secret_file(settings.token_file, what="SHOP_INBOX_TOKEN_FILE")

    def send(mail: Mail) -> None:
        # A session each: the queue's worker forks.
        with requests.Session() as session:
            session.trust_env = False
            headers = {"Authorization": f"Bearer {token}"}
            session.post(url, json=asdict(mail), headers=headers, timeout=TIMEOUT).raise_for_status()

    return send
