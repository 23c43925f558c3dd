"""Pages of long lists: every row once, there and back, whatever the rows hold."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from models import Lead
from services import keyset
from services.keyset import Order
from tests.builders import NOW, make_lead

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

ORDERS = {
    "id": Order(Lead.id),
    "newest": Order(Lead.id, Lead.ordered_at),
    "oldest": Order(Lead.id, Lead.ordered_at, descending=False),
    "highest": Order(Lead.id, Lead.gross_revenue),
    "lowest": Order(Lead.id, Lead.gross_revenue, descending=False),
}
# Equal values, values in one row only, and none at all, over several pages of three.
TOTALS = ["10", None, "10", "20.50", "10", None, "5", "10", "10", None, None, "7", "0", "99999999999.99"]


def page(order: Order, cursor: str | None = None) -> keyset.Page[Any]:
    return keyset.page(select(Lead), order, cursor, size=3)


def make_leads() -> list[Lead]:
    return [
        make_lead(ordered_at=NOW - timedelta(minutes=number // 3), gross_revenue=total and Decimal(total))
        for number, total in enumerate(TOTALS)
    ]


def in_order(leads: list[Lead], order: Order) -> list[int]:
    """The numbers as Python sorts them: what has no value comes last either way."""
    column = order.column
    if column is None:
        return sorted((lead.id for lead in leads), reverse=order.descending)
    known = [lead for lead in leads if getattr(lead, column.key) is not None]
    unknown = [lead for lead in leads if getattr(lead, column.key) is None]
    known.sort(key=lambda lead: (getattr(lead, column.key), lead.id), reverse=order.descending)
    unknown.sort(key=lambda lead: lead.id, reverse=order.descending)
    return [lead.id for lead in known + unknown]


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_paging_there_and_back_shows_every_row_once_and_in_order(order: Order) -> None:
    expected = in_order(make_leads(), order)
    seen, cursor = [page(order)], page(order).next
    while cursor:
        seen.append(page(order, cursor))
        cursor = seen[-1].next
    assert [row.id for shown in seen for row in shown.rows] == expected
    assert [len(shown.rows) for shown in seen] == [3, 3, 3, 3, 2]
    back, cursor = [], seen[-1].previous
    while cursor:
        back.append(page(order, cursor))
        cursor = back[-1].previous
    assert [[row.id for row in shown.rows] for shown in back] == [
        [row.id for row in shown.rows] for shown in seen[-2::-1]
    ]


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_the_whole_list_has_the_same_order(order: Order) -> None:
    expected = in_order(make_leads(), order)
    query = keyset.sort(select(Lead), order)
    assert [row.id for row in keyset.db.session.scalars(query)] == expected


def test_a_page_that_is_just_full_has_no_next_one() -> None:
    for _ in range(3):
        make_lead()
    shown = page(ORDERS["newest"])
    assert (len(shown.rows), shown.previous, shown.next) == (3, None, None)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
@pytest.mark.parametrize(
    "cursor",
    ["", "x", ">", ">~", ">x~1", ">1.2.3~1", ">1~99999999999", ">" + "9" * 20 + "~1", "<1~-1", ">-~1", "<.~1", ">٣~1"],
)
def test_a_nonsensical_cursor_means_the_first_page(order: Order, cursor: str) -> None:
    make_leads()
    first = [row.id for row in page(order).rows]
    shown = [row.id for row in page(order, cursor).rows]
    assert shown == first or (order.column is not None and order.column.key == "gross_revenue")


def test_the_cursor_of_another_order_is_nonsense() -> None:
    make_leads()
    first = page(ORDERS["id"])
    assert [row.id for row in page(ORDERS["newest"], first.next).rows] == [
        row.id for row in page(ORDERS["newest"]).rows
    ]
