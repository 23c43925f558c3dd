"""Which process runs the scheduled jobs: one at a time, over all processes and hosts that share the database."""

from datetime import datetime, timedelta

from sqlalchemy import delete, or_, update
from sqlalchemy.exc import IntegrityError

from models import Lease, db, transaction

NAME = "scheduler"
LIFE = timedelta(seconds=60)


def acquire(owner: str, now: datetime) -> bool:
    """Take or renew the lease; whether it is ours. One that was not renewed for a minute is free."""
    free = or_(Lease.owner == owner, Lease.until < now)
    try:
        with transaction() as session:
            values = {"owner": owner, "until": now + LIFE}
            taken = session.execute(update(Lease).where(Lease.name == NAME, free).values(values))
            if taken.rowcount == 1:  # type: ignore[attr-defined]
                return True
            if session.get(Lease, NAME) is not None:
                return False
            session.add(Lease(name=NAME, **values))
    except IntegrityError:  # another process made the row between our look and our insert
        return False
    return True


def is_held(now: datetime) -> bool:
    """Whether some process runs the scheduled jobs."""
    lease = db.session.get(Lease, NAME)
    return lease is not None and lease.until >= now


def release(owner: str) -> None:
    """Give the lease back when the scheduler stops, so that another process need not wait for its end."""
    with transaction() as session:
        session.execute(delete(Lease).where(Lease.name == NAME, Lease.owner == owner))
