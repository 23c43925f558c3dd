"""The Settings page's values: first from the environment, then saved; secrets encrypted; secrets rotated."""

import dataclasses
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from app import create_app
from config import Config
from models import AccountHold, Settings, db, transaction
from services import delivery_service, keys, settings_service
from services.errors import UserError
from services.settings_service import SETTINGS, InvalidSetting, SwappedKey
from services.statuses import CanceledPolicy
from tests.builders import NOW
from tests.frozen import clock  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app", "clock")]

SECRET = "scalev_webhook_secret"
TOKEN = "0123456789abcdef0123456789abcdef"


def change(**values: str) -> None:
    settings_service.change(values, NOW)


def stored(name: str) -> str | None:
    db.session.rollback()
    return db.session.scalar(select(Settings.value).where(Settings.name == name))


def with_config(app: Flask, **fields: object) -> None:
    """Pretend that the environment says something else."""
    app.extensions["config"] = dataclasses.replace(app.extensions["config"], **fields)


def test_before_anything_is_saved_the_defaults_hold() -> None:
    assert settings_service.number("follow_up_days") == 7
    assert settings_service.number("check_interval_minutes") == 60
    assert settings_service.decimal("calls_per_second") == Decimal(2)
    assert settings_service.number("delivery_workers") == 1
    assert settings_service.zone().key == "Asia/Jakarta"
    assert settings_service.policy().canceled is CanceledPolicy.KEEP
    assert settings_service.text("mailketing_api_key") is None


def test_the_environment_gives_the_first_value_and_a_saved_one_wins(app: Flask) -> None:
    with_config(app, follow_up_days=5, scalev_api_key=" sk_env_1234567890 ")
    assert settings_service.number("follow_up_days") == 5
    assert settings_service.text("scalev_api_key") == "sk_env_1234567890"
    change(follow_up_days="9", scalev_api_key="sk_page")
    assert settings_service.number("follow_up_days") == 9
    assert settings_service.text("scalev_api_key") == "sk_page"


def test_a_secret_is_encrypted_with_a_key_outside_the_database(config: Config) -> None:
    change(mailketing_api_key=TOKEN)
    value = stored("mailketing_api_key")
    assert value is not None and TOKEN not in value
    key_file = config.instance_path / "encryption_key"
    assert key_file.exists() and key_file.stat().st_mode & 0o077 == 0
    assert settings_service.text("mailketing_api_key") == TOKEN


@pytest.mark.parametrize(
    ("secret", "shown"), [("sk_1234567890abcd", "••••abcd"), ("elevenchars", "••••"), ("x", "••••")]
)
def test_a_secret_is_shown_as_its_last_characters_only(secret: str, shown: str) -> None:
    assert settings_service.masked("scalev_api_key") is None
    change(scalev_api_key=secret)
    assert settings_service.masked("scalev_api_key") == settings_service.shown("scalev_api_key") == shown


def test_what_users_paste_around_a_token_is_taken_off() -> None:
    change(mailketing_api_key=f'"Bearer {TOKEN}"\n', scalev_webhook_secret=" rahasia\n")
    assert settings_service.text("mailketing_api_key") == TOKEN
    assert settings_service.text(SECRET) == "rahasia"


@pytest.mark.parametrize("value", ["sk_demo_foo", "rk_1", ' "Bearer sk_1"'])
def test_an_api_key_is_refused_as_the_signing_secret(value: str) -> None:
    with pytest.raises(SwappedKey, match="signing secret is another key"):
        change(scalev_api_key="sk_1", scalev_webhook_secret=value)
    assert settings_service.text("scalev_api_key") is None


def test_an_api_key_as_the_environments_signing_secret_does_not_stop_the_program(app: Flask) -> None:
    with_config(app, scalev_webhook_secret="sk_demo_foo")
    assert settings_service.text(SECRET) == "sk_demo_foo"


