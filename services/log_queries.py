"""What the events and deliveries pages show: rows filtered by their own columns. Reads only."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import defer, joinedload, selectinload
from sqlalchemy.orm.interfaces import LoaderOption

from models import Delivery, DeliveryStatus, EventSource, EventStatus, LeadStatus, WebhookEvent, db
from services import keyset
from services.contacts import clean_text
from services.errors import NotFound
from services.keyset import Order, Page

MAX_TEXT_LENGTH = 120
Row = TypeVar("Row", WebhookEvent, Delivery)
Filter = Mapping[str, str]  # column -> the value that is looked for, as in an address


class Counts(Counter[tuple[str, str | None]]):
    """How many rows there are by status and reason."""

    def by_status(self) -> Counter[str]:
        found = Counter[str]()
        for (status, _reason), number in self.items():
            found[status] += number
        return found

    def reasons(self, status: str | None) -> list[str]:
        """Return the reasons that rows of a status have; of any status if it is None."""
        return sorted({reason for found, reason in self if reason and status in (None, found)})


@dataclass(frozen=True, slots=True)
class Log(Generic[Row]):
    """One of the two logs. `columns` names what it can be filtered by, with the words that a column knows if there are
    only so many."""

    model: type[Row]
    columns: Mapping[str, type[StrEnum] | None]
    options: tuple[LoaderOption, ...]

    def read(self, args: Mapping[str, str]) -> dict[str, str]:
        """Read a filter from an address; what makes no sense asks for nothing."""
        asked = {name: clean_text(args.get(name), MAX_TEXT_LENGTH) for name in self.columns}
        return {name: text for name, text in asked.items() if text and self._makes_sense(name, text)}

    def page(self, wanted: Filter, cursor: str | None) -> Page[Row]:
        """One page, newest first."""
        return keyset.page(self._select(wanted).options(*self.options), Order(self._id), cursor)

    def ids(self, wanted: Filter, limit: int) -> list[int]:
        """Return the numbers of the oldest rows that a filter lets through: in that order they are worked off."""
        query = self._select(wanted).with_only_columns(self._id).order_by(self._id)
        return list(db.session.scalars(query.limit(limit)))

    def count(self, wanted: Filter) -> int:
        """How many rows a filter lets through."""
        return db.session.scalar(self._select(wanted).with_only_columns(func.count(self._id))) or 0

    def counts(self) -> Counts:
        """How many rows there are of each kind."""
        keys = (self.model.status, self.model.reason)
        rows = db.session.execute(select(*keys, func.count()).group_by(*keys))
        return Counts({(status.value, reason): number for status, reason, number in rows})

    def values(self, name: str) -> list[str]:
        """Return what a column holds and what can be asked for in an address."""
        found = db.session.scalars(select(self._column(name)).distinct())
        return sorted(value for value in found if value and value == clean_text(value, MAX_TEXT_LENGTH))

    @property
    def _id(self) -> Any:
        return self.model.id

    def _column(self, name: str) -> Any:
        return getattr(self.model, name)

    def _makes_sense(self, name: str, text: str) -> bool:
        words = self.columns[name]
        return words is None or text in set(words)

    def _select(self, wanted: Filter) -> Select[Any]:
        return select(self.model).where(*(self._column(name) == text for name, text in wanted.items()))


INBOX = Log(
    WebhookEvent,
    {"status": EventStatus, "reason": None, "name": None, "source": EventSource},
    (joinedload(WebhookEvent.lead), defer(WebhookEvent.body)),
)
OUTBOX = Log(
    Delivery,
    {"status": DeliveryStatus, "reason": None, "role": LeadStatus},
    (joinedload(Delivery.lead), selectinload(Delivery.attempts)),
)


def event(event_id: int) -> WebhookEvent:
    """One event.

    Raises:
        NotFound: there is no such event.
    """
    row = db.session.get(WebhookEvent, event_id)
    if row is None:
        raise NotFound("This event does not exist.")
    return row
