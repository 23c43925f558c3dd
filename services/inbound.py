"""What a body in the inbox is and says, before it is stored and after. Pure."""

from dataclasses import dataclass
from datetime import datetime

from services import webhook_body
from services.order_snapshot import OrderSnapshot, read_order, read_order_id
from services.statuses import EventSource
from services.webhook_body import BadBody, Envelope

_ORDER_PREFIXES = ("order.", "payment.")


@dataclass(frozen=True, slots=True)
class Message:
    """What a body says: an envelope, and an order where it names one; or why it is no webhook.

    `failure` is a fault of our own in reading it: whoever acts on the message raises it, so that it is recorded on its
    event and tried again, and costs neither the event nor those that came with it.
    """

    envelope: Envelope | None = None
    snapshot: OrderSnapshot | None = None
    problem: BadBody | None = None
    failure: Exception | None = None

    @property
    def order_id(self) -> str | None:
        if self.snapshot is None and self.failure and self.envelope:
            return read_order_id(self.envelope.data)
        return self.snapshot.order_id if self.snapshot else None

    @property
    def is_about_orders(self) -> bool:
        return self.envelope is not None and self.envelope.name.startswith(_ORDER_PREFIXES)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A body as it came."""

    body: bytes
    matched_secret: str | None
    source: EventSource
    received_at: datetime
    dedupe_key: str
    message: Message


@dataclass(frozen=True, slots=True)
class Inbound:
    """A stored event as the rules need it, whether it has just come or was read from the inbox."""

    id: int
    source: EventSource
    dedupe_key: str
    received_at: datetime
    message: Message


def read(body: bytes, matched_secret: str | None, source: EventSource, now: datetime) -> Arrival:
    """Read a body that came now, whatever it holds."""
    message = read_message(body)
    unique_id = message.envelope.unique_id if message.envelope else None
    return Arrival(body, matched_secret, source, now, webhook_body.dedupe_key(unique_id, body), message)


def read_message(body: bytes) -> Message:
    """Read what a body says; one that is no webhook has a problem instead of an envelope."""
    try:
        envelope = webhook_body.parse(body)
    except BadBody as problem:
        return Message(problem=problem)
    try:
        return Message(envelope, read_order(envelope.name, envelope.data))
    except Exception as failure:  # of what nobody thought of; see Message
        return Message(envelope, failure=failure)
