"""From the raw bytes of a webhook to its envelope. Pure."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from services.contacts import clean_text
from services.order_snapshot import read_moment

TEST_EVENT = "business.test_event"
_MAX_INTEGER_DIGITS = 30


class BadBody(Exception):
    """The body is not a webhook; `code` is short and stored as the event's reason."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Envelope:
    """What surrounds an event's data (ScaleV docs): its name, its id, which stays the same over retries, its moment.

    `transfer_unpaid` is our own: an import's choice, kept with each order that it brings.
    """

    name: str
    unique_id: str | None
    sent_at: datetime | None
    data: dict[str, Any]
    transfer_unpaid: bool = False


def parse(body: bytes) -> Envelope:
    """Read a webhook's body.

    Raises:
        BadBody: not JSON (NaN and Infinity are not JSON), not an object, or without an event name.
    """
    document = _load(body)
    if not isinstance(document, dict):
        raise BadBody("not_an_object", "The body must be a JSON object.")
    name = clean_text(document.get("event"), 120) if isinstance(document.get("event"), str) else ""
    if not name:
        raise BadBody("no_event_name", 'The body needs an "event" that is a non-empty text.')
    data = document.get("data")
    return Envelope(
        name=name,
        unique_id=_identifier(document.get("unique_id")),
        sent_at=read_moment(document.get("timestamp")),
        data=data if isinstance(data, dict) else {},
        transfer_unpaid=document.get("transfer_unpaid") is True,
    )


def dedupe_key(unique_id: str | None, body: bytes) -> str:
    """Return what makes an event itself: a digest of its unique id, else of its body.

    A digest because ids then compare byte for byte on every database, however long or odd they are.
    """
    if unique_id is not None:
        return hashlib.sha256(b"id:" + unique_id.encode("utf-8", "surrogatepass")).hexdigest()
    return hashlib.sha256(b"body:" + body).hexdigest()


def _identifier(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _load(body: bytes) -> object:
    try:
        return json.loads(body, parse_float=_read_number, parse_int=_read_integer, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # ValueError covers bad JSON and bad UTF-8
        raise BadBody("not_json", "The body is not JSON.") from error


def _read_integer(digits: str) -> int | Decimal:
    """Python refuses to read thousands of digits; a Decimal reads any number and is then out of every range."""
    return int(digits) if len(digits) <= _MAX_INTEGER_DIGITS else Decimal(digits)


def _read_number(digits: str) -> Decimal | None:
    try:
        return Decimal(digits)
    except InvalidOperation:  # an exponent beyond every Decimal: valid JSON, of no use to us
        return None


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
