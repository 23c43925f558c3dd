"""The dry run "which product list would this order get, and why": reads an order and changes nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from models import Lead, ProductList, db
from services import product_matching, webhook_body
from services.errors import NotFound, UserError
from services.order_snapshot import LISTED_EVENT, Line, OrderSnapshot, read_order
from services.product_matching import Match, OrderedGoods
from services.webhook_body import BadBody

MAX_CHARACTERS = 1024 * 1024
_RECENT = 30


@dataclass(frozen=True, slots=True)
class Trial:
    """An order's goods and store, and every product list that names them, the closest first."""

    order_id: str
    store_name: str | None
    lines: Sequence[OrderedGoods]
    matches: list[Match]

    @property
    def winner(self) -> ProductList | None:
        return next((match.product_list for match in self.matches if match.takes(self.store_name)), None)


def try_lead(lead_id: int) -> Trial:
    """Return which product lists the order of a lead fits.

    Raises:
        NotFound: there is no such lead.
    """
    lead = db.session.get(Lead, lead_id)
    if lead is None:
        raise NotFound("There is no such lead.")
    return Trial(lead.order_id, lead.store_name, lead.lines, list(product_matching.rank(lead.lines)))


def try_text(text: str) -> Trial:
    """Return which product lists a pasted order fits: a webhook's body, an order of the API, or its `data` alone.

    Raises:
        UserError: the text is no order.
    """
    if len(text) > MAX_CHARACTERS:
        raise UserError("This is too long for an order.")
    order = _read(text)
    lines: tuple[Line, ...] = order.lines or ()
    return Trial(order.order_id, order.store_name, lines, list(product_matching.rank(lines)))


def recent_leads() -> list[Lead]:
    """Return the newest leads, to choose one from."""
    return list(db.session.scalars(select(Lead).order_by(Lead.ordered_at.desc(), Lead.id.desc()).limit(_RECENT)))


def _read(text: str) -> OrderSnapshot:
    try:
        envelope = webhook_body.parse(text.encode("utf-8", "surrogatepass"))
        name, data = envelope.name, envelope.data
    except BadBody:
        name, data = LISTED_EVENT, _bare_order(text)
    order = read_order(name, data)
    if order is None:
        raise UserError("There is no order in this text: it needs an order_id.")
    return order


def _bare_order(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError("This is not JSON. Paste the whole text, from { to }.") from error
    inner = document.get("data", document) if isinstance(document, dict) else None
    if not isinstance(inner, dict):
        raise UserError("There is no order in this text: it needs an order_id.")
    return inner
