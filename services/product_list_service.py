"""Product lists: the seed's word for the rule product -> Mailketing lists. The only writer of them."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from models import Lead, ProductList, ProductListVariant, db, transaction
from services import lead_service, product_matching
from services.contacts import clean_text
from services.errors import NotFound, UserError
from services.statuses import LeadStatus

MAX_DAYS = 365


class InvalidField(UserError):
    """A field of a product list can't be used; `field` tells which."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Fields:
    """What a person fills in. `product_id`: a variant's unique_id, a product's id or uuid, or a SKU; `name`: the
    product's name, by which an order is matched last."""

    name: str
    product_id: str
    follow_up_list_id: str | None = None
    closing_list_id: str | None = None
    not_closing_list_id: str | None = None
    follow_up_days: int | None = None
    store_name: str | None = None  # None: orders of every store
    variant_ids: tuple[str, ...] = ()  # none: all variants of the product

    def list_id_for(self, role: LeadStatus) -> str | None:
        """Return the list for a role, None when there is none for it."""
        list_id: str | None = getattr(self, f"{role.value}_list_id")
        return list_id


@dataclass(frozen=True, slots=True)
class Preview:
    """What saving a product list does at once: leads that get it, and buyers that are added, by role."""

    leads: int
    added: dict[LeadStatus, int]


class _Undone(Exception):
    """Carries a preview out of the transaction that is rolled back."""

    def __init__(self, preview: Preview) -> None:
        super().__init__()
        self.preview = preview


def listing() -> list[tuple[ProductList, int]]:
    """Return all product lists by name, each with the number of its leads; of those for one product, the one that is
    asked first stands first: chosen variants before the whole product, a store's own before one for all."""
    counts = (
        select(Lead.product_list_id, func.count().label("leads"))
        .where(Lead.product_list_id.is_not(None))
        .group_by(Lead.product_list_id)
        .subquery()
    )
    query = (
        select(ProductList, func.coalesce(counts.c.leads, 0))
        .outerjoin(counts, counts.c.product_list_id == ProductList.id)
        .order_by(
            ProductList.name,
            ProductList.product_id,
            ~ProductList.variants.any(),
            ProductList.store_name.is_(None),
            ProductList.id,
        )
        .options(selectinload(ProductList.variants))
    )
    return [(row, leads) for row, leads in db.session.execute(query)]


def add(fields: Fields, now: datetime) -> tuple[ProductList, int]:
    """Save a new product list and attach the leads that waited for it.

    Returns:
        The product list, and how many waiting leads it got.

    Raises:
        InvalidField: a field can't be used.
    """
    cleaned = _clean(fields)
    with transaction() as session:
        _refuse_double(cleaned, None)
        row = ProductList(active=True, created_at=now)
        session.add(row)
        _fill(row, cleaned, now)
    return row, lead_service.attach_waiting_leads(now)


def edit(product_list_id: int, fields: Fields, now: datetime) -> tuple[ProductList, int]:
    """Change a product list; what its leads have not sent yet follows the new lists.

    Returns:
        The product list, and how many waiting leads it got.

    Raises:
        NotFound: there is no such product list.
        InvalidField: a field can't be used.
    """
    cleaned = _clean(fields)
    with transaction():
        row = _existing(product_list_id)
        _refuse_double(cleaned, row.id)
        _fill(row, cleaned, now)
        db.session.flush()
        lead_service.follow_product_list(row.id, now)
    return row, lead_service.attach_waiting_leads(now)


def preview(fields: Fields, now: datetime, product_list_id: int | None = None) -> Preview:
    """Return what `add`, or `edit` of this product list, would do at once. Nothing is kept.

    Raises:
        NotFound: there is no such product list.
        InvalidField: a field can't be used.
    """
    cleaned = _clean(fields)
    try:
        with transaction() as session:
            _refuse_double(cleaned, product_list_id)
            row = _existing(product_list_id) if product_list_id else ProductList(active=True, created_at=now)
            session.add(row)
            _fill(row, cleaned, now)
            session.flush()
            raise _Undone(_look_ahead(row))
    except _Undone as undone:
        return undone.preview


