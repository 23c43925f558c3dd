"""Which product list an order belongs to: by variant or product id, then SKU, then exact name, over all its lines.

A line and a product list may name one variant differently: webhooks say its unique id, REST its integer id, and a
product list may stand for the whole product or for some of its variants. The catalogue, as last listed, says what is
the same; what it does not know stands for itself alone. A product list may be for one store's orders only.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, cast

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Row,
    Select,
    Subquery,
    Table,
    bindparam,
    exists,
    false,
    func,
    or_,
    select,
    union,
)
from sqlalchemy.orm import InstrumentedAttribute, aliased

from models import Lead, OrderLine, ProductList, ProductListVariant, db
from models_catalogue import CatalogueProduct, CatalogueVariant

_MAX_LINES_IN_QUERY = 100
_MAX_KEYS_IN_QUERY = 500
_NEWEST_LEADS = 200  # how far back goods that the catalogue does not know are looked for
_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
_WHOLE = ProductListVariant.variant_id.is_(None)  # covers all of its product
_ALL = (
    select(ProductList, ProductListVariant.variant_id)
    .outerjoin(ProductList.variants)
    .order_by(ProductList.store_name.is_(None), ProductList.id)
)
_NAMED = _ALL.where(
    or_(
        _WHOLE & ProductList.product_id.in_(_IDS),
        ProductListVariant.variant_id.in_(_IDS),
        _WHOLE & ProductList.name.in_(bindparam("names", expanding=True)),
    )
)

# Runs for every webhook: built once, on the tables, as event_service's statements are.
_products, _variants = cast(Table, CatalogueProduct.__table__), cast(Table, CatalogueVariant.__table__)
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_KNOWN = (
    select(
        _variants.c.unique_id,
        _variants.c.scalev_id,
        _variants.c.sku,
        _variants.c.product_id,
        _products.c.uuid.label("product_uuid"),
    )
    .join(_products)
    .where(or_(*(column.in_(_KEYS) for column in (_variants.c.unique_id, _variants.c.scalev_id, _variants.c.sku))))
)
_Variants = Mapping[str | None, Row[Any]]
_Products = Mapping[str | None, tuple[str | None, ...]]

# ScaleV does not promise that a SKU is one variant's alone (its docs); one that is not names none of them.
SKUS_OF_ONE_VARIANT = (
    select(CatalogueVariant.sku)
    .where(CatalogueVariant.sku.is_not(None))
    .group_by(CatalogueVariant.sku)
    .having(func.count() == 1)
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


class Way(StrEnum):
    """By what a product list names an order line."""

    ID = "id"
    SKU = "sku"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Match:
    """A product list that names an order line, and by what."""

    product_list: ProductList
    way: Way
    key: str

    def takes(self, store_name: str | None) -> bool:
        """Whether it is switched on and for this store's orders."""
        return self.product_list.active and self.product_list.store_name in (None, store_name)


@dataclass(frozen=True, slots=True)
class _Names:
    """What a product list may call one line, the closer name first; `number` is the variant's integer id."""

    ids: tuple[str | None, ...]
    skus: tuple[str | None, ...]
    number: str | None


def find_product_list(lines: Sequence[OrderedGoods], store_name: str | None = None) -> ProductList | None:
    """Return the product list for an order's lines, None when no active one fits; see `rank`."""
    return next((match.product_list for match in rank(lines) if match.takes(store_name)), None)


def rank(lines: Sequence[OrderedGoods]) -> Iterator[Match]:
    """Yield every product list that names one of an order's lines once, the closest first, switched off ones too.

    An id beats a SKU and a SKU a name, whichever line they stand on; among equals the earlier line wins, on one line
    the variant before the product, and of two for the same goods the one of a store before the one for all.
    """
    named = _name_all(lines)
    candidates = _candidates(lines, named)
    by_id, by_name = dict[str, list[ProductList]](), dict[str, list[ProductList]]()
    for row, variant_id in candidates:
        by_id.setdefault(variant_id or row.product_id, []).append(row)
        if variant_id is None:
            by_name.setdefault(row.name, []).append(row)
    products = _products_among({names.number for names in named} & by_id.keys())
    ids = (key for names in named for key in _usable(names.ids, names, products))
    skus = (key for names in named for key in _usable(names.skus, names, products))
    names = (line.product_name for line in lines)
    ways = ((Way.ID, ids, by_id), (Way.SKU, skus, by_id), (Way.NAME, names, by_name))
    seen = set[int]()
    for match in (match for way, keys, found in ways for match in _matches(way, keys, found)):
        if match.product_list.id not in seen:
            seen.add(match.product_list.id)
            yield match


