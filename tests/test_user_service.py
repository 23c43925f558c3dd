from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.security import generate_password_hash

from models import LoginAttempt, User, UserRole, db, transaction
from services import user_service
from services.errors import NotFound, UserError
from services.rate_limit import TooManyTries
from tests.builders import PASSWORD, make_user

HERE = "127.0.0.1"
pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def _guess(now: datetime, email: str = "budi@example.com", address: str = HERE) -> None:
    with pytest.raises(UserError, match="is wrong"):
        user_service.authenticate(email, "not the password", address, now)


def test_a_user_is_stored_with_a_tidy_email_and_a_scrypt_hash(now: datetime) -> None:
    user = user_service.create("  Budi@Example.COM ", PASSWORD, UserRole.CS, now)
    assert (user.email, user.role, user.active) == ("budi@example.com", UserRole.CS, True)
    assert user.password_hash.startswith("scrypt:32768:8:1$")
    assert PASSWORD not in user.password_hash


@pytest.mark.parametrize("email", ["", "budi", "@example.com", "budi@", "bu di@example.com", "a@" + "x" * 300])
def test_an_unusable_email_is_refused(email: str, now: datetime) -> None:
    with pytest.raises(UserError, match="not an e-mail"):
        user_service.create(email, PASSWORD, UserRole.CS, now)


def test_the_same_email_twice_is_refused_whatever_its_case(now: datetime) -> None:
    user_service.create("budi@example.com", PASSWORD, UserRole.CS, now)
    with pytest.raises(UserError, match="already"):
        user_service.create("BUDI@example.com", PASSWORD, UserRole.CS, now)


@pytest.mark.parametrize(("password", "complaint"), [("1234567", "too short"), ("x" * 257, "too long")])
def test_a_password_of_the_wrong_length_is_refused(password: str, complaint: str, now: datetime) -> None:
    with pytest.raises(UserError, match=complaint):
        user_service.create("budi@example.com", password, UserRole.CS, now)
    assert not user_service.any_user()


def test_a_password_of_eight_characters_is_enough(now: datetime) -> None:
    assert user_service.create("budi@example.com", "12345678", UserRole.CS, now)


def test_the_right_password_lets_in_and_is_remembered_as_a_login(now: datetime) -> None:
    make_user("budi@example.com")
    user = user_service.authenticate(" Budi@example.com", PASSWORD, HERE, now)
    assert (user.email, user.last_login_at) == ("budi@example.com", now)


def test_a_wrong_password_and_an_unknown_email_are_refused_in_the_same_words(now: datetime) -> None:
    make_user("budi@example.com")
    with pytest.raises(UserError) as wrong:
        user_service.authenticate("budi@example.com", "not the password", HERE, now)
    with pytest.raises(UserError) as unknown:
        user_service.authenticate("nobody@example.com", "not the password", HERE, now)
    assert str(wrong.value) == str(unknown.value)


