"""Where a database is and how to log in: a URL, and a password that is kept elsewhere."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from specter_core.config import SECRET_WORDS
from specter_core.errors import SpecterError
from specter_core.secret_files import read_secret_file

DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "mysql+pymysql": "mysql+pymysql",
    "mariadb+pymysql": "mysql+pymysql",
    "sqlite": "sqlite+pysqlite",
}
EXAMPLES = (
    "postgresql://user@127.0.0.1:5432/shop, mysql://user@127.0.0.1:3306/shop or sqlite:////var/lib/shop.db"
)


class DsnError(SpecterError):
    """A URL or a secret cannot be used; the message never holds either."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is. Read at each connection, so that it may rotate."""

    what: str
    file: Path | None = None
    env: str | None = None

    def read(self) -> str:
        """Return the secret.

        Raises:
            DsnError: it is not there; the message names the place, never the value.
        """
        if self.file is not None:
            try:
                return read_secret_file(self.file, what=self.what)
            except SpecterError as error:
                raise DsnError(str(error)) from None
        value = os.environ.get(self.env or "", "")
        if not value:
            raise DsnError(f"{self.what}: the environment variable {self.env} is not set")
        return value


@dataclass(frozen=True, slots=True)
class Dsn:
    """A database's URL, or where to read it, and where its password is.

    Attributes:
        folder: what relative paths of SQLite start from.
    """

    url: URL | None = field(default=None, repr=False)
    url_secret: Secret | None = None
    password: Secret | None = None
    folder: Path = field(default_factory=Path)

    def resolve(self) -> URL:
        """Return the URL to connect to, with the password in it.

        Raises:
            DsnError: a secret is missing, or what was read is no URL.
        """
        url = self.url
        if self.url_secret is not None:
            url = parse_url(self.url_secret.read(), self.url_secret.what)
        if url is None:
            raise AssertionError("a Dsn has a URL or a place to read it from")
        if self.password is not None:
            url = url.set(password=self.password.read())
        if url.get_backend_name() == "sqlite" and url.database:
            url = url.set(database=str(self.folder / url.database))
        return url


def parse_url(text: str, what: str) -> URL:
    """Return the URL in `text` with the driver that is used for it.

    Raises:
        DsnError: it is none, or of another kind of database; the message never repeats it.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise DsnError(f"{what}: is not a URL such as {EXAMPLES}") from None
    driver = DRIVERS.get(url.drivername)
    if driver is None:
        raise DsnError(f"{what}: {url.drivername} is not known; there are {', '.join(sorted(DRIVERS))}")
    if driver.startswith("sqlite") and not url.database:
        raise DsnError(f"{what}: names no file, as in sqlite:////var/lib/shop.db")
    if not driver.startswith("sqlite") and "@" in f"{url.host}{url.database}":
        # What is left of a password that is not encoded; a driver would show it as the name of a host.
        raise DsnError(f"{what}: has more than one @; in a password, write %40 for it, and %2F for a slash")
    return url.set(drivername=driver)


def secret_in(url: URL) -> bool:
    """Return whether the URL holds a password, or a parameter that sounds like one."""
    # `ssl_key` is a file, `require_auth` a way to log in.
    words = [word for word in SECRET_WORDS if word not in {"key", "auth"}]
    return url.password is not None or any(word in name.lower() for name in url.query for word in words)
