"""The leads that several messages are about: read together, and written together in the one transaction they share.

Statements are what a message costs most, and a batch of ten needs hardly more of them than one message alone.
"""

from collections.abc import Iterable

from sqlalchemy import bindparam, select

from models import Delivery, Lead, LeadHistory, OrderLine, ProductList, db, insert_rows
from services import product_matching

Goods = tuple[tuple[str | None, ...], ...]

# Built once, because every webhook runs it. Most orders are new, and to find none costs a third of what loading does.
_KNOWN = select(Lead.__table__.c.id).where(Lead.__table__.c.order_id.in_(bindparam("wanted", expanding=True)))
# In the order of their ids, so that two processes lock the same leads in one order.
_BY_IDS = select(Lead).where(Lead.id.in_(bindparam("ids", expanding=True))).order_by(Lead.id).with_for_update(of=Lead)


class OrderBatch:
    """The leads of some orders, locked until the caller's transaction ends; of each order one message at most."""

    def __init__(self, order_ids: Iterable[str]) -> None:
        wanted = list(order_ids)
        ids = db.session.scalars(_KNOWN, {"wanted": wanted}).all() if wanted else ()
        leads = db.session.scalars(_BY_IDS, {"ids": ids}) if ids else ()
        self._leads = {lead.order_id: lead for lead in leads}
        self._new: list[Lead] = []
        self._product_lists: dict[Goods, ProductList | None] = {}

    def find(self, order_id: str) -> Lead | None:
        """Return the lead of an order, None while it has none."""
        return self._leads.get(order_id)

    def add(self, lead: Lead) -> None:
        """Take in the lead of a new order, which `write` inserts once it is complete."""
        self._new.append(lead)

    def find_product_list(self, lead: Lead) -> ProductList | None:
        """Return the product list for a lead's goods; many orders of one moment are about the same."""
        goods = goods_of(lead)
        if goods not in self._product_lists:
            self._product_lists[goods] = product_matching.find_product_list(lead.lines, lead.store_name)
        return self._product_lists[goods]

    def write(self) -> None:
        """Write what was changed, and the new leads with all that hangs on them."""
        db.session.flush()
        for lead in self._new:
            lead.version = 1
            lead.product_list_id = lead.product_list.id if lead.product_list else None
            insert_rows([lead])  # by itself, because its id is needed
            hanging: list[OrderLine | LeadHistory | Delivery] = [*lead.lines, *lead.history, *lead.deliveries]
            for row in hanging:
                row.lead_id = lead.id
        for name in ("lines", "history", "deliveries"):
            insert_rows([row for lead in self._new for row in getattr(lead, name)])


def goods_of(lead: Lead) -> Goods:
    """Return what a product list is matched by: the store, and what names each line's goods."""
    lines = ((row.variant_unique_id, row.variant_id, row.product_id, row.sku, row.product_name) for row in lead.lines)
    return (lead.store_name,), *lines
