"""The inbox of unmapped products: what leads without a product list have ordered. Reads only."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, func, select

from models import Lead, OrderLine, db
from models_catalogue import CatalogueProduct, CatalogueVariant

MAX_GROUPS = 200


@dataclass(frozen=True, slots=True)
class UnmappedProduct:
    """One product that no product list names, by the first line of its orders.

    `product_id` is what a new product list would name it by: the product's id where the catalogue knows it.
    """

    name: str | None
    product_id: str
    leads: int
    money: Decimal
    newest: datetime


def unmapped_products() -> list[UnmappedProduct]:
    """Return the unmapped products, those with the most leads first."""
    rows = db.session.execute(_groups()).all()
    known = _known_products({row.variant_unique_id for row in rows} | {row.variant_id for row in rows})
    groups = dict[str, UnmappedProduct]()
    for group in (_read(row, known) for row in rows):
        other = groups.get(group.product_id)
        groups[group.product_id] = _joined(other, group) if other else group
    return sorted(groups.values(), key=lambda group: (-group.leads, group.name or ""))


def count_unmapped() -> int:
    """Return how many leads wait for a product list."""
    return db.session.scalar(select(func.count()).select_from(Lead).where(*_waiting())) or 0


def _waiting() -> tuple[Any, ...]:
    return Lead.product_list_id.is_(None), Lead.archived_at.is_(None)


def _groups() -> Any:
    first_lines = (select(func.min(OrderLine.id)).join(Lead, Lead.id == OrderLine.lead_id).where(*_waiting())).group_by(
        OrderLine.lead_id
    )
    named = (OrderLine.product_name, OrderLine.variant_unique_id, OrderLine.variant_id, OrderLine.sku)
    count = func.count().label("leads")
    return (
        select(*named, count, func.sum(Lead.gross_revenue).label("money"), func.max(Lead.ordered_at).label("newest"))
        .join(Lead, Lead.id == OrderLine.lead_id)
        .where(OrderLine.id.in_(first_lines))
        .group_by(*named)
        .order_by(count.desc())
        .limit(MAX_GROUPS)
    )


def _known_products(keys: Iterable[str | None]) -> dict[str, tuple[str, str]]:
    """Return id and name of the products whose variants have one of these unique or integer ids."""
    wanted = [key for key in keys if key]
    query = (
        select(
            CatalogueVariant.unique_id, CatalogueVariant.scalev_id, CatalogueProduct.scalev_id, CatalogueProduct.name
        )
        .join(CatalogueProduct)
        .where(CatalogueVariant.unique_id.in_(wanted) | CatalogueVariant.scalev_id.in_(wanted))
    )
    found = db.session.execute(query).all() if wanted else []
    return {key: (row[2], row[3]) for row in found for key in (row[0], row[1]) if key}


def _read(row: Row[Any], known: dict[str, tuple[str, str]]) -> UnmappedProduct:
    product = known.get(row.variant_unique_id) or known.get(row.variant_id)
    own_id = row.variant_unique_id or row.variant_id or row.sku or row.product_name or ""
    product_id, name = product or (own_id, row.product_name)
    return UnmappedProduct(name or row.sku, product_id, row.leads, row.money or Decimal(0), row.newest)


def _joined(one: UnmappedProduct, other: UnmappedProduct) -> UnmappedProduct:
    return replace(
        one,
        leads=one.leads + other.leads,
        money=one.money + other.money,
        newest=max(one.newest, other.newest),
    )