def _look_ahead(row: ProductList) -> Preview:
    waiting = [Lead.product_list_id.is_(None), product_matching.fits()]
    leads = db.session.scalar(select(func.count()).select_from(Lead).where(*waiting)) or 0
    sendable = [Lead.archived_at.is_(None), ~Lead.no_transfer, Lead.email.is_not(None)]
    by_status = select(Lead.status, func.count()).where(*waiting, *sendable).group_by(Lead.status)
    counts = {status: number for status, number in db.session.execute(by_status)}
    return Preview(leads, {status: number for status, number in counts.items() if row.list_id_for(status)})


def switch(product_list_id: int, active: bool, now: datetime) -> int:
    """Switch a product list on or off; off means that new orders no longer match it. Return how many leads it got."""
    with transaction():
        row = _existing(product_list_id)
        row.active, row.updated_at = active, now
    return lead_service.attach_waiting_leads(now) if active else 0


def delete(product_list_id: int, now: datetime) -> int:
    """Delete a product list; its leads stay, and wait for another one. Return how many."""
    with transaction() as session:
        row = _existing(product_list_id)
        leads = lead_service.detach_product_list(row.id, now)
        session.flush()
        session.delete(row)
    lead_service.attach_waiting_leads(now)
    return leads


def _existing(product_list_id: int) -> ProductList:
    row = db.session.get(ProductList, product_list_id)
    if row is None:
        raise NotFound("There is no such product list.")
    return row


def _fill(row: ProductList, fields: Fields, now: datetime) -> None:
    values = asdict(fields)
    variant_ids = values.pop("variant_ids")
    for name, value in values.items():
        setattr(row, name, value)
    kept = {variant.variant_id: variant for variant in row.variants}
    row.variants = [kept.get(key) or ProductListVariant(variant_id=key) for key in variant_ids]
    row.updated_at = now


def _refuse_double(fields: Fields, own_id: int | None) -> None:
    """Two may share a product, for other stores or other variants; the very same goods twice would be a riddle."""
    query = select(ProductList).where(ProductList.product_id == fields.product_id)
    for other in db.session.scalars(query):
        covered = tuple(variant.variant_id for variant in other.variants)
        if other.id != own_id and (other.store_name, set(covered)) == (fields.store_name, set(fields.variant_ids)):
            raise InvalidField("product_id", "There is a product list with this product id already.")


def _clean(fields: Fields) -> Fields:
    name, product_id = clean_text(fields.name, 255), clean_text(fields.product_id, 120)
    if not name:
        raise InvalidField("name", "A product list needs the product's name.")
    if not product_id:
        raise InvalidField("product_id", "A product list needs a product id: a variant's id, a product's id or a SKU.")
    if fields.follow_up_days is not None and not 1 <= fields.follow_up_days <= MAX_DAYS:
        raise InvalidField("follow_up_days", "Days must be a whole number from 1 to 365.")
    return Fields(
        name=name,
        product_id=product_id,
        follow_up_list_id=_clean_list_id("follow_up_list_id", fields.follow_up_list_id),
        closing_list_id=_clean_list_id("closing_list_id", fields.closing_list_id),
        not_closing_list_id=_clean_list_id("not_closing_list_id", fields.not_closing_list_id),
        follow_up_days=fields.follow_up_days,
        store_name=clean_text(fields.store_name, 255) or None,
        variant_ids=tuple(dict.fromkeys(filter(None, (clean_text(key, 120) for key in fields.variant_ids)))),
    )


def _clean_list_id(field: str, value: str | None) -> str | None:
    cleaned = clean_text(value, 40)
    if cleaned and not (cleaned.isascii() and cleaned.replace("-", "").replace("_", "").isalnum()):
        raise InvalidField(field, "A Mailketing list id has digits only; it stands in the list's address there.")
    return cleaned or None
