"""What people keep and begin: saved views of the leads, deeds on many rows at once, imports of past orders."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from database import Model, key_string, words
from services.statuses import BulkDeed, BulkStatus


class SavedView(Model):
    """A filter of the leads page under a name of its own, for the person who saved it."""

    __tablename__ = "saved_views"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(key_string(60))
    filter: Mapped[dict[str, Any]]  # as it stands in the address
    created_at: Mapped[datetime]


class BulkRun(Model):
    """One deed on many rows: which, how far it is, and what was refused."""

    __tablename__ = "bulk_runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    deed: Mapped[BulkDeed] = mapped_column(words(BulkDeed))
    ids: Mapped[list[Any]]
    note: Mapped[str | None] = mapped_column(String(1000))
    position: Mapped[int]  # how many of the rows are done
    done: Mapped[int]
    refused: Mapped[list[Any]]  # [number of the row, why], the first so many
    refused_count: Mapped[int]
    status: Mapped[BulkStatus] = mapped_column(words(BulkStatus))
    claimed_until: Mapped[datetime | None]  # while somebody works off the next rows
    actor: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]


class OrderImport(Model):
    """One import of past orders, asked for by a person: its range, how far it is, and how it ended."""

    __tablename__ = "order_imports"

    id: Mapped[int] = mapped_column(primary_key=True)
    since: Mapped[datetime]
    until: Mapped[datetime]
    transfer_unpaid: Mapped[bool] = mapped_column(default=False)  # whether old unpaid orders are also added to lists
    cursor: Mapped[str | None] = mapped_column(String(1000))
    seen: Mapped[int] = mapped_column(default=0)
    recorded: Mapped[int] = mapped_column(default=0)
    reached: Mapped[datetime | None]  # the oldest order seen so far; ScaleV lists the newest first
    status: Mapped[str] = mapped_column(String(20))  # running, done, cancelled or failed
    problem: Mapped[str | None] = mapped_column(String(500))
    actor: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
