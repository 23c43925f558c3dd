"""The settings that people change while the program runs. Secrets are encrypted with a key outside the database.

A value that was never saved comes from the environment (config.py), else from the default; once saved, the page wins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from cryptography.fernet import Fernet, InvalidToken
from flask import current_app, g
from sqlalchemy import select

from config import Config, is_zone
from database import read_committed
from models import Settings, db, transaction
from services import delivery_service, keys, mailketing_service, message_texts, scalev_service
from services.clock import utc_now
from services.contacts import clean_text
from services.errors import UserError
from services.lead_rules import Policy
from services.statuses import CanceledPolicy, ChaseStep

ROTATION = timedelta(hours=72)
MAX_SECRET_LENGTH = 500
_API_KEY_BEGINNINGS = ("sk_", "rk_")  # of ScaleV's API keys, with all scopes and with chosen ones (ScaleV docs)
_WEBHOOK_SECRET = "scalev_webhook_secret"  # noqa: S105 (names of settings)
_PREVIOUS_SECRET = "previous_webhook_secret"  # noqa: S105
_ROTATION_UNTIL = "rotation_until"
_PREVIOUS_LABELS = ("previous", "previous 2", "previous 3")  # the column that keeps which one matched holds 10


_ALL_ROWS = select(Settings.__table__.c.name, Settings.__table__.c.value)


class InvalidSetting(UserError):
    """A setting's new value can't be used; `name` tells which."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class SwappedKey(InvalidSetting):
    """A key is certainly another one than the setting's."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One name of the Settings page: what it may hold, and its value while nobody has saved one."""

    name: str
    kind: str  # secret, number, decimal, choice, zone or text
    default: str | None = None
    low: int | Decimal = 0
    high: int | Decimal = 0
    choices: tuple[str, ...] = ()


SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        Setting("scalev_api_key", "secret"),
        Setting("scalev_webhook_secret", "secret"),
        Setting("mailketing_api_key", "secret"),
        Setting("follow_up_days", "number", low=1, high=365),
        Setting("check_interval_minutes", "number", low=1, high=1440),
        Setting("timezone", "zone"),
        Setting("canceled_policy", "choice", CanceledPolicy.KEEP, choices=tuple(CanceledPolicy)),
        Setting("calls_per_second", "decimal", "2", low=Decimal("0.1"), high=Decimal(20)),
        Setting("delivery_workers", "number", "1", low=1, high=4),
    )
}
KEYS = [setting.name for setting in SETTINGS.values() if setting.kind == "secret"]
# By `flask settings set` only: v2 is for a business that ScaleV has not moved to v3, and who needs it is told so.
_COMMAND_LINE_SETTINGS = {
    "scalev_api_version": Setting("scalev_api_version", "choice", scalev_service.V3, choices=scalev_service.VERSIONS)
}
# The WhatsApp texts have a page of their own; an empty one brings the default back.
GREETING = "greeting"
TEXTS = {
    name: Setting(name, "text", default)
    for name, default in (
        (GREETING, message_texts.DEFAULT_GREETING),
        *((f"text_{step}", text) for step, text in message_texts.DEFAULTS.items()),
    )
}
_KNOWN = SETTINGS | _COMMAND_LINE_SETTINGS | TEXTS


def text(name: str) -> str | None:
    """Return a setting's value, a secret in clear."""
    return _read([name]).get(name)


def number(name: str) -> int:
    return int(_needed(name))


def decimal(name: str) -> Decimal:
    return Decimal(_needed(name))


def zone() -> ZoneInfo:
    """Return the time zone in which people see times and days are counted."""
    return ZoneInfo(_needed("timezone"))


def policy() -> Policy:
    """Return the settings that change rules."""
    return Policy(canceled=CanceledPolicy(_needed("canceled_policy")))


def chase_text(step: ChaseStep) -> str:
    """Return the WhatsApp text of a step, its variables not filled in."""
    return _needed(f"text_{step}")


def greeting() -> str:
    """Return how buyers are addressed in WhatsApp texts."""
    return _needed(GREETING)


def masked(name: str) -> str | None:
    """Return a secret as its last 4 characters, None when there is none."""
    value = text(name)
    return None if value is None else f"••••{value[-4:]}" if len(value) >= 12 else "••••"


def shown(name: str) -> str:
    """Return a setting as people may see it."""
    return (masked(name) if _KNOWN[name].kind == "secret" else text(name)) or ""


