"""Addresses that we must not send, because they bounced, unsubscribed or are refused. Their only writer."""

from datetime import datetime

from sqlalchemy import or_, select

from models import Suppression, db, transaction


def find(email: str, now: datetime) -> Suppression | None:
    """Return the suppression that stands for an address at this moment."""
    in_force = or_(Suppression.until.is_(None), Suppression.until > now)
    return db.session.scalar(select(Suppression).where(Suppression.email == email, in_force))


def suppress(email: str, reason: str, note: str | None, now: datetime) -> None:
    """Refuse an address for good; an earlier, shorter suppression is replaced."""
    with transaction() as session:
        row = session.scalar(select(Suppression).where(Suppression.email == email))
        if row is None:
            row = Suppression(email=email, created_at=now)
            session.add(row)
        row.reason, row.note, row.until = reason, note, None
