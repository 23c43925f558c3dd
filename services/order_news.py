"""An order as it is now known: what many messages said, merged so that their order of arrival does not matter. Pure.

Every message has a stamp (when ScaleV last changed the order, when it sent the message, which message it is). Stamps
sort as text. Two kinds of facts:

- details (name, e-mail, goods...): each field keeps the value of its newest stamp; `merge_details`.
- news (payment, fulfilment, method, money, spam): every message's say is kept, in the order of their stamps, because
  the moment of a change decides where the follow-up window begins; `add_news` and `states`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from services.order_snapshot import OrderSnapshot

DETAIL_FIELDS = (
    "scalev_id",
    "created_at",
    "paid_at",
    "quantity",
    "store_name",
    "handler_name",
    "bank_name",
    "account_number",
    "account_holder",
    "name",
    "email_given",
    "phone_given",
    "lines",
)
MAX_NEWS = 200
_PAID = frozenset({"paid", "settled"})
# At the very same moment money counts more than the lack of it.
_PAYMENT_RANK = {"unpaid": 0, "conflict": 1, "paid": 2, "settled": 3}


@dataclass(frozen=True, slots=True)
class News:
    """What one message said that can decide over a lead; None where it said nothing."""

    stamp: str
    payment_status: str | None = None
    order_status: str | None = None
    payment_method: str | None = None
    gross_revenue: Decimal | None = None
    is_spam: bool | None = None

    def to_row(self) -> dict[str, Any]:
        """Return what is stored: JSON without the fields that say nothing."""
        row = {name: getattr(self, name) for name in _NEWS_FIELDS if getattr(self, name) is not None}
        if self.gross_revenue is not None:
            row["gross_revenue"] = str(self.gross_revenue)
        return {"stamp": self.stamp, **row}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> "News":
        money = row.get("gross_revenue")
        return cls(**{**row, "gross_revenue": None if money is None else Decimal(money)})

    @property
    def says_something(self) -> bool:
        return any(getattr(self, name) is not None for name in _NEWS_FIELDS)


_NEWS_FIELDS = ("payment_status", "order_status", "payment_method", "gross_revenue", "is_spam")


@dataclass(frozen=True, slots=True)
class OrderState:
    """The order at one moment of its life. `*_stamp` tells which message last said so."""

    at: datetime
    payment_status: str | None = None
    paid: bool = False
    payment_stamp: str = ""
    order_status: str | None = None
    order_stamp: str = ""
    payment_method: str | None = None
    gross_revenue: Decimal | None = None
    is_spam: bool = False
    spam_stamp: str = ""  # of the first message of the present run of "spam"


def make_stamp(updated_at: datetime | None, sent_at: datetime | None, received_at: datetime, key: str) -> str:
    """Return a message's place in the order's life, sortable as text.

    Args:
        updated_at: the order's `last_updated_at`; whole seconds, so messages of one second share it.
        sent_at: the envelope's `timestamp`, which tells those apart.
        received_at: stands in for a moment that the message does not name.
        key: the message's dedupe key: settles what is left, the same way whichever came first.
    """
    first = updated_at or sent_at or received_at
    return f"{_microseconds(first):017d}.{_microseconds(sent_at or first):017d}.{key[:8]}"


def stamp_moment(stamp: str) -> datetime:
    """Return the moment that a stamp begins with."""
    microseconds = int(stamp.split(".", 1)[0])
    return datetime.fromtimestamp(microseconds // 10**6, UTC).replace(microsecond=microseconds % 10**6)


def read_news(snapshot: OrderSnapshot, stamp: str) -> News:
    """Take from a snapshot what can decide."""
    return News(
        stamp=stamp,
        payment_status=snapshot.payment_status,
        order_status=snapshot.order_status,
        payment_method=snapshot.payment_method,
        gross_revenue=snapshot.gross_revenue,
        is_spam=snapshot.is_spam,
    )


def add_news(known: Sequence[News], news: News) -> list[News]:
    """Return the news in the order of their stamps; one that is known already or says nothing changes nothing."""
    if not news.says_something or any(old.stamp == news.stamp for old in known):
        return list(known)
    merged = sorted([*known, news], key=_life_order)
    while len(merged) > MAX_NEWS:  # the two oldest become one: nothing that late can still arrive before them
        merged[:2] = [_join(merged[0], merged[1])]
    return merged


def states(known: Iterable[News]) -> list[OrderState]:
    """Return the order's state after each piece of news, oldest first."""
    result: list[OrderState] = []
    for news in known:
        result.append(_advance(result[-1] if result else None, news))
    return result


def is_newest(known: Iterable[News], news: News) -> bool:
    """Whether at least one thing that this news says has not been said later."""
    later = [other for other in known if other.stamp > news.stamp]
    return any(
        getattr(news, name) is not None and all(getattr(other, name) is None for other in later)
        for name in _NEWS_FIELDS
    )


def merge_details(
    snapshot: OrderSnapshot, stamps: Mapping[str, str], stamp: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the detail fields that this message makes newer, and the field stamps as they are then."""
    newer: dict[str, Any] = {}
    merged = dict(stamps)
    for name in DETAIL_FIELDS:
        value = getattr(snapshot, name)
        ranked = f"{snapshot.ranks.get(name, 0)}|{stamp}"
        if value is not None and ranked > merged.get(name, ""):
            newer[name] = value
            merged[name] = ranked
    return newer, merged


def _life_order(news: News) -> tuple[str, int, str]:
    moments, _, key = news.stamp.rpartition(".")
    return moments, _PAYMENT_RANK.get(news.payment_status or "", -1), key


def is_later(stamp: str, than: str) -> bool:
    """Whether a message is later by its moments; which message it is does not count."""
    return stamp.rsplit(".", 1)[0] > than.rsplit(".", 1)[0]


def _told_by(news: News, is_repeated: bool, before: str) -> str:
    """Return the stamp of the message that a word is from: the same word about the same change of the order is no news,
    however late it was sent or read."""
    is_same_change = news.stamp.partition(".")[0] == before.partition(".")[0]
    return before if is_repeated and is_same_change else news.stamp


def _join(older: News, newer: News) -> News:
    said = {name: getattr(newer, name) for name in _NEWS_FIELDS if getattr(newer, name) is not None}
    if older.payment_status in _PAID and newer.payment_status == "conflict":  # a doubt does not take a payment back
        said["payment_status"] = older.payment_status
    return replace(older, stamp=newer.stamp, **said)


def _advance(state: OrderState | None, news: News) -> OrderState:
    state = state or OrderState(at=stamp_moment(news.stamp))
    changes: dict[str, Any] = {"at": stamp_moment(news.stamp)}
    if news.payment_status is not None:
        stamp = _told_by(news, news.payment_status == state.payment_status, state.payment_stamp)
        changes |= {"payment_status": news.payment_status, "payment_stamp": stamp}
        if news.payment_status != "conflict":  # a conflict is a doubt: it neither pays nor takes back
            changes["paid"] = news.payment_status in _PAID
    if news.order_status is not None:
        stamp = _told_by(news, news.order_status == state.order_status, state.order_stamp)
        changes |= {"order_status": news.order_status, "order_stamp": stamp}
    if news.is_spam is not None:
        run_goes_on = state.is_spam and news.is_spam
        changes |= {"is_spam": news.is_spam, "spam_stamp": state.spam_stamp if run_goes_on else news.stamp}
    if news.payment_method is not None:
        changes["payment_method"] = news.payment_method
    if news.gross_revenue is not None:
        changes["gross_revenue"] = news.gross_revenue
    return replace(state, **changes)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**6 + moment.microsecond
