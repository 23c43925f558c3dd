"""What the vendors' accounts hold, as last listed: refreshed by a job, read by pages and by the matching of orders.

Nothing here waits for the network except `refresh`. It lists in four parts, each on its own: one that fails keeps what
was listed before, with the error beside it. Rows that are no longer listed stay and get `missing_since`.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Table, bindparam, exists, insert, or_, select, update
from sqlalchemy.orm import selectinload

from database import Model
from models import Heartbeat, Settings, db, transaction
from models_catalogue import CatalogueList, CatalogueProduct, CatalogueSalesPerson, CatalogueStore, CatalogueVariant
from services import product_matching
from services.clock import utc_now
from services.errors import VendorError, VendorNotFound
from services.mailketing_service import MailketingList
from services.scalev_shapes import Product, SalesPerson, Store

JOB = "refresh-catalogue"
ASKED = "catalogue-asked"
REFRESH_EVERY = timedelta(hours=6)
RETRY_AFTER = timedelta(hours=1)  # a part that failed
ASKED_SPACING = timedelta(minutes=1)  # between refreshes that people ask for
UNKNOWN_SPACING = timedelta(minutes=10)  # between refreshes because of unknown variants
_MAX_ID = 40
_ACCOUNT_SETTINGS = ("scalev_api_key", "scalev_api_version", "mailketing_api_key")

Listing = list[tuple[type[Model], dict[str, dict[str, Any]]]]  # model -> primary key -> what was told of that row
Record = TypeVar("Record", bound=Model)


class Part(StrEnum):
    """What is listed by calls of its own, and can fail on its own."""

    STORES = "stores"
    PRODUCTS = "products"
    SALES_PEOPLE = "sales-people"
    LISTS = "lists"

    @property
    def beat(self) -> str:
        """The name under which it is written when the part was last listed."""
        return f"catalogue-{self.value}"


SCALEV_PARTS = (Part.STORES, Part.PRODUCTS, Part.SALES_PEOPLE)


class Scalev(Protocol):
    """What a refresh needs of a ScaleV client."""

    def stores(self) -> Iterator[Store]: ...

    def products(self) -> Iterator[Product]: ...

    def store_products(self, store_id: str) -> Iterator[Product]: ...

    def sales_people(self, store_id: str) -> Iterator[SalesPerson]: ...


class Mailketing(Protocol):
    """What a refresh needs of a Mailketing client."""

    def lists(self) -> list[MailketingList]: ...


@dataclass(slots=True)
class Refresh:
    """One refresh: how many rows each part holds now, and why a part could not be listed."""

    counts: dict[Part, int] = field(default_factory=dict)
    errors: dict[Part, VendorError] = field(default_factory=dict)

    def summary(self) -> str:
        done = [f"{count} {part.value}" for part, count in self.counts.items()]
        return ", ".join(done + [f"{part.value} failed" for part in self.errors]) or "no keys are saved"

    @property
    def problem(self) -> str | None:
        """Each error once, although one wrong key fails several parts."""
        return " ".join(dict.fromkeys(str(error) for error in self.errors.values())) or None


@dataclass(frozen=True, slots=True)
class Age:
    """When a part was last listed, when that was last tried, and why it failed then (None when it did not)."""

    listed_at: datetime | None = None
    tried_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """What a product list's product id names; `missing_since` when the vendor no longer lists it."""

    text: str
    missing_since: datetime | None

    def __str__(self) -> str:
        return self.text


# --- refreshing ---


def refresh(scalev: Scalev | None, mailketing: Mailketing | None, now: datetime) -> Refresh:
    """List everything anew, each part on its own; network calls outside of transactions.

    Args:
        scalev: None when no key is saved; then its parts are left alone.
        mailketing: likewise.
        now: the moment that the rows are marked with.
    """
    report = Refresh()
    if scalev is not None:
        _refresh_part(report, Part.STORES, lambda: _list_stores(scalev), now)
        _refresh_part(report, Part.PRODUCTS, lambda: _list_products(scalev), now)
        _refresh_part(report, Part.SALES_PEOPLE, lambda: _list_sales_people(scalev, report), now)
    if mailketing is not None:
        _refresh_part(report, Part.LISTS, lambda: _list_lists(mailketing), now)
    return report


def ask_for_refresh(now: datetime) -> None:
    """Have the lists refreshed within a minute, by whichever process runs the jobs."""
    with transaction() as session:
        session.merge(Heartbeat(name=ASKED, started_at=now))