def check(name: str, value: str) -> str:
    """Return a setting's value as it is stored.

    Raises:
        InvalidSetting: there is no such setting, or the value can't be used.
    """
    setting = _KNOWN.get(name)
    if setting is None:
        raise InvalidSetting(name, "There is no setting of this name.")
    return _CHECKS[setting.kind](setting, value.strip())


def check_new(name: str, value: str) -> str:
    """Return the value that a person gives a setting as it is stored.

    Stricter than `check`, which also reads values of the environment: those must not keep the program from its work.

    Raises:
        SwappedKey: it is an API key where the signing secret belongs.
        InvalidSetting: there is no such setting, or the value can't be used.
    """
    checked = check(name, value)
    if name == _WEBHOOK_SECRET and _is_api_key(checked):
        raise SwappedKey(
            name,
            "This is an API key of ScaleV, because it begins with sk_ or rk_. The signing secret is another key: it is "
            "at ScaleV under Settings, Developers, Webhooks.",
        )
    return checked


def looks_swapped(name: str, value: str) -> bool:
    """Whether a key may be another one than the setting's. It may work all the same: ScaleV also has access tokens,
    whose beginning is not documented."""
    return name in KEYS and _is_api_key(value) is not (name == "scalev_api_key")


def _is_api_key(value: str) -> bool:
    return scalev_service.clean_key(value).startswith(_API_KEY_BEGINNINGS)


def change(values: Mapping[str, str], now: datetime) -> None:
    """Save several settings at once, all or none; an empty secret stays as it is.

    A new signing secret keeps the previous ones valid for 72 hours, so that no webhook is refused in between. A
    Mailketing key ends the hold of deliveries.

    Raises:
        InvalidSetting: one of the values can't be used; nothing was saved.
    """
    checked = {name: check_new(name, value) for name, value in values.items() if value.strip() or not _is_secret(name)}
    with transaction():
        old_secret = _old_secret() if _WEBHOOK_SECRET in checked else None
        for name, value in checked.items():
            _store(name, value, now)
        if old_secret and checked[_WEBHOOK_SECRET] != old_secret:
            _begin_rotation(old_secret, now)
        if "mailketing_api_key" in checked:
            delivery_service.end_hold()


def webhook_secrets(now: datetime) -> dict[str, str]:
    """Return label -> secret of those that may sign webhooks now, the newest first; empty when none is set."""
    values = _read([_WEBHOOK_SECRET, _PREVIOUS_SECRET, _ROTATION_UNTIL])
    until, current = values.get(_ROTATION_UNTIL), values.get(_WEBHOOK_SECRET)
    is_open = until is not None and datetime.fromisoformat(until) > now
    previous = values.get(_PREVIOUS_SECRET, "").split("\n") if is_open else []
    labels = ("current", *_PREVIOUS_LABELS)
    return {label: secret for label, secret in zip(labels, [current, *previous], strict=False) if secret}


def rotation_until() -> datetime | None:
    """Return until when the previous signing secret is accepted, None while no rotation is open."""
    until = _read([_ROTATION_UNTIL]).get(_ROTATION_UNTIL)
    moment = datetime.fromisoformat(until) if until else None
    return moment if moment and moment > utc_now() else None


def end_rotation(now: datetime) -> None:
    """Refuse the previous signing secret from now on."""
    with transaction() as session:
        for name in (_PREVIOUS_SECRET, _ROTATION_UNTIL):
            row = session.get(Settings, name)
            if row is not None:
                session.delete(row)
        session.flush()
        forget_rows()


def _begin_rotation(old_secret: str, now: datetime) -> None:
    """A change while a rotation is open may be a second one, or mend a typing error: what was valid stays so."""
    earlier = text(_PREVIOUS_SECRET) if rotation_until() else None
    previous = [old_secret, *(earlier or "").split("\n")]
    _store(_PREVIOUS_SECRET, "\n".join(filter(None, previous[: len(_PREVIOUS_LABELS)])), now)
    _store(_ROTATION_UNTIL, (now + ROTATION).isoformat(), now)


def _old_secret() -> str | None:
    """Return the signing secret that is being replaced; one that can't be read any more signs nothing."""
    try:
        return text(_WEBHOOK_SECRET)
    except UserError:
        return None


def _is_secret(name: str) -> bool:
    return name == _PREVIOUS_SECRET or (name in SETTINGS and SETTINGS[name].kind == "secret")


