"""Limits on how often something may be tried, counted in the database so that all processes share them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select

from models import LoginAttempt, db, transaction
from services.errors import UserError

LONGEST_WINDOW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `tries` tries under one key within `window`, which is at most `LONGEST_WINDOW`."""

    key: str
    tries: int
    window: timedelta


class TooManyTries(UserError):
    """A limit is used up."""


def take(limits: Sequence[Limit], now: datetime) -> None:
    """Count one try under each key; a refused one is not counted, so that waiting helps.

    Counted before the work begins: guesses that run at the same time can't slip through together.

    Raises:
        TooManyTries: one of the limits is used up.
    """
    with transaction() as session:
        session.execute(delete(LoginAttempt).where(LoginAttempt.at < now - LONGEST_WINDOW))
        if any(_count(limit, now) >= limit.tries for limit in limits):
            raise TooManyTries("Too many tries. Wait a while, then try again.")
        session.add_all(LoginAttempt(key=key, at=now) for key in {limit.key for limit in limits})


def give_back(limits: Sequence[Limit], now: datetime) -> None:
    """Forget the try that was counted at `now`, because it turned out to be no guess."""
    keys = {limit.key for limit in limits}
    with transaction() as session:
        session.execute(delete(LoginAttempt).where(LoginAttempt.key.in_(keys), LoginAttempt.at == now))


def _count(limit: Limit, now: datetime) -> int:
    recent = (LoginAttempt.key == limit.key) & (LoginAttempt.at > now - limit.window)
    return db.session.scalar(select(func.count()).select_from(LoginAttempt).where(recent)) or 0