def is_due(parts: Collection[Part], now: datetime) -> bool:
    """Whether it is time for a refresh: a list is old, somebody asked, a key is new, or an unknown variant came.

    Args:
        parts: those that can be listed with the keys that are saved.
        now: the operation's one clock reading.
    """
    beats = {beat.name: beat for beat in db.session.scalars(select(Heartbeat))}
    last_run = beats[JOB].started_at if JOB in beats else None
    if not parts or (last_run is not None and now - last_run < ASKED_SPACING):
        return False
    ages = [_age(beats.get(part.beat)) for part in parts]
    oldest = min((age.tried_at for age in ages if age.tried_at), default=None)
    if oldest is None or any(_is_old(age, now) for age in ages):
        return True
    asked_at = beats[ASKED].started_at if ASKED in beats else None
    if (asked_at is not None and asked_at > oldest) or _has_new_key(oldest):
        return True
    return now - oldest >= UNKNOWN_SPACING and Part.PRODUCTS in parts and product_matching.has_new_goods(oldest)


def _refresh_part(report: Refresh, part: Part, list_rows: Callable[[], Listing], now: datetime) -> None:
    try:
        listing = list_rows()
    except VendorError as error:
        report.errors[part] = error
        _note_failure(part, error, now)
        return
    with transaction() as session:
        for model, rows in listing:
            _save(model, rows, now)
        beat = session.merge(Heartbeat(name=part.beat, started_at=now, finished_at=utc_now(), succeeded_at=now))
        beat.error = None
    report.counts[part] = len(listing[0][1])


def _note_failure(part: Part, error: VendorError, now: datetime) -> None:
    with transaction() as session:
        beat = session.merge(Heartbeat(name=part.beat, started_at=now, finished_at=utc_now()))
        beat.error = str(error)[:500]


def _list_stores(scalev: Scalev) -> Listing:
    return [(CatalogueStore, {row.id: {"unique_id": row.unique_id, "name": row.name} for row in scalev.stores()})]


def _list_products(scalev: Scalev) -> Listing:
    """List the business's products, and those of each store: only these tell SKU and price (ScaleV's API catalogue),
    and only those are sure to hold products that no store sells."""
    products: dict[str, dict[str, Any]] = {}
    variants: dict[str, dict[str, Any]] = {}
    for product in scalev.products():
        _note_product(product, products, variants)
    for store_id in _listed_store_ids():
        with suppress(VendorNotFound):  # a store deleted meanwhile, or a ScaleV without this call
            for product in scalev.store_products(store_id):
                _note_product(product, products, variants)
    _drop_doubles(variants)
    return [(CatalogueProduct, products), (CatalogueVariant, variants)]


def _note_product(product: Product, products: dict[str, Any], variants: dict[str, dict[str, Any]]) -> None:
    _note(products, product.id, {"uuid": product.uuid, "name": product.name})
    for row in product.variants:
        told = {"product_id": product.id, "unique_id": row.unique_id, "sku": row.sku, "name": row.name}
        _note(variants, row.id, {**told, "price": row.price})


def _note(rows: dict[str, dict[str, Any]], key: str, told: Mapping[str, Any]) -> None:
    """Add what one list tells of a row to what another told."""
    rows[key] = rows.get(key, {}) | {name: value for name, value in told.items() if value is not None}


def _drop_doubles(variants: Mapping[str, dict[str, Any]]) -> None:
    """Two variants can't be the one that a line means; should ScaleV ever say so, the first one listed is."""
    seen: set[str] = set()
    for told in variants.values():
        unique_id = told.get("unique_id")
        if unique_id in seen:
            told["unique_id"] = None
        elif unique_id is not None:
            seen.add(unique_id)


def _list_sales_people(scalev: Scalev, report: Refresh) -> Listing:
    """List the sales people of every store.

    Raises:
        VendorNotFound: no store's could be listed, as on a ScaleV without this call.
        VendorError: every other failure; also the stores' own, when none are known.
    """
    people: dict[str, dict[str, Any]] = {}
    not_found: list[VendorNotFound] = []
    store_ids = _listed_store_ids()
    if not store_ids and Part.STORES in report.errors:
        raise report.errors[Part.STORES]
    for store_id in store_ids:
        try:
            for row in scalev.sales_people(store_id):
                _note(people, row.user_id, {"name": row.name, "email": row.email})
        except VendorNotFound as error:
            not_found.append(error)
    if not_found and len(not_found) == len(store_ids):
        raise not_found[0]
    return [(CatalogueSalesPerson, people)]


def _list_lists(mailketing: Mailketing) -> Listing:
    rows = {row.id: {"name": row.name or row.id} for row in mailketing.lists() if len(row.id) <= _MAX_ID}
    return [(CatalogueList, rows)]


def _listed_store_ids() -> list[str]:
    """Return the stores as last listed; nothing stays open, because the network comes next."""
    query = select(CatalogueStore.scalev_id).where(CatalogueStore.missing_since.is_(None))
    store_ids = list(db.session.scalars(query.order_by(CatalogueStore.scalev_id)))
    db.session.rollback()
    return store_ids