def waiting_lead_ids(limit: int) -> list[int]:
    """Return leads without product list whose goods an active product list names; `find_product_list` finds one for
    each of them."""
    query = select(Lead.id).where(Lead.product_list_id.is_(None), fits()).order_by(Lead.id).limit(limit)
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


def has_new_goods(since: datetime) -> bool:
    """Whether one of the newest leads names a variant that the catalogue does not know and no lead named before.

    One that was named before and still is not listed belongs to another business (ScaleV lets businesses sell each
    other's products, its docs): listing everything anew would not find it.
    """
    queries = (
        _new_goods(OrderLine.variant_unique_id, CatalogueVariant.unique_id, since),
        _new_goods(OrderLine.variant_id, CatalogueVariant.scalev_id, since),
    )
    return any(db.session.scalar(query) is not None for query in queries)


def _name_all(lines: Sequence[OrderedGoods]) -> list[_Names]:
    known = _known_variants({key for line in lines for key in _variant_ids(line) or (line.sku,) if key})
    by_unique_id = {row.unique_id: row for row in known}
    by_number = {row.scalev_id: row for row in known}
    holders = Counter(row.sku for row in known)
    by_sku = {row.sku: row for row in known if holders[row.sku] == 1}
    products = _known_products({line.product_id for line in lines if line.product_id})
    return [_name(line, by_unique_id, by_number, by_sku, products) for line in lines]


def _name(
    line: OrderedGoods, by_unique_id: _Variants, by_number: _Variants, by_sku: _Variants, products: _Products
) -> _Names:
    """A line that names its variant by SKU alone is as close to that variant as a SKU is, and no closer."""
    product_ids = products.get(line.product_id, (line.product_id,))
    if not _variant_ids(line):
        row = by_sku.get(line.sku)
        return _Names(product_ids, (line.sku, *_all_ids(row)), row.scalev_id if row else None)
    row = by_unique_id.get(line.variant_unique_id) or by_number.get(line.variant_id)
    ids = (line.variant_unique_id, line.variant_id, *_all_ids(row), *product_ids)
    return _Names(ids, (line.sku, row.sku if row else None), line.variant_id or (row.scalev_id if row else None))


def _variant_ids(line: OrderedGoods) -> tuple[str, ...]:
    return tuple(key for key in (line.variant_unique_id, line.variant_id) if key)


def _all_ids(row: Row[Any] | None) -> tuple[str | None, ...]:
    return (row.unique_id, row.scalev_id, row.product_id, row.product_uuid) if row else ()


def _known_variants(keys: Collection[str]) -> Collection[Row[Any]]:
    """Return the catalogue's variants that have one of these unique ids, integer ids or SKUs."""
    listed, rows = sorted(keys), dict[str, Row[Any]]()
    for start in range(0, len(listed), _MAX_KEYS_IN_QUERY):
        found = db.session.execute(_KNOWN, {"keys": listed[start : start + _MAX_KEYS_IN_QUERY]})
        rows |= {row.scalev_id: row for row in found}
    return rows.values()


def _known_products(product_ids: Collection[str]) -> _Products:
    """Return id and uuid of these products by either; webhooks never name products, so mostly nothing is asked."""
    listed, known = sorted(product_ids), dict[str | None, tuple[str | None, ...]]()
    for start in range(0, len(listed), _MAX_KEYS_IN_QUERY):
        keys = listed[start : start + _MAX_KEYS_IN_QUERY]
        query = select(_products.c.scalev_id, _products.c.uuid).where(
            _products.c.scalev_id.in_(keys) | _products.c.uuid.in_(keys)
        )
        known |= {key: (row.scalev_id, row.uuid) for row in db.session.execute(query) for key in row}
    return known


def _candidates(lines: Sequence[OrderedGoods], named: Sequence[_Names]) -> Sequence[tuple[ProductList, str | None]]:
    """The product lists that a line names, each with the variant by which it does; all of them for an order with very
    many lines, because databases limit how many values one query may hold."""
    if len(lines) > _MAX_LINES_IN_QUERY:
        return [(row, variant_id) for row, variant_id in db.session.execute(_ALL)]
    ids = {key for names in named for key in (*names.ids, *names.skus)}
    texts = {line.product_name for line in lines}
    found = db.session.execute(_NAMED, {"ids": list(ids - {None}), "names": list(texts - {None})})
    return [(row, variant_id) for row, variant_id in found]


def _products_among(numbers: set[str | None]) -> set[str]:
    """Return those of some variants' integer ids that are products' as well: both are numbered apart, and in a product
    list a number means the product."""
    wanted = [number for number in numbers if number]
    if not wanted:
        return set()
    return set(db.session.scalars(select(_products.c.scalev_id).where(_products.c.scalev_id.in_(wanted))))


