"""The words that rows and rules share. Values are stored; pure modules may import them."""

from enum import StrEnum


class LeadStatus(StrEnum):
    """A lead's status, and also a delivery's role: why we add its buyer to a list."""

    FOLLOW_UP = "follow_up"
    CLOSING = "closing"
    NOT_CLOSING = "not_closing"


class ArchiveReason(StrEnum):
    SPAM = "spam"
    DELETED = "deleted"
    CANCELED = "canceled"
    MANUAL = "manual"


class ClosedBy(StrEnum):
    """Why a lead is closing: a person's closing stays when ScaleV says unpaid again, money's does not."""

    PAYMENT = "payment"
    MANUAL = "manual"


class CanceledPolicy(StrEnum):
    """What a canceled order does to its lead: nothing, transfer at once, or leave every queue."""

    KEEP = "keep"
    TRANSFER = "transfer"
    ARCHIVE = "archive"


class EventSource(StrEnum):
    WEBHOOK = "webhook"
    RECONCILE = "reconcile"
    IMPORT = "import"


class EventStatus(StrEnum):
    RECEIVED = "received"
    PROCESSED = "processed"
    IGNORED = "ignored"
    WAITING = "waiting"
    FAILED = "failed"
    DEAD = "dead"


class DeliveryStatus(StrEnum):
    BLOCKED = "blocked"
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    SKIPPED = "skipped"
    FAILED = "failed"
    CANCELLED = "cancelled"


class UserRole(StrEnum):
    ADMIN = "admin"
    CS = "cs"