def _save(model: type[Model], listed: Mapping[str, dict[str, Any]], now: datetime) -> None:
    """Write a list in a few statements, however long it is: webhooks wait meanwhile on SQLite."""
    table = cast(Table, model.__table__)
    key = table.primary_key.columns.values()[0]
    known = {row[key.name]: dict(row) for row in db.session.execute(select(table)).mappings()}
    blank = {column.name: None for column in table.columns} | {"seen_at": now}
    new = [_merged({**blank, key.name: name}, told) for name, told in listed.items() if name not in known]
    changed = [
        row
        for name, told in listed.items()
        if name in known and (row := {**_merged(known[name], told), "missing_since": None}) != known[name]
    ]
    gone = [row for name, row in known.items() if name not in listed and row["missing_since"] is None]
    if model is CatalogueVariant:
        _free_unique_ids(known, [*new, *changed])
    _update(table, key.name, [{**row, "missing_since": now} for row in gone])
    _update(table, key.name, changed)
    if new:
        db.session.execute(insert(table), new)
    db.session.execute(update(table).where(table.c.missing_since.is_(None)).values(seen_at=now))


def _merged(row: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with what was told of it: nothing leaves it as it is, an empty text empties it."""
    return {**row, **{name: value if value != "" else None for name, value in told.items() if value is not None}}


def _free_unique_ids(known: Mapping[str, dict[str, Any]], rows: Iterable[Mapping[str, Any]]) -> None:
    """Take a unique id off the variant that had it, before another one gets it."""
    owners = {row["unique_id"]: row["scalev_id"] for row in rows if row["unique_id"]}
    freed = [row for row in known.values() if owners.get(row["unique_id"], row["scalev_id"]) != row["scalev_id"]]
    for row in freed:
        row["unique_id"] = None
    _update(cast(Table, CatalogueVariant.__table__), "scalev_id", freed)


def _update(table: Table, key: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        values = [{name: value for name, value in row.items() if name != key} | {"wanted": row[key]} for row in rows]
        db.session.execute(update(table).where(table.c[key] == bindparam("wanted")), values)


# --- when to refresh ---


def _is_old(age: Age, now: datetime) -> bool:
    return age.tried_at is None or now - age.tried_at >= (RETRY_AFTER if age.problem else REFRESH_EVERY)


def _has_new_key(since: datetime) -> bool:
    query = select(Settings.name).where(Settings.name.in_(_ACCOUNT_SETTINGS), Settings.updated_at > since)
    return db.session.scalar(query.limit(1)) is not None


# --- reading ---


def age(part: Part) -> Age:
    """Return how old a part is; all None when it was never listed."""
    return _age(db.session.get(Heartbeat, part.beat))


def stores() -> list[CatalogueStore]:
    """Return the stores by name, those that are missing last; the other lists likewise."""
    return _by_name(CatalogueStore)


def sales_people() -> list[CatalogueSalesPerson]:
    return _by_name(CatalogueSalesPerson)


def list_names() -> dict[str, str]:
    """Return the names of Mailketing's lists by their ids."""
    return {row.list_id: row.name for row in mailketing_lists()}


def mailketing_lists() -> list[CatalogueList]:
    return _by_name(CatalogueList)


def products() -> list[CatalogueProduct]:
    """Return the products, each with its variants loaded."""
    return _by_name(CatalogueProduct, selectinload(CatalogueProduct.variants))


def variants_of(product_id: str) -> list[CatalogueVariant]:
    """Return the variants of a product, given by its id or uuid; none for an unknown one."""
    product = _product(product_id)
    return list(product.variants) if product else []


def product_number(product_id: str) -> str | None:
    """Return the integer id of the product that an id or uuid names, None when it names no product."""
    product = _product(product_id)
    return product.scalev_id if product else None


def label_for(product_id: str) -> Label | None:
    """Return what a product list's product id names (a product before a variant before a SKU), None when unknown."""
    product = _product(product_id)
    if product is not None:
        return Label(product.name, product.missing_since)
    variants = sorted(_named_variants(product_id), key=lambda row: row.missing_since is not None)
    return Label(variants[0].name, variants[0].missing_since) if variants else None


def _by_name(model: type[Record], *options: Any) -> list[Record]:
    table = cast(Table, model.__table__)
    query = select(model).options(*options).order_by(table.c.missing_since.is_not(None), table.c.name)
    return list(db.session.scalars(query))


def _age(beat: Heartbeat | None) -> Age:
    return Age(beat.succeeded_at, beat.started_at, beat.error) if beat else Age()


def _product(product_id: str) -> CatalogueProduct | None:
    named = or_(CatalogueProduct.scalev_id == product_id, CatalogueProduct.uuid == product_id)
    return db.session.scalar(select(CatalogueProduct).where(named).limit(1))


def _named_variants(product_id: str) -> list[CatalogueVariant]:
    number_of_product = exists().where(CatalogueProduct.scalev_id == CatalogueVariant.scalev_id)
    named = or_(
        CatalogueVariant.unique_id == product_id,
        CatalogueVariant.sku == product_id,
        (CatalogueVariant.scalev_id == product_id) & ~number_of_product,
    )
    return list(db.session.scalars(select(CatalogueVariant).where(named).order_by(CatalogueVariant.name)))