def _usable(keys: tuple[str | None, ...], names: _Names, products: set[str]) -> Iterator[str | None]:
    return (key for key in keys if key != names.number or key not in products)


def fits() -> ColumnElement[bool]:
    """Return the condition that an active product list names a line of a lead, and takes its store's orders."""
    store_names = db.session.scalars(select(ProductList.store_name).where(ProductList.active).distinct()).all()
    named = [
        _names_line(ProductList.store_name.is_(None))
        if store_name is None
        else (Lead.store_name == store_name) & _names_line(ProductList.store_name == store_name)
        for store_name in store_names
    ]
    return exists().where(OrderLine.lead_id == Lead.id, or_(false(), *named))


def _names_line(among: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the condition that one of these product lists, if active, names an order line; none of its subqueries
    looks at the line, so that each runs once and not for every lead."""
    keys = _keys(among).subquery()
    named = select(keys.c.key)
    covered = select(_covered_variants(keys).subquery().c.scalev_id)
    unique_ids = select(CatalogueVariant.unique_id).where(CatalogueVariant.scalev_id.in_(covered))
    own_skus = select(CatalogueVariant.sku).where(
        CatalogueVariant.scalev_id.in_(covered), CatalogueVariant.sku.in_(SKUS_OF_ONE_VARIANT)
    )
    without_ids = OrderLine.variant_unique_id.is_(None) & OrderLine.variant_id.is_(None)
    names = select(ProductList.name).where(ProductList.active, among, ~ProductList.variants.any())
    return or_(
        OrderLine.variant_unique_id.in_(named),
        OrderLine.variant_unique_id.in_(unique_ids),
        OrderLine.variant_id.in_(named.where(keys.c.key.not_in(select(CatalogueProduct.scalev_id)))),
        OrderLine.variant_id.in_(covered),
        OrderLine.product_id.in_(named),
        OrderLine.product_id.in_(select(CatalogueProduct.scalev_id).where(CatalogueProduct.uuid.in_(named))),
        OrderLine.product_id.in_(select(CatalogueProduct.uuid).where(CatalogueProduct.scalev_id.in_(named))),
        OrderLine.sku.in_(named),
        without_ids & OrderLine.sku.in_(own_skus),
        OrderLine.product_name.in_(names),
    )


def _keys(among: ColumnElement[bool]) -> CompoundSelect[Any]:
    """Return the query for the ids by which active product lists name goods: their variants, else their product."""
    whole = select(ProductList.product_id.label("key")).where(ProductList.active, among, ~ProductList.variants.any())
    chosen = select(ProductListVariant.variant_id.label("key")).join(
        ProductList, ProductList.id == ProductListVariant.product_list_id
    )
    return union(whole, chosen.where(ProductList.active, among))


def _covered_variants(keys: Subquery) -> CompoundSelect[Any]:
    """Return the query for the variants that some keys stand for, one look into an index for each way."""
    variants = select(CatalogueVariant.scalev_id)
    by_product = variants.join(CatalogueProduct)
    is_product = exists().where(CatalogueProduct.scalev_id == keys.c.key)
    return union(
        variants.join(keys, keys.c.key == CatalogueVariant.unique_id),
        variants.join(keys, keys.c.key == CatalogueVariant.sku),
        variants.join(keys, (keys.c.key == CatalogueVariant.scalev_id) & ~is_product),
        by_product.join(keys, keys.c.key == CatalogueProduct.scalev_id),
        by_product.join(keys, keys.c.key == CatalogueProduct.uuid),
    )


def _new_goods(
    named: InstrumentedAttribute[str | None], listed: InstrumentedAttribute[Any], since: datetime
) -> Select[Any]:
    newest = select(Lead.id, Lead.created_at).order_by(Lead.id.desc()).limit(_NEWEST_LEADS).subquery()
    earlier_line, earlier_lead = aliased(OrderLine), aliased(Lead)
    earlier = exists().where(
        getattr(earlier_line, named.key) == named,
        earlier_line.lead_id == earlier_lead.id,
        earlier_lead.created_at <= since,
    )
    return (
        select(OrderLine.id)
        .join(newest, OrderLine.lead_id == newest.c.id)
        .where(newest.c.created_at > since, named.is_not(None), ~exists().where(listed == named), ~earlier)
        .limit(1)
    )


def _matches(way: Way, keys: Iterable[str | None], found: Mapping[str, list[ProductList]]) -> Iterator[Match]:
    return (Match(row, way, key) for key in keys if key is not None for row in found.get(key, ()))
