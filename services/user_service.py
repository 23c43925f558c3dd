"""Accounts: the only writer of users, and the one place where passwords are checked."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from sqlalchemy import select
from werkzeug.security import check_password_hash, generate_password_hash

from config import MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH, USER_EMAIL
from models import User, UserRole, db, transaction
from services import keys, rate_limit
from services.errors import NotFound, UserError
from services.rate_limit import Limit

SETUP_TOKEN_FILE = "setup_token"  # noqa: S105 (a file's name)


def any_user() -> bool:
    """Whether anybody can log in, so that set-up is over."""
    return db.session.scalar(select(User.id).limit(1)) is not None


def listing() -> list[User]:
    """All users by e-mail."""
    return list(db.session.scalars(select(User).order_by(User.email)))


def create(email: str, password: str, role: UserRole, now: datetime) -> User:
    """Create a user who can log in at once.

    Raises:
        UserError: the e-mail is unusable or taken, or the password too short.
    """
    email = _usable_email(email)
    password_hash = _hash(password)
    with transaction() as session:
        if session.scalar(select(User.id).where(User.email == email)):
            raise UserError("There is a user with this e-mail already.")
        user: User = User(email=email, role=role, password_hash=password_hash, created_at=now)
        session.add(user)
    return user


def reset_password(email: str, password: str) -> User:
    """Set a new password and end all sessions of this user.

    Raises:
        NotFound: nobody has this e-mail.
        UserError: the password is too short.
    """
    password_hash = _hash(password)
    with transaction() as session:
        user: User | None = session.scalar(select(User).where(User.email == normalise_email(email)))
        if user is None:
            raise NotFound("There is no user with this e-mail.")
        user.password_hash = password_hash
        user.session_version += 1
    return user


def authenticate(email: str, password: str, address: str, now: datetime) -> User:
    """Return the user whose e-mail and password these are.

    Args:
        email: as typed.
        password: as typed.
        address: the client's network address, for the rate limit.
        now: the operation's one clock reading.

    Raises:
        TooManyTries: from this address or for this e-mail; the password was not looked at.
        UserError: wrong e-mail or password, in words and after a time that don't tell which.
    """
    email = normalise_email(email)
    limits = _login_limits(email, address)
    rate_limit.take(limits, now)
    unknown = _hash_of_nobody()
    user: User | None = db.session.scalar(select(User).where(User.email == email))
    fits = check_password_hash(user.password_hash if user else unknown, password[:MAX_PASSWORD_LENGTH])
    if user is None or not fits or not user.active:
        raise UserError("The e-mail or the password is wrong.")
    with transaction():
        rate_limit.give_back(limits, now)
        user.last_login_at = now
    return user


def for_session(session_id: str) -> User | None:
    """Return the user of a session, None when it was ended by a new password or the user was switched off."""
    number, _, version = session_id.partition(".")
    user = db.session.get(User, int(number)) if number.isdecimal() else None
    return user if user and user.active and str(user.session_version) == version else None


def ensure_admin(email: str, password: str, now: datetime) -> User | None:
    """Create the first admin, unless there is a user already.

    Raises:
        UserError: as for `create`.
    """
    with transaction():
        return None if any_user() else create(email, password, UserRole.ADMIN, now)


def setup_token(folder: Path) -> str | None:
    """Return the one-time token for /setup, made when there is none yet; None once a user exists.

    Args:
        folder: the instance folder; who can read it may become the first admin.
    """
    if any_user():
        return None
    return keys.read_or_make(folder / SETUP_TOKEN_FILE, secrets.token_urlsafe(32))


def create_first_admin(folder: Path, token: str, email: str, password: str, now: datetime) -> User:
    """Create the first admin for who knows the set-up token; the token ends with it.

    Raises:
        UserError: wrong token, an account exists already, or as for `create`.
    """
    expected = setup_token(folder)
    if not expected or not hmac.compare_digest(expected.encode(), token.strip().encode()):
        raise UserError("This is not the set-up token. Copy it from the program's console.")
    admin = ensure_admin(email, password, now)
    if admin is None:
        raise UserError("The set-up is done already. Log in instead.")
    (folder / SETUP_TOKEN_FILE).unlink(missing_ok=True)
    return admin


def normalise_email(text: str) -> str:
    """Return an e-mail as it is stored and compared."""
    return text.strip().lower()


def _usable_email(text: str) -> str:
    email = normalise_email(text)
    if not USER_EMAIL.fullmatch(email):
        raise UserError("This is not an e-mail address.")
    return email


def _hash(password: str) -> str:
    if len(password) < MIN_PASSWORD_LENGTH:
        raise UserError("The password is too short.")
    if len(password) > MAX_PASSWORD_LENGTH:
        raise UserError("The password is too long.")
    return generate_password_hash(password)


@cache
def _hash_of_nobody() -> str:
    """A hash that costs as much to check as a real one, so that unknown e-mails take as long as known ones."""
    return generate_password_hash(secrets.token_urlsafe(16))


def _login_limits(email: str, address: str) -> list[Limit]:
    # Hashed, because an e-mail may be longer than the column and a typed one need not be anybody's.
    account = f"email:{hashlib.sha256(email.encode()).hexdigest()}"
    return [
        Limit(f"address:{address}"[:80], 20, timedelta(hours=1)),
        Limit(account, 10, timedelta(hours=1)),
        Limit(account, 20, timedelta(days=1)),
    ]
