"""Settings from the environment and from `.env`. The only module that reads either.

A bad value stops the start with one sentence that names the variable. An empty value counts as not set. The
environment wins over `.env`, also when it is empty there.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from dotenv import dotenv_values
from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import ArgumentError

BASE_DIR = Path(__file__).resolve().parent
DATABASE_FILE = "scalevxmailketing.db"
DEMO_EMAIL = "demo@example.com"
DEMO_PASSWORD = "demo-demo"  # noqa: S105 (shown to everybody: the demo holds made-up people only)
MIN_PASSWORD_LENGTH, MAX_PASSWORD_LENGTH = 8, 256
USER_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")

_DRIVERS = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
_YES = {"1", "true", "yes", "on"}
_NO = {"0", "false", "no", "off"}
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class ConfigError(Exception):
    """A variable holds something that can't be used; the message names it and says what would be right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the program needs to know before it can open its database. Everything else is in the Settings page."""

    instance_path: Path = BASE_DIR / "instance"
    secret_key: str | None = field(default=None, repr=False)
    database_url: str | None = field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: int = 5000
    public_url: str | None = None
    trusted_proxies: int = 0
    scalev_api_key: str | None = field(default=None, repr=False)
    scalev_webhook_secret: str | None = field(default=None, repr=False)
    mailketing_api_key: str | None = field(default=None, repr=False)
    scalev_api_url: str = "https://api.scalev.com"
    mailketing_api_url: str = "https://api.mailketing.co.id/api/v1"
    admin_email: str | None = None
    admin_password: str | None = field(default=None, repr=False)
    follow_up_days: int = 7
    check_interval_minutes: int = 60
    timezone: str = "Asia/Jakarta"
    scheduler_enabled: bool = True
    log_level: str = "INFO"
    demo_url: str | None = None

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, dotenv: Path | None = BASE_DIR / ".env") -> "Config":
        """Read the configuration.

        Args:
            environ: the environment; the process's own when None.
            dotenv: a `.env` file, which need not exist; None reads no file.

        Raises:
            ConfigError: a variable has a value that can't be used.
        """
        file_values = _read_file(dotenv) if dotenv else {}
        read = _Reader({**file_values, **(os.environ if environ is None else environ)})
        defaults = cls()
        config = cls(
            instance_path=read.path("INSTANCE_PATH", defaults.instance_path),
            secret_key=read.text("SECRET_KEY"),
            database_url=read.database("DATABASE_URL"),
            host=read.text("HOST") or defaults.host,
            port=read.number("PORT", defaults.port, 1, 65535),
            public_url=read.url("PUBLIC_URL"),
            trusted_proxies=read.number("TRUSTED_PROXIES", defaults.trusted_proxies, 0, 10),
            scalev_api_key=read.text("SCALEV_API_KEY"),
            scalev_webhook_secret=read.text("SCALEV_WEBHOOK_SECRET"),
            mailketing_api_key=read.text("MAILKETING_API_KEY"),
            scalev_api_url=read.url("SCALEV_API_URL") or defaults.scalev_api_url,
            mailketing_api_url=read.url("MAILKETING_API_URL") or defaults.mailketing_api_url,
            admin_email=read.text("ADMIN_EMAIL"),
            admin_password=read.text("ADMIN_PASSWORD"),
            follow_up_days=read.number("FOLLOW_UP_DAYS", defaults.follow_up_days, 1, 365),
            check_interval_minutes=read.number("CHECK_INTERVAL_MINUTES", defaults.check_interval_minutes, 1, 1440),
            timezone=read.zone("TIMEZONE", defaults.timezone),
            scheduler_enabled=read.flag("SCHEDULER_ENABLED", defaults.scheduler_enabled),
            log_level=read.choice("LOG_LEVEL", defaults.log_level, _LOG_LEVELS),
        )
        _check_admin(config)
        return config

    @property
    def sqlalchemy_url(self) -> str:
        """The database's URL with the driver that is installed with the program."""
        if not self.database_url:
            return f"sqlite:///{self.instance_path / DATABASE_FILE}"
        url = _with_driver(self.database_url)
        if url.get_backend_name() == "mysql" and "charset" not in url.query:
            url = url.update_query_dict({"charset": "utf8mb4"})
        return url.render_as_string(hide_password=False)

    @property
    def https(self) -> bool:
        """Whether browsers reach the program by https, so that cookies can be Secure."""
        return (self.public_url or "").startswith("https://")

    @property
    def base_url(self) -> str:
        """The address to show to people: the public one, else where `python app.py` listens."""
        return self.public_url or f"http://{'localhost' if self.host in _LOCAL else self.host}:{self.port}"


