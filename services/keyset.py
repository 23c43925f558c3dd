"""Pages of long lists, cut out by the rows' own values, so that the thousandth costs no more than the first."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Numeric, Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from models import db

PAGE_SIZE = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_MAX_ID = 2**31 - 1
_CURSOR = re.compile(r"([<>])(?:([0-9.-]{0,20})~)?([0-9]{1,10})")

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a list: by a column and then by id, or by id alone. What has no value comes last either way."""

    id: InstrumentedAttribute[int]
    column: InstrumentedAttribute[Any] | None = None
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list. The cursors lead to its neighbours; None where the list ends."""

    rows: list[Row]
    previous: str | None
    next: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page begins: after a row, or before it when one pages backwards."""

    value: Any
    id: int
    backwards: bool


def page(query: Select[Any], order: Order, cursor: str | None, size: int = PAGE_SIZE) -> Page[Any]:
    """Cut one page out of a list.

    Args:
        query: the list of rows, without an order.
        order: how it is sorted.
        cursor: where another page's `previous` or `next` pointed; None or nonsense for the first page.
        size: how many rows a page has.
    """
    place = _read_cursor(cursor, order)
    backwards = place is not None and place.backwards
    rows: list[Any] = []
    for part in _parts(order, place):
        if len(rows) <= size:
            query_part = query.where(*part).order_by(*_sorting(order, backwards)).limit(size + 1 - len(rows))
            rows += db.session.scalars(query_part)
    more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    has_previous, has_next = (more, True) if backwards else (place is not None, more)
    return Page(
        rows,
        previous=_cursor("<", rows[0], order) if rows and has_previous else None,
        next=cursor_after(rows[-1], order) if rows and has_next else None,
    )


def _parts(order: Order, place: _Place | None) -> list[list[ColumnElement[bool]]]:
    """The stretches of the list that a page is looked for in, in turn: rows with a value, then those without.

    One condition for both would need an OR, for which no database uses an index.
    """
    if order.column is None:
        return [_beyond_id(order, place) if place else []]
    with_value = [order.column.is_not(None)] if _may_be_empty(order) else []
    without_value = [order.column.is_(None)]
    if place is None:
        parts = [with_value, without_value]
    elif place.value is None:
        parts = [without_value + _beyond_id(order, place), with_value]
        parts = parts if place.backwards else parts[:1]
    else:
        parts = [with_value + _beyond(order.column, order, place), without_value]
        parts = parts[:1] if place.backwards else parts
    return parts if with_value else parts[:1]


def _beyond_id(order: Order, place: _Place) -> list[ColumnElement[bool]]:
    return [order.id > place.id if place.backwards is order.descending else order.id < place.id]


def _beyond(column: InstrumentedAttribute[Any], order: Order, place: _Place) -> list[ColumnElement[bool]]:
    """Past a row. The second condition says nothing new, but MariaDB finds a row's place in an index by single columns
    only."""
    value = literal(place.value, column.type)
    keys, wanted = tuple_(column, order.id), tuple_(value, literal(place.id))
    if place.backwards is order.descending:
        return [keys > wanted, column >= value]
    return [keys < wanted, column <= value]


def _sorting(order: Order, backwards: bool) -> list[ColumnElement[Any]]:
    keys = [order.id] if order.column is None else [order.column, order.id]
    return [key.asc() if backwards is order.descending else key.desc() for key in keys]


def cursor_after(row: Any, order: Order) -> str:
    """Return the cursor of the page that follows a row."""
    return _cursor(">", row, order)


def _cursor(direction: str, row: Any, order: Order) -> str:
    row_id = getattr(row, order.id.key)
    if order.column is None:
        return f"{direction}{row_id}"
    value = getattr(row, order.column.key)
    return f"{direction}{'' if value is None else _as_text(value)}~{row_id}"


def _as_text(value: datetime | Decimal) -> str:
    return str((value - _EPOCH) // _MICROSECOND) if isinstance(value, datetime) else str(value)


def _read_cursor(cursor: str | None, order: Order) -> _Place | None:
    """Return the place that a cursor names, None for nonsense and for the cursor of another order."""
    found = _CURSOR.fullmatch(cursor or "")
    if not found or (found[2] is None) is not (order.column is None) or int(found[3]) > _MAX_ID:
        return None
    try:
        value = _as_value(found[2], order.column) if order.column is not None and found[2] else None
    except (ValueError, InvalidOperation, OverflowError):
        return None
    if value is None and order.column is not None and not _may_be_empty(order):
        return None
    return _Place(value, int(found[3]), found[1] == "<")


def _as_value(text: str, column: InstrumentedAttribute[Any]) -> datetime | Decimal:
    return Decimal(text) if isinstance(column.type, Numeric) else _EPOCH + timedelta(microseconds=int(text))


def sort(query: Select[Any], order: Order) -> Select[Any]:
    """Return the whole list in its order."""
    if order.column is None or not _may_be_empty(order):
        return query.order_by(*_sorting(order, backwards=False))
    return query.order_by(order.column.is_(None), *_sorting(order, backwards=False))


def _may_be_empty(order: Order) -> bool:
    return order.column is not None and bool(order.column.property.columns[0].nullable)
