"""Which product list an order belongs to: by variant or product id, then SKU, then exact name, over all its lines."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from sqlalchemy import ColumnElement, bindparam, exists, or_, select

from models import Lead, OrderLine, ProductList, db

_MAX_LINES_IN_QUERY = 100
_ACTIVE = select(ProductList).where(ProductList.active).order_by(ProductList.id)
_NAMED = _ACTIVE.where(
    or_(
        ProductList.product_id.in_(bindparam("ids", expanding=True)),
        ProductList.name.in_(bindparam("names", expanding=True)),
    )
)


class OrderedGoods(Protocol):
    """What a line must tell to be matched; both stored lines and a snapshot's lines do."""

    @property
    def variant_unique_id(self) -> str | None: ...
    @property
    def variant_id(self) -> str | None: ...
    @property
    def product_id(self) -> str | None: ...
    @property
    def sku(self) -> str | None: ...
    @property
    def product_name(self) -> str | None: ...


def find_product_list(lines: Sequence[OrderedGoods]) -> ProductList | None:
    """Return the product list for an order's lines, None when no active one fits.

    An id beats a SKU and a SKU a name, whichever line they stand on; among equals the earlier line wins.
    """
    product_lists = _candidates(lines)
    by_id = {row.product_id: row for row in product_lists}
    by_name: dict[str, ProductList] = {}
    for row in product_lists:
        by_name.setdefault(row.name, row)
    ids = (key for line in lines for key in (line.variant_unique_id, line.variant_id, line.product_id))
    skus = (line.sku for line in lines)
    names = (line.product_name for line in lines)
    return _first(ids, by_id) or _first(skus, by_id) or _first(names, by_name)


def _candidates(lines: Sequence[OrderedGoods]) -> Sequence[ProductList]:
    """The active product lists that a line names; all of them for an order with very many lines, because databases
    limit how many values one query may hold."""
    if len(lines) > _MAX_LINES_IN_QUERY:
        return db.session.scalars(_ACTIVE).all()
    ids = {key for line in lines for key in (line.variant_unique_id, line.variant_id, line.product_id, line.sku)}
    names = {line.product_name for line in lines}
    return db.session.scalars(_NAMED, {"ids": list(ids - {None}), "names": list(names - {None})}).all()


def waiting_lead_ids(limit: int) -> list[int]:
    """Return leads without product list whose goods an active product list names."""
    fits = or_(
        OrderLine.variant_unique_id == ProductList.product_id,
        OrderLine.variant_id == ProductList.product_id,
        OrderLine.product_id == ProductList.product_id,
        OrderLine.sku == ProductList.product_id,
        OrderLine.product_name == ProductList.name,
    )
    query = (
        select(Lead.id)
        .where(Lead.product_list_id.is_(None), exists().where(OrderLine.lead_id == Lead.id, ProductList.active, fits))
        .order_by(Lead.id)
        .limit(limit)
    )
    return list(db.session.scalars(query))


def shares_goods(lead: Lead) -> ColumnElement[bool]:
    """Return the condition that another lead is about the same product: same product list, or a line in common."""
    conditions: list[ColumnElement[bool]] = []
    if lead.product_list_id is not None:
        conditions.append(Lead.product_list_id == lead.product_list_id)
    for column in (OrderLine.variant_unique_id, OrderLine.variant_id, OrderLine.sku, OrderLine.product_name):
        values = select(column).where(OrderLine.lead_id == lead.id, column.is_not(None))
        conditions.append(
            Lead.id.in_(select(OrderLine.lead_id).where(column.in_(values), OrderLine.lead_id != lead.id))
        )
    return or_(*conditions)


def _first(keys: Iterable[str | None], found: dict[str, ProductList]) -> ProductList | None:
    return next((found[key] for key in keys if key is not None and key in found), None)
