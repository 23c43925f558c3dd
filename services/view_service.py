"""Saved views: filters of the leads page under names, each person's own. The only writer of them."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from models import db, transaction
from models_people import SavedView
from services.contacts import clean_text
from services.errors import NotFound, UserError

MAX_VIEWS = 20
NAME_LENGTH = 60


def views_of(user_id: int) -> list[SavedView]:
    """Return a person's views by name."""
    return list(db.session.scalars(select(SavedView).where(SavedView.user_id == user_id).order_by(SavedView.name)))


def save(user_id: int, name: str, args: Mapping[str, str], now: datetime) -> SavedView:
    """Keep a filter under a name; a view of that name gives way.

    Args:
        user_id: whose view it is.
        name: what it is called.
        args: the filter as it stands in an address (LeadFilter.args).
        now: the operation's one clock reading.

    Raises:
        UserError: it has no name, or there are too many already.
    """
    name = clean_text(name, NAME_LENGTH)
    if not name:
        raise UserError("Give the view a name.")
    try:
        return _write(user_id, name, args, now)
    except IntegrityError:  # the same person saved the same name in another window at once
        return _write(user_id, name, args, now)


def delete_view(user_id: int, view_id: int) -> None:
    """Forget a view.

    Raises:
        NotFound: this person has no such view.
    """
    with transaction() as session:
        own = delete(SavedView).where(SavedView.id == view_id, SavedView.user_id == user_id)
        if session.execute(own).rowcount != 1:  # type: ignore[attr-defined]
            raise NotFound("There is no such view.")


def _write(user_id: int, name: str, args: Mapping[str, str], now: datetime) -> SavedView:
    with transaction() as session:
        row = session.scalar(select(SavedView).where(SavedView.user_id == user_id, SavedView.name == name))
        if row is None:
            if _count(user_id) >= MAX_VIEWS:
                raise UserError("These are too many views. Delete one first.")
            row = SavedView(user_id=user_id, name=name)
            session.add(row)
        row.filter, row.created_at = dict(args), now
    return row


def _count(user_id: int) -> int:
    own = select(func.count()).select_from(SavedView).where(SavedView.user_id == user_id)
    return db.session.scalar(own) or 0
