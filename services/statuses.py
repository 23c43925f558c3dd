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


class ChaseStep(StrEnum):
    """The texts of the follow-up window, in their order: after so many days, and shortly before it ends."""

    H0 = "h0"
    H1 = "h1"
    H3 = "h3"
    H6 = "h6"
    LAST = "last"


class ContactKind(StrEnum):
    """What a person did about a lead; the last three are what came of talking to the buyer."""

    WHATSAPP = "whatsapp"
    NOTE = "note"
    SNOOZE = "snooze"
    PROMISED = "promised"
    NO_ANSWER = "no_answer"
    CALLED_OFF = "called_off"


class BulkDeed(StrEnum):
    """What can be done to many rows at once: to leads, to deliveries, to events."""

    MOVE_FOLLOW_UP = "move_follow_up"
    MOVE_CLOSING = "move_closing"
    MOVE_NOT_CLOSING = "move_not_closing"
    ARCHIVE = "archive"
    RETRY_LEADS = "retry_leads"
    RETRY_DELIVERIES = "retry"
    REPLAY_EVENTS = "replay"


class BulkStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class UserRole(StrEnum):
    ADMIN = "admin"
    CS = "cs"