def _needed(name: str) -> str:
    value = text(name)
    if value is None:
        raise KeyError(name)
    return value


def _read(names: list[str]) -> dict[str, str]:
    """Return the values of some settings; those without any value are left out."""
    rows = _rows()
    stored = {name: rows[name] for name in names if name in rows}
    saved = {name: _decrypt(name, value) if _is_secret(name) else value for name, value in stored.items()}
    firsts = {name: _first_value(name) for name in names if name not in saved}
    return saved | {name: value for name, value in firsts.items() if value}


def _rows() -> dict[str, str]:
    """The saved rows, read once for each request or run of a job: a webhook asks for several settings."""
    if "settings" not in g:
        g.settings = {row.name: row.value for row in read_committed(_ALL_ROWS)}
    rows: dict[str, str] = g.settings
    return rows


def forget_rows() -> None:
    """Read the settings anew when this request next asks for one: they may have been changed since it began."""
    g.pop("settings", None)


def _first_value(name: str) -> str | None:
    """The environment's value, cleaned like a saved one, else the default."""
    config: Config = current_app.extensions["config"]
    value = getattr(config, name, None)
    if value is not None and _is_secret(name):
        return check(name, value)
    return str(value) if value is not None else getattr(_KNOWN.get(name), "default", None)


def _store(name: str, value: str, now: datetime) -> None:
    stored = _fernet().encrypt(value.encode()).decode() if _is_secret(name) else value
    db.session.merge(Settings(name=name, value=stored, updated_at=now))
    db.session.flush()
    forget_rows()


def _decrypt(name: str, value: str) -> str:
    try:
        return _fernet().decrypt(value.encode()).decode()
    except InvalidToken as error:
        raise UserError(
            f"The saved {name} can't be read: the encryption key in the instance folder is not the one it was saved "
            "with. Put the old file back, or type the key again in Settings."
        ) from error


def _fernet() -> Fernet:
    fernet: Fernet | None = current_app.extensions.get("fernet")
    if fernet is None:
        fernet = current_app.extensions["fernet"] = Fernet(
            keys.encryption_key(current_app.extensions["config"].instance_path)
        )
    return fernet


def _check_secret(setting: Setting, value: str) -> str:
    cleaned = mailketing_service.clean_token(value) if setting.name == "mailketing_api_key" else value
    if not cleaned or len(cleaned) > MAX_SECRET_LENGTH or cleaned != clean_text(cleaned, MAX_SECRET_LENGTH):
        raise InvalidSetting(setting.name, "A key is one line of text without odd characters.")
    return cleaned


def _check_number(setting: Setting, value: str) -> str:
    if value.isascii() and value.isdigit() and len(value) < 10 and setting.low <= int(value) <= setting.high:
        return str(int(value))
    raise InvalidSetting(setting.name, f"This must be a whole number from {setting.low} to {setting.high}.")


def _check_decimal(setting: Setting, value: str) -> str:
    try:
        amount = Decimal(value.replace(",", "."))
    except InvalidOperation:
        amount = Decimal("NaN")
    if amount.is_finite() and setting.low <= amount <= setting.high:
        return str(amount)
    raise InvalidSetting(setting.name, f"This must be a number from {setting.low} to {setting.high}.")


def _check_choice(setting: Setting, value: str) -> str:
    if value in setting.choices:
        return value
    raise InvalidSetting(setting.name, f"This must be one of: {', '.join(setting.choices)}.")


def _check_zone(setting: Setting, value: str) -> str:
    if is_zone(value):
        return value
    raise InvalidSetting(setting.name, "This must be a time zone's name such as Asia/Jakarta.")


def _check_text(setting: Setting, value: str) -> str:
    cleaned = message_texts.clean(value)
    if setting.name == GREETING and ("\n" in cleaned or len(cleaned) > message_texts.MAX_GREETING_LENGTH):
        raise InvalidSetting(setting.name, "The greeting is one short word.")
    mistake = message_texts.find_mistake(cleaned)
    if mistake:
        raise InvalidSetting(setting.name, f"{mistake} is not one of the variables.")
    return cleaned or setting.default or ""


_CHECKS = {
    "secret": _check_secret,
    "number": _check_number,
    "decimal": _check_decimal,
    "choice": _check_choice,
    "zone": _check_zone,
    "text": _check_text,
}