@pytest.mark.parametrize(
    ("name", "value", "looks_swapped"),
    [
        ("scalev_api_key", "sk_1", False),
        ("scalev_api_key", " 'Bearer rk_1' ", False),
        ("scalev_api_key", "abc", True),
        (SECRET, "sk_1", True),
        (SECRET, "a-signing-secret", False),
        ("mailketing_api_key", "rk_1", True),
        ("mailketing_api_key", TOKEN, False),
        ("timezone", "Asia/Jakarta", False),
    ],
)
def test_a_key_is_known_by_its_beginning(name: str, value: str, looks_swapped: bool) -> None:
    assert settings_service.looks_swapped(name, value) is looks_swapped


def test_an_empty_secret_stays_as_it_is() -> None:
    change(scalev_api_key="sk_1", scalev_webhook_secret="one")
    change(scalev_api_key="", scalev_webhook_secret="  ")
    assert settings_service.text("scalev_api_key") == "sk_1"
    assert settings_service.webhook_secrets(NOW) == {"current": "one"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("follow_up_days", "0"),
        ("follow_up_days", "366"),
        ("follow_up_days", ""),
        ("follow_up_days", "7.5"),
        ("follow_up_days", "٧"),
        ("follow_up_days", "9" * 5000),
        ("check_interval_minutes", "1441"),
        ("calls_per_second", "0"),
        ("calls_per_second", "0.09"),
        ("calls_per_second", "21"),
        ("calls_per_second", "NaN"),
        ("calls_per_second", "1e9999999"),
        ("calls_per_second", "lots"),
        ("delivery_workers", "5"),
        ("canceled_policy", "forget"),
        ("timezone", "Asia/Bandung"),
        ("timezone", "../../etc/passwd"),
        ("scalev_api_key", "two\nlines"),
        ("scalev_api_key", "x" * 501),
        ("mailketing_api_key", '""'),
        ("no_such_setting", "1"),
        ("previous_webhook_secret", "x"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(InvalidSetting) as caught:
        change(**{name: value})
    assert caught.value.name == name
    assert stored(name) is None


def test_one_bad_value_saves_none() -> None:
    with pytest.raises(InvalidSetting):
        change(follow_up_days="9", timezone="nowhere")
    assert settings_service.number("follow_up_days") == 7


@pytest.mark.parametrize(("value", "amount"), [("0,5", "0.5"), ("1e1", "10"), (" 2.50 ", "2.5"), ("0.1", "0.1")])
def test_a_pace_may_be_written_with_a_comma(value: str, amount: str) -> None:
    change(calls_per_second=value)
    assert settings_service.decimal("calls_per_second") == Decimal(amount)


def test_every_setting_has_a_value_or_is_a_secret() -> None:
    for setting in SETTINGS.values():
        assert setting.kind == "secret" or settings_service.text(setting.name) is not None, setting.name


# --- Rotation of the signing secret ---


def test_a_first_secret_opens_no_rotation() -> None:
    change(scalev_webhook_secret="one")
    assert settings_service.webhook_secrets(NOW) == {"current": "one"}
    assert settings_service.rotation_until() is None


def test_a_new_secret_keeps_the_previous_one_for_72_hours(clock: time_machine.Traveller) -> None:  # noqa: F811
    change(scalev_webhook_secret="one")
    change(scalev_webhook_secret="two")
    end = NOW + timedelta(hours=72)
    assert list(settings_service.webhook_secrets(NOW).items()) == [("current", "two"), ("previous", "one")]
    assert settings_service.rotation_until() == end
    assert "previous" in settings_service.webhook_secrets(end - timedelta(microseconds=1))
    assert settings_service.webhook_secrets(end) == {"current": "two"}
    clock.move_to(end)
    assert settings_service.rotation_until() is None


def test_saving_the_same_secret_again_opens_no_rotation() -> None:
    for _ in range(2):
        change(scalev_webhook_secret="one")
    assert settings_service.webhook_secrets(NOW) == {"current": "one"}


def test_a_second_change_during_a_rotation_keeps_all_that_were_valid() -> None:
    """It may mend a typing error, and then the first secret signs; or be a rotation of its own, and then the second."""
    for secret in ("one", "two", "three"):
        change(scalev_webhook_secret=secret)
    secrets = {"current": "three", "previous": "two", "previous 2": "one"}
    assert settings_service.webhook_secrets(NOW) == secrets
    assert settings_service.webhook_secrets(NOW + timedelta(hours=73)) == {"current": "three"}


def test_of_many_changes_the_last_four_secrets_are_valid() -> None:
    for secret in ("one", "two", "three", "four", "five", "six"):
        change(scalev_webhook_secret=secret)
    assert list(settings_service.webhook_secrets(NOW).values()) == ["six", "five", "four", "three"]
    assert max(len(label) for label in settings_service.webhook_secrets(NOW)) <= 10


def test_after_a_rotation_has_ended_the_next_one_keeps_the_then_current_secret(
    clock: time_machine.Traveller,  # noqa: F811
) -> None:
    for secret in ("one", "two"):
        change(scalev_webhook_secret=secret)
    later = NOW + timedelta(hours=73)
    clock.move_to(later)
    settings_service.change({SECRET: "three"}, later)
    assert settings_service.webhook_secrets(later) == {"current": "three", "previous": "two"}


def test_a_rotation_can_be_ended_at_once() -> None:
    for secret in ("one", "two"):
        change(scalev_webhook_secret=secret)
    settings_service.end_rotation(NOW)
    assert settings_service.webhook_secrets(NOW) == {"current": "two"}
    assert settings_service.rotation_until() is None
    settings_service.end_rotation(NOW)


def test_replacing_the_environments_secret_keeps_it_as_the_previous_one(app: Flask) -> None:
    with_config(app, scalev_webhook_secret="env")
    change(scalev_webhook_secret="two")
    assert settings_service.webhook_secrets(NOW) == {"current": "two", "previous": "env"}


def test_the_previous_secret_is_encrypted_too() -> None:
    for secret in ("rahasia-one", "rahasia-two"):
        change(scalev_webhook_secret=secret)
    assert "rahasia" not in str(db.session.execute(select(Settings.value)).all())


# --- A lost encryption key ---


@pytest.fixture
def lost_key(app: Flask, config: Config) -> None:
    change(scalev_webhook_secret="one", mailketing_api_key=TOKEN)
    (config.instance_path / "encryption_key").unlink()
    app.extensions.pop("fernet")


@pytest.mark.usefixtures("lost_key")
def test_a_secret_that_cannot_be_read_any_more_is_told_in_a_sentence() -> None:
    with pytest.raises(UserError, match="type the key again"):
        settings_service.text("mailketing_api_key")


@pytest.mark.usefixtures("lost_key")
def test_a_secret_that_cannot_be_read_any_more_can_be_typed_again() -> None:
    change(follow_up_days="9")
    change(mailketing_api_key=TOKEN, scalev_webhook_secret="two")
    assert settings_service.text("mailketing_api_key") == TOKEN
    assert settings_service.webhook_secrets(NOW) == {"current": "two"}


# --- The account's hold ---


@pytest.mark.parametrize(("name", "ends"), [("mailketing_api_key", True), ("scalev_api_key", False)])
def test_saving_a_mailketing_key_ends_the_hold_at_once(name: str, ends: bool) -> None:
    with transaction() as session:
        session.add(AccountHold(reason="wrong token", since=NOW, checked_at=NOW))
    change(**{name: TOKEN})
    assert (delivery_service.hold() is None) is ends


# --- What a process remembers ---


def test_a_change_is_seen_by_other_requests(app: Flask) -> None:
    change(follow_up_days="9")
    with app.app_context():
        assert settings_service.number("follow_up_days") == 9


def test_a_change_that_was_rolled_back_is_forgotten() -> None:
    assert settings_service.number("follow_up_days") == 7
    with pytest.raises(KeyError), transaction():
        settings_service.change({"follow_up_days": "9"}, NOW)
        raise KeyError
    assert settings_service.number("follow_up_days") == 7


def test_two_processes_with_one_instance_folder_read_each_others_secrets(app: Flask, config: Config) -> None:
    change(scalev_api_key="sk_shared")
    with create_app(config).app_context():
        assert settings_service.text("scalev_api_key") == "sk_shared"
        db.session.remove()
        db.engine.dispose()


def test_a_key_file_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    assert keys.encryption_key(folder) == keys.encryption_key(folder)
    assert keys.session_key(folder) == keys.session_key(folder) != keys.encryption_key(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["encryption_key", "secret_key"]
