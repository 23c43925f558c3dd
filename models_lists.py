"""What people keep and do on the lists of leads, deliveries and events: saved views, and deeds on many rows at once."""

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
    actor: Mapped[str] = mapped_column(String(254))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