_LOCAL = {"127.0.0.1", "0.0.0.0", "::", "::1"}  # noqa: S104 (names of addresses, nothing is bound here)


class _Reader:
    """Typed look-ups in the merged environment; every error names its variable."""

    def __init__(self, values: Mapping[str, str | None]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        return (self._values.get(name) or "").strip() or None

    def number(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise ConfigError(f"{name} must be a whole number from {low} to {high}.")
        return int(text)

    def flag(self, name: str, default: bool) -> bool:
        text = (self.text(name) or "").lower()
        if text and text not in _YES | _NO:
            raise ConfigError(f"{name} must be 1 or 0.")
        return text in _YES if text else default

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        text = (self.text(name) or default).upper()
        if text not in choices:
            raise ConfigError(f"{name} must be one of {', '.join(choices)}.")
        return text

    def url(self, name: str) -> str | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            parts = urlsplit(text)
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            usable = usable and not re.search(r"\s", text)
        except ValueError:
            usable = False
        if not usable:
            raise ConfigError(f"{name} must be an address that starts with http:// or https://.")
        return text.rstrip("/")

    def zone(self, name: str, default: str) -> str:
        text = self.text(name) or default
        if not is_zone(text):
            raise ConfigError(f"{name} must be a time zone's name such as Asia/Jakarta.")
        return text

    def path(self, name: str, default: Path) -> Path:
        text = self.text(name)
        return Path(text).expanduser().absolute() if text else default

    def database(self, name: str) -> str | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            url = _with_driver(text)
            create_engine(url)  # opens nothing; reads the options and loads the driver
        except (ArgumentError, TypeError, ValueError, ImportError) as error:
            raise ConfigError(f"{name} must be a database URL such as postgresql://user@host/name.") from error
        if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
            raise ConfigError(f"{name} must name a file for SQLite: what is in memory is lost when the program stops.")
        return text


def _read_file(path: Path) -> dict[str, str | None]:
    try:
        return dotenv_values(path, encoding="utf-8-sig")  # Windows' editor puts a mark before the first name
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path.name} is not UTF-8 text. Save it as UTF-8.") from error


def _with_driver(text: str) -> URL:
    url = make_url(text)
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def is_zone(name: str) -> bool:
    """Whether `name` is a time zone that this machine knows."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def _check_admin(config: Config) -> None:
    if bool(config.admin_email) != bool(config.admin_password):
        missing = "ADMIN_PASSWORD" if config.admin_email else "ADMIN_EMAIL"
        raise ConfigError(f"{missing} is missing: ADMIN_EMAIL and ADMIN_PASSWORD belong together.")
    if config.admin_email and not USER_EMAIL.fullmatch(config.admin_email):
        raise ConfigError("ADMIN_EMAIL must be an e-mail address.")
    if config.admin_password and not MIN_PASSWORD_LENGTH <= len(config.admin_password) <= MAX_PASSWORD_LENGTH:
        raise ConfigError(f"ADMIN_PASSWORD must have {MIN_PASSWORD_LENGTH} to {MAX_PASSWORD_LENGTH} characters.")
