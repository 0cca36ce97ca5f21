"""Where the shop's parts find each other: from the environment, the same natively and in containers.

Each setting is the environment variable `SHOP_` and the field's name in capitals. What is not set
there is looked up in the file that the launcher writes, `.specter/demo.env` in the checkout, so that
`specter demo fault` needs nothing exported.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, ValidationError, field_validator

from specter_core.config import Schema
from specter_core.errors import SpecterError

PREFIX = "SHOP_"
SHOP_ADDRESS = "127.0.0.1:9860"
CHECKOUT = Path(__file__).resolve().parents[2]
STATE = CHECKOUT / ".specter"
LAUNCHER_FILE = "demo.env"  # in the state folder of a run
PASSWORD = re.compile(r"password\s*=|//[^/@\s]*:[^/@\s]*@", re.IGNORECASE)


class SettingsError(SpecterError):
    """The environment or the launcher's file cannot be used; the message lists every reason."""

    exit_code = 2


class Settings(Schema):
    """Everything the shop's processes are told.

    Attributes:
        state_dir: folder of release, pid, load and notification files.
        database_dsn: libpq connection string without the password.
        database_standby_dsn: the same of its streaming standby; None means that there is none.
        database_password_file: file with the password of both; None means that none is needed.
        database_exporter_password_file: file with the password of the role that the database's exporter
            logs in as; None makes no such role.
        database_checks_password_file: file with the password of the role that checks of the data log in as;
            None makes no such role.
        payment_url: base URL of the third-party payment service.
        url: base URL of the shop, for traffic and faults.
        listen: HOST:PORT the shop listens on.
        payment_listen: HOST:PORT the payment stub listens on.
        payment_status_listen: HOST:PORT of the payment stub's status page; None serves none.
        payment_token_file: file with the token of the account at the payment stub; None knows no account.
        inbox_listen: HOST:PORT the notification inbox listens on.
        inbox_token_file: file with the bearer token that Alertmanager must send; None means
            `inbox.token` in `state_dir`.
        inbox_url: base URL of the inbox, for mails; None has none to send to.
        queue_url: Redis database of the shop's queues; None queues nothing.
        business_url: base URL of the exporter that takes business events; None sends none.
        business_token_file: file with the token for it.
        signin_url: base URL of the exporter that takes sign-ins and requests; None sends none.
        signin_token_file: file with the token for it.
        beacon_url: base URL at which browsers tell the exporter what they measured; None measures nothing.
        coaching_url: base URL of the coaching service; None means that there is none.
        traffic_peak: requests/s on a weekday at 15:00.
        traffic_floor: requests/s that traffic never falls below.
        traffic_utc_offset: local time minus UTC, hours.
        traffic_seed: picks the slow noise.
    """

    state_dir: Path = Field(default=Path(".specter/shop"), validate_default=True)
    database_dsn: str = Field(default="host=127.0.0.1 port=5432 dbname=shop user=shop", repr=False)
    database_standby_dsn: str | None = Field(default=None, repr=False)
    database_password_file: Path | None = None
    database_exporter_password_file: Path | None = None
    database_checks_password_file: Path | None = None
    payment_url: str = Field(default="http://127.0.0.1:9861", pattern=r"^https?://[^\s/]+")
    url: str = Field(default="http://127.0.0.1:9860", pattern=r"^https?://[^\s/]+")
    listen: str = Field(default=SHOP_ADDRESS, pattern=r":\d+$")
    payment_listen: str = Field(default="127.0.0.1:9861", pattern=r":\d+$")
    payment_status_listen: str | None = Field(default=None, pattern=r":\d+$")
    payment_token_file: Path | None = None
    inbox_listen: str = Field(default="127.0.0.1:9862", pattern=r":\d+$")
    inbox_token_file: Path | None = None
    inbox_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+")
    queue_url: str | None = Field(default=None, pattern=r"^redis://[^\s/@]+/\d+$")
    business_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+")
    business_token_file: Path | None = None
    signin_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+")
    signin_token_file: Path | None = None
    beacon_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+")
    coaching_url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+")
    traffic_peak: float = Field(default=24.0, gt=0, le=1000)
    traffic_floor: float = Field(default=6.0, ge=0, le=1000)
    traffic_utc_offset: float = Field(default=0.0, ge=-24, le=24)
    traffic_seed: int = Field(default=1, ge=0, lt=1 << 31)

    @field_validator("database_dsn", "database_standby_dsn")
    @classmethod
    def _no_password(cls, value: str | None) -> str | None:
        if value is not None and PASSWORD.search(value):
            raise ValueError("must not hold a password; name a file in SHOP_DATABASE_PASSWORD_FILE")
        return value

    @field_validator("state_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.resolve()

    @property
    def release_file(self) -> Path:
        """The version that the next worker of the shop is to run."""
        return self.state_dir / "release"

    @property
    def defect_file(self) -> Path:
        """The defect that the released version has; empty for none."""
        return self.state_dir / "defect"

    @property
    def pid_file(self) -> Path:
        """The process to send SIGHUP to after a release."""
        return self.state_dir / "shop.pid"

    @property
    def load_file(self) -> Path:
        """The share of clients that reach the shop: `{"factor": 1.0}`."""
        return self.state_dir / "load.json"

    @property
    def provider_file(self) -> Path:
        """What is wrong with the payment provider: `{"declined": 0.35, "unanswered": 0.1, "away": false}`."""
        return self.state_dir / "provider.json"

    @property
    def attack_file(self) -> Path:
        """How many sign-ins a second attackers try: `{"rate": 10.0}`."""
        return self.state_dir / "attack.json"

    @property
    def queue_file(self) -> Path:
        """What is wrong with the queue's workers: `{"seconds": 2.0, "away": false}`."""
        return self.state_dir / "queue.json"

    @property
    def jobs_file(self) -> Path:
        """What is wrong with the jobs: `{"broken": ["digest"], "forgotten": ["backup"]}`."""
        return self.state_dir / "jobs.json"

    @property
    def backups(self) -> Path:
        """The folder of the database's backups."""
        return self.state_dir / "backups"

    @property
    def log_file(self) -> Path:
        """The shop's log, one JSON object a line."""
        return self.state_dir / "log" / "shop.log"

    @property
    def access_log_file(self) -> Path:
        """Each request in the combined log format, with its duration behind it."""
        return self.state_dir / "log" / "access.log"

    @property
    def notifications_file(self) -> Path:
        """One JSON line a delivered alert."""
        return self.state_dir / "notifications.jsonl"

    @property
    def mails_file(self) -> Path:
        """One JSON line a mail that was sent."""
        return self.state_dir / "mails.jsonl"

    @property
    def token_file(self) -> Path:
        """The file with the inbox's bearer token."""
        return self.inbox_token_file or self.state_dir / "inbox.token"


def load_settings(environ: Mapping[str, str], launcher_file: Path = STATE / LAUNCHER_FILE) -> Settings:
    """Return the settings: `environ` first, then `launcher_file` if there is one, then the defaults.

    Raises:
        SettingsError: the file is malformed or a value is wrong; every one is listed.
    """
    written = read_env_file(launcher_file) if launcher_file.is_file() else {}
    names = {PREFIX + field.upper(): field for field in Settings.model_fields}
    found = {name: environ.get(name, written.get(name)) for name in names}
    values = {names[name]: value for name, value in found.items() if value}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        problems = [
            f"{PREFIX}{str(detail['loc'][0]).upper()}: {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise SettingsError("\n".join(problems)) from None


def read_env_file(path: Path) -> dict[str, str]:
    """Return the `KEY=VALUE` lines of `path`; empty lines and those that start with # are skipped.

    Raises:
        SettingsError: a line is something else, or the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from error
    values: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        key, equals, value = text.partition("=")
        if not equals or not key.strip().isidentifier():
            raise SettingsError(f"{path}:{number}: expected KEY=VALUE")
        values[key.strip()] = value.strip().strip("\"'")
    return values
