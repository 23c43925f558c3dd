"""The tables. Rows, constraints and read-only properties; the rules stand in services/, the schema in migrations/."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from flask_login import UserMixin
from sqlalchemy import ForeignKey, Index, Numeric, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from database import Model, UtcDateTime, db, engine_options, insert_rows, key_string, raw_bytes, transaction, words
from services.statuses import (
    ArchiveReason,
    ChaseStep,
    ClosedBy,
    DeliveryStatus,
    EventSource,
    EventStatus,
    LeadStatus,
    UserRole,
)

__all__ = [
    "ArchiveReason",
    "ClosedBy",
    "DeliveryStatus",
    "EventSource",
    "EventStatus",
    "LeadStatus",
    "UserRole",
    "UtcDateTime",
    "db",
    "engine_options",
    "insert_rows",
    "transaction",
]

MAX_BODY_BYTES = 1024 * 1024


class Settings(Model):
    """One setting by name. Secrets are stored encrypted (see settings_service)."""

    __tablename__ = "settings"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    value: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime]


class User(UserMixin, Model):  # type: ignore[misc]  # Flask-Login has no types
    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    role: Mapped[UserRole] = mapped_column(words(UserRole))
    password_hash: Mapped[str] = mapped_column(String(255))
    active: Mapped[bool] = mapped_column(default=True)
    session_version: Mapped[int] = mapped_column(default=1)  # raised by a new password: older sessions end
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime | None]

    @property
    def is_active(self) -> bool:
        return self.active

    @property
    def is_admin(self) -> bool:
        return self.role is UserRole.ADMIN

    def get_id(self) -> str:
        return f"{self.id}.{self.session_version}"


class LoginAttempt(Model):
    """A failed login, counted by address and by account to slow down guessing."""

    __tablename__ = "login_attempts"
    __table_args__ = (Index("ix_login_attempts_key_at", "key", "at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(key_string(80))
    at: Mapped[datetime]


class ProductList(Model):
    """The rule product -> Mailketing lists, one list for each role; an empty list means: no delivery for that role."""

    __tablename__ = "product_lists"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255), index=True)
    product_id: Mapped[str] = mapped_column(key_string(120), index=True)
    store_name: Mapped[str | None] = mapped_column(key_string(255))  # None: orders of every store
    follow_up_list_id: Mapped[str | None] = mapped_column(String(40))
    closing_list_id: Mapped[str | None] = mapped_column(String(40))
    not_closing_list_id: Mapped[str | None] = mapped_column(String(40))
    follow_up_days: Mapped[int | None]
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    variants: Mapped[list["ProductListVariant"]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="ProductListVariant.variant_id"
    )

    def list_id_for(self, role: LeadStatus) -> str | None:
        """Return the Mailketing list for a role, None when this product list has none for it."""
        list_id: str | None = getattr(self, f"{role.value}_list_id")
        return list_id


class ProductListVariant(Model):
    """One variant that a product list covers; a product list without any covers its whole product."""

    __tablename__ = "product_list_variants"

    product_list_id: Mapped[int] = mapped_column(ForeignKey("product_lists.id", ondelete="CASCADE"), primary_key=True)
    variant_id: Mapped[str] = mapped_column(key_string(120), primary_key=True, index=True)


class Lead(Model):
    """One buyer for one order. Its status is written by lead_service alone."""

    __tablename__ = "leads"
    __table_args__ = (
        Index("ix_leads_status_due_at", "status", "due_at"),
        # These two hold all that the dashboard counts and adds up, so that it reads no lead for it.
        Index("ix_leads_archived_at_status_ended_at", "archived_at", "status", "ended_at", "gross_revenue"),
        Index(
            "ix_leads_archived_at_ordered_at",
            *("archived_at", "ordered_at", "status", "gross_revenue", "product_name", "handler_name"),
        ),
        Index("ix_leads_payment_status_archived_at_status", "payment_status", "archived_at", "status"),
        Index("ix_leads_ordered_at_id", "ordered_at", "id"),
        Index("ix_leads_status_ordered_at_id", "status", "ordered_at", "id"),
        # What the leads page filters by.
        *(
            Index(f"ix_leads_{name}_ordered_at_id", name, "ordered_at", "id")
            for name in ("product_list_id", "store_name", "handler_name", "payment_method")
        ),
        Index("ix_leads_search", "name", "email", "order_id", "phone"),
        Index("ix_leads_gross_revenue_id", "gross_revenue", "id"),
        Index("ix_leads_status_gross_revenue_id", "status", "gross_revenue", "id"),
        Index("ix_leads_chase_at_id", "chase_at", "id"),
        Index("ix_leads_handler_name_chase_at_id", "handler_name", "chase_at", "id"),
        Index("ix_leads_snoozed_until_id", "snoozed_until", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[str] = mapped_column(key_string(64), unique=True)
    scalev_id: Mapped[str | None] = mapped_column(key_string(64))
    product_list_id: Mapped[int | None] = mapped_column(ForeignKey("product_lists.id", ondelete="SET NULL"))

    status: Mapped[LeadStatus] = mapped_column(words(LeadStatus))
    status_changed_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # when it closed or expired by the order's own dates; None while it is open
    closed_by: Mapped[ClosedBy | None] = mapped_column(words(ClosedBy))
    archived_at: Mapped[datetime | None]
    archive_reason: Mapped[ArchiveReason | None] = mapped_column(words(ArchiveReason))
    manual_seen: Mapped[dict[str, Any] | None]  # the news that a person had before them when they last moved the lead
    no_transfer: Mapped[bool] = mapped_column(default=False)  # taken in by an import that adds nobody to a list
    restarted_at: Mapped[datetime | None]  # when a person last put the lead back into follow up
    follow_up_start: Mapped[datetime]
    due_at: Mapped[datetime]

    # The chase, written by chase_service and contact_service alone.
    chase_at: Mapped[datetime | None]  # when a person is to chase the buyer next; None: not to be chased
    chased_at: Mapped[datetime | None]
    chased_step: Mapped[ChaseStep | None] = mapped_column(words(ChaseStep))
    snoozed_until: Mapped[datetime | None]

    # The order as it is now known. What each value was last said by stands in field_stamps and news (order_news).
    ordered_at: Mapped[datetime]
    deleted_stamp: Mapped[str | None] = mapped_column(String(60))
    order_status: Mapped[str | None] = mapped_column(String(30))
    payment_status: Mapped[str | None] = mapped_column(String(30))
    payment_method: Mapped[str | None] = mapped_column(String(60))
    paid_at: Mapped[datetime | None]
    gross_revenue: Mapped[Decimal | None] = mapped_column(Numeric(15, 2))
    quantity: Mapped[int | None]
    product_name: Mapped[str | None] = mapped_column(String(255))
    store_name: Mapped[str | None] = mapped_column(key_string(255))
    handler_name: Mapped[str | None] = mapped_column(String(255))
    bank_name: Mapped[str | None] = mapped_column(String(120))
    account_number: Mapped[str | None] = mapped_column(String(60))
    account_holder: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str | None] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(254), index=True)
    email_given: Mapped[str | None] = mapped_column(String(254))  # as the buyer typed it, usable or not
    phone: Mapped[str | None] = mapped_column(String(20), index=True)
    phone_given: Mapped[str | None] = mapped_column(String(60))
    repairs: Mapped[dict[str, Any] | None]  # what a person put in place of what ScaleV says (buyer_service)
    field_stamps: Mapped[dict[str, Any]] = mapped_column(default=dict)
    news: Mapped[list[Any]] = mapped_column(default=list)

    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column()  # a change of a row that is not as it was read is refused

    product_list: Mapped[ProductList | None] = relationship()
    lines: Mapped[list["OrderLine"]] = relationship(
        back_populates="lead", cascade="all, delete-orphan", passive_deletes=True, order_by="OrderLine.id"
    )
    history: Mapped[list["LeadHistory"]] = relationship(
        back_populates="lead", passive_deletes=True, order_by="LeadHistory.id"
    )
    deliveries: Mapped[list["Delivery"]] = relationship(
        back_populates="lead", passive_deletes=True, order_by="Delivery.id"
    )

    __mapper_args__ = {"version_id_col": version}

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None

    @property
    def needs_payment_check(self) -> bool:
        """ScaleV could not match the transfer ("conflict"): a person has to look."""
        return self.payment_status == "conflict"


class OrderLine(Model):
    """One line of the order: what a product list is matched by, and the label that the buyer saw."""

    __tablename__ = "order_lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"), index=True)
    variant_unique_id: Mapped[str | None] = mapped_column(key_string(120), index=True)
    variant_id: Mapped[str | None] = mapped_column(key_string(40), index=True)
    product_id: Mapped[str | None] = mapped_column(key_string(120), index=True)
    sku: Mapped[str | None] = mapped_column(key_string(120), index=True)
    product_name: Mapped[str | None] = mapped_column(key_string(255), index=True)
    quantity: Mapped[int | None]

    lead: Mapped[Lead] = relationship(back_populates="lines")


class LeadHistory(Model):
    """One change of a lead: status, archive or window, with who or what caused it."""

    __tablename__ = "lead_history"

    id: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"), index=True)
    event_id: Mapped[int | None] = mapped_column(ForeignKey("webhook_events.id", ondelete="SET NULL"), index=True)
    from_status: Mapped[LeadStatus | None] = mapped_column(words(LeadStatus))  # None: the lead was made here
    to_status: Mapped[LeadStatus] = mapped_column(words(LeadStatus))
    at: Mapped[datetime] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(String(40))
    actor: Mapped[str] = mapped_column(String(254))
    note: Mapped[str | None] = mapped_column(String(1000))

    lead: Mapped[Lead] = relationship(back_populates="history")


class WebhookEvent(Model):
    """One inbound event as received. The body is never changed."""

    __tablename__ = "webhook_events"
    __table_args__ = (
        Index("ix_webhook_events_status_next_try_at", "status", "next_try_at"),
        Index("ix_webhook_events_status_reason", "status", "reason"),
        Index("ix_webhook_events_order_id_status", "order_id", "status"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[EventSource] = mapped_column(words(EventSource))
    dedupe_key: Mapped[str] = mapped_column(key_string(64), unique=True)  # SHA-256 hex, of unique_id or of the body
    unique_id: Mapped[str | None] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(String(120), index=True)
    order_id: Mapped[str | None] = mapped_column(key_string(64))
    body: Mapped[bytes | None] = mapped_column(raw_bytes())
    matched_secret: Mapped[str | None] = mapped_column(String(10))  # current or previous
    sent_at: Mapped[datetime | None]
    received_at: Mapped[datetime] = mapped_column(index=True)
    duplicates: Mapped[int] = mapped_column(default=0)

    status: Mapped[EventStatus] = mapped_column(words(EventStatus))
    reason: Mapped[str | None] = mapped_column(String(40))
    error: Mapped[str | None] = mapped_column(Text)
    tries: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime | None]
    processed_at: Mapped[datetime | None]
    lead_id: Mapped[int | None] = mapped_column(ForeignKey("leads.id", ondelete="SET NULL"), index=True)

    lead: Mapped[Lead | None] = relationship()


class Delivery(Model):
    """One intended "add this address to this list", at most one for each lead and role."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("lead_id", "role"),
        Index("ix_deliveries_status_next_attempt_at", "status", "next_attempt_at"),
        Index("ix_deliveries_status_reason", "status", "reason"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    lead_id: Mapped[int] = mapped_column(ForeignKey("leads.id", ondelete="CASCADE"))
    role: Mapped[LeadStatus] = mapped_column(words(LeadStatus))
    email: Mapped[str | None] = mapped_column(String(254), index=True)
    list_id: Mapped[str | None] = mapped_column(String(40))
    status: Mapped[DeliveryStatus] = mapped_column(words(DeliveryStatus))
    reason: Mapped[str | None] = mapped_column(String(40))
    message: Mapped[str | None] = mapped_column(String(500))  # Mailketing's own words, redacted
    tries: Mapped[int] = mapped_column(default=0)  # those that used up the schedule
    next_attempt_at: Mapped[datetime | None]
    claimed_at: Mapped[datetime | None]
    claimed_by: Mapped[str | None] = mapped_column(String(120))
    sent_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    lead: Mapped[Lead] = relationship(back_populates="deliveries")
    attempts: Mapped[list["DeliveryAttempt"]] = relationship(
        back_populates="delivery", passive_deletes=True, order_by="DeliveryAttempt.id"
    )


class DeliveryAttempt(Model):
    """One HTTP try. Made before the call, so that a crash leaves a trace of what may have been sent."""

    __tablename__ = "delivery_attempts"

    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"), index=True)
    started_at: Mapped[datetime]
    duration_ms: Mapped[int | None]
    http_status: Mapped[int | None]
    kind: Mapped[str | None] = mapped_column(String(20))  # None while under way; "interrupted" after a release
    answer: Mapped[str | None] = mapped_column(Text)

    delivery: Mapped[Delivery] = relationship(back_populates="attempts")


class ListMember(Model):
    """The ledger of who is on which list by us: its primary key makes a second add of the same address impossible."""

    __tablename__ = "list_members"

    list_id: Mapped[str] = mapped_column(key_string(40), primary_key=True)
    email: Mapped[str] = mapped_column(key_string(254), primary_key=True)
    delivery_id: Mapped[int | None] = mapped_column(ForeignKey("deliveries.id", ondelete="SET NULL"), index=True)
    added_at: Mapped[datetime | None]  # None while a delivery is on its way there


class Suppression(Model):
    """An address that we must not send."""

    __tablename__ = "suppressions"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(key_string(254), unique=True)
    reason: Mapped[str] = mapped_column(String(40))
    note: Mapped[str | None] = mapped_column(String(500))
    until: Mapped[datetime | None]  # None: for good
    created_at: Mapped[datetime]


class AccountHold(Model):
    """The one pause of all deliveries while Mailketing refuses the account (bad token, no credits)."""

    __tablename__ = "account_hold"

    id: Mapped[int] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(500))
    since: Mapped[datetime]
    checked_at: Mapped[datetime]


class Lease(Model):
    """Keeps one scheduler active at a time, over all processes and hosts."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(120))
    until: Mapped[datetime]


class Heartbeat(Model):
    """When a job last began, ended and ended well, or when a sign of life last came (name: webhook-test)."""

    __tablename__ = "heartbeats"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    summary: Mapped[str | None] = mapped_column(String(500))
    error: Mapped[str | None] = mapped_column(String(500))