def test_an_unknown_email_costs_a_hash_like_a_known_one(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    monkeypatch.setattr(user_service, "check_password_hash", lambda stored, _: bool(checked.append(stored)))
    _guess(now, "nobody@example.com")
    assert [stored.split("$")[0] for stored in checked] == [generate_password_hash("x").split("$")[0]]


def test_a_user_who_is_switched_off_stays_out(now: datetime) -> None:
    make_user("budi@example.com", active=False)
    with pytest.raises(UserError, match="is wrong"):
        user_service.authenticate("budi@example.com", PASSWORD, HERE, now)


def test_ten_wrong_guesses_for_an_email_lock_it_for_an_hour_from_everywhere(now: datetime) -> None:
    make_user("budi@example.com")
    for number in range(10):
        _guess(now, address=f"10.0.0.{number}")
    with pytest.raises(TooManyTries):
        user_service.authenticate("budi@example.com", PASSWORD, "10.0.0.99", now + timedelta(minutes=59))
    assert user_service.authenticate("budi@example.com", PASSWORD, "10.0.0.99", now + timedelta(minutes=61))


def test_an_unknown_email_is_locked_like_a_known_one(now: datetime) -> None:
    for _ in range(10):
        _guess(now, "nobody@example.com")
    with pytest.raises(TooManyTries):
        user_service.authenticate("nobody@example.com", PASSWORD, HERE, now)


def test_twenty_wrong_guesses_from_an_address_lock_it_for_an_hour(now: datetime) -> None:
    make_user("budi@example.com")
    for number in range(20):
        _guess(now, f"guess{number}@example.com")
    with pytest.raises(TooManyTries):
        user_service.authenticate("budi@example.com", PASSWORD, HERE, now)
    assert user_service.authenticate("budi@example.com", PASSWORD, "10.0.0.1", now)


def test_twenty_wrong_guesses_in_a_day_lock_an_email_for_that_day(now: datetime) -> None:
    for hour in range(20):
        _guess(now + timedelta(hours=hour * 1.1))
    with pytest.raises(TooManyTries):
        user_service.authenticate("budi@example.com", PASSWORD, HERE, now + timedelta(hours=23))


def test_a_good_login_uses_up_no_try(now: datetime) -> None:
    make_user("budi@example.com")
    for _ in range(30):
        user_service.authenticate("budi@example.com", PASSWORD, HERE, now)
    assert db.session.scalar(select(LoginAttempt.id)) is None


def test_old_tries_are_forgotten(now: datetime) -> None:
    _guess(now)
    _guess(now + timedelta(days=2))
    assert set(db.session.scalars(select(LoginAttempt.at))) == {now + timedelta(days=2)}


def test_no_email_stands_in_the_table_of_tries(now: datetime) -> None:
    _guess(now)
    assert not any("budi" in key for key in db.session.scalars(select(LoginAttempt.key)))


def test_a_new_password_replaces_the_old_and_ends_sessions(now: datetime) -> None:
    user = make_user("budi@example.com")
    session_id = user.get_id()
    assert user_service.for_session(session_id) == user
    user_service.reset_password("BUDI@example.com", "teh tarik manis")
    assert user_service.for_session(session_id) is None
    assert user_service.authenticate("budi@example.com", "teh tarik manis", HERE, now)
    _guess(now)


def test_a_new_password_for_nobody_is_not_found() -> None:
    with pytest.raises(NotFound):
        user_service.reset_password("nobody@example.com", PASSWORD)


@pytest.mark.parametrize("session_id", ["", "1", "1.", "x.1", "1.2", "-1.1", "99.1", "1.1.1"])
def test_a_made_up_session_is_nobodys(session_id: str) -> None:
    make_user()
    assert user_service.for_session(session_id) is None


def test_a_session_of_a_user_who_was_switched_off_ends() -> None:
    user = make_user()
    session_id = user.get_id()
    with transaction():
        user.active = False
    assert user_service.for_session(session_id) is None


def test_users_are_listed_by_email() -> None:
    for email in ("sari@example.com", "budi@example.com"):
        make_user(email)
    assert [user.email for user in user_service.listing()] == ["budi@example.com", "sari@example.com"]


def test_the_first_admin_is_made_once_only(now: datetime) -> None:
    first = user_service.ensure_admin("budi@example.com", PASSWORD, now)
    assert first is not None and first.is_admin
    assert user_service.ensure_admin("sari@example.com", PASSWORD, now) is None
    assert db.session.scalars(select(User.email)).all() == ["budi@example.com"]


def test_the_setup_token_stays_the_same_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    token = user_service.setup_token(tmp_path)
    assert token and len(token) >= 40
    assert user_service.setup_token(tmp_path) == token
    assert (tmp_path / "setup_token").stat().st_mode & 0o777 == 0o600


def test_there_is_no_setup_token_once_a_user_exists(app: Flask, tmp_path: Path) -> None:
    make_user()
    assert user_service.setup_token(tmp_path) is None
    assert not (tmp_path / "setup_token").exists()


def test_the_setup_token_makes_one_admin_and_ends(tmp_path: Path, now: datetime) -> None:
    token = user_service.setup_token(tmp_path)
    assert token
    admin = user_service.create_first_admin(tmp_path, f" {token}\n", "budi@example.com", PASSWORD, now)
    assert admin.is_admin
    assert not (tmp_path / "setup_token").exists()
    with pytest.raises(UserError):
        user_service.create_first_admin(tmp_path, token, "sari@example.com", PASSWORD, now)


@pytest.mark.parametrize("token", ["", "guess", "tökén"])
def test_a_wrong_setup_token_makes_nobody(token: str, tmp_path: Path, now: datetime) -> None:
    with pytest.raises(UserError, match="not the set-up token"):
        user_service.create_first_admin(tmp_path, token, "budi@example.com", PASSWORD, now)
    assert not user_service.any_user()


def test_a_refused_password_leaves_the_setup_token_in_force(tmp_path: Path, now: datetime) -> None:
    token = user_service.setup_token(tmp_path)
    assert token
    with pytest.raises(UserError, match="too short"):
        user_service.create_first_admin(tmp_path, token, "budi@example.com", "short", now)
    assert user_service.setup_token(tmp_path) == token
