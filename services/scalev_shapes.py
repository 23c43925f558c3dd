"""What ScaleV's REST answers hold: pages and refusals of both versions, and catalogue rows as small records. Pure.

All tolerance for missing and odd fields of the catalogue lives here; orders are read by order_snapshot. A field that
is None was not told, which is different from being empty: lists of products tell no SKU, lists of a store's products
do (ScaleV's API catalogue).
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

from services import troubles
from services.contacts import clean_text
from services.errors import (
    VendorAuthError,
    VendorError,
    VendorForbidden,
    VendorNotFound,
    VendorRefused,
    VendorUnreachable,
)
from services.order_snapshot import read_moment, read_money

VENDOR = "ScaleV"
# The last of these words in a path names what was asked for. Scope names changed between versions of ScaleV's spec.
_SCOPES = {
    "stores": "store:list and store:read",
    "sales-people": "store:read",
    "products": "product:list and product:read",
    "variants": "product:read",
    "bundles": "bundle:list and bundle:read",
    "orders": "order:list and order:read",
    "order": "order:read",
}
_ID_LENGTH = 40
_KEY_LENGTH = 120  # unique ids and SKUs; as order_snapshot cuts them, so that both still are equal
_NAME_LENGTH = 255

Row = Mapping[str, Any]
Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list: its rows as ScaleV wrote them, and where the next page begins, None on the last one."""

    rows: list[dict[str, Any]]
    next_cursor: str | None

    @property
    def has_next(self) -> bool:
        return self.next_cursor is not None


@dataclass(frozen=True, slots=True)
class Store:
    """A store. `id` is the integer, as text."""

    id: str
    unique_id: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant by both of its ids: webhook lines name `unique_id`, REST lines the integer `id` (ScaleV docs).

    `sku` is None when the list does not tell it and "" when the variant has none; `price` is None when not told.
    """

    id: str
    unique_id: str | None
    sku: str | None
    name: str
    price: Decimal | None


@dataclass(frozen=True, slots=True)
class Product:
    """A product with its variants."""

    id: str
    uuid: str | None
    name: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True, slots=True)
class BundleLine:
    variant: Variant
    quantity: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle. Lists tell its id and name only; price options and lines come with the single bundle."""

    id: str
    name: str
    price_option_ids: tuple[str, ...]
    lines: tuple[BundleLine, ...]


@dataclass(frozen=True, slots=True)
class SalesPerson:
    """A CS, by the user's id: an order's `handler.id` is that, not the row's id (observed by integrators)."""

    user_id: str
    name: str
    email: str | None


def read_page(body: object) -> Page:
    """Read one page: v3's, with a cursor or everything at once, or the one in v2's envelope.

    Raises:
        VendorUnreachable: it holds no readable list, which is not the same as an empty one.
    """
    whole = body if isinstance(body, dict) else {}
    data = whole.get("data")
    if isinstance(data, dict):
        return _read_legacy_page(data)
    rows, cursor = _rows(data), whole.get("next_cursor")
    has_next = whole.get("has_next", cursor is not None)
    if has_next and not (isinstance(cursor, str) and cursor):
        raise _no_way_on()
    return Page(rows, cursor if has_next else None)


def _read_legacy_page(data: dict[str, Any]) -> Page:
    """Read v2's `{"results", "has_next", "last_id"}`, which names the last id on the last page as well (its SDK)."""
    rows, last_id = _rows(data.get("results")), _text(data.get("last_id"), 200)
    if not data.get("has_next", bool(rows and last_id)):
        return Page(rows, None)
    if last_id is None:
        raise _no_way_on()
    return Page(rows, last_id)


def _rows(data: object) -> list[dict[str, Any]]:
    if not isinstance(data, list) or not all(isinstance(row, dict) for row in data):
        raise VendorUnreachable(VENDOR, troubles.NO_READABLE(where="list"))
    return data


def _no_way_on() -> VendorUnreachable:
    return VendorUnreachable(VENDOR, troubles.NO_WAY_ON())


def walk(fetch: Callable[[str | None], Page], what: str, max_pages: int) -> Iterator[Page]:
    """Yield pages until the last one: the one generator behind every list.

    Args:
        fetch: gives the page at a cursor, the first one at None.
        what: for the error.
        max_pages: where to give up.

    Raises:
        VendorRefused: more than `max_pages` pages.
        VendorUnreachable: the cursors go round in a circle.
    """
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(max_pages):
        page = fetch(cursor)
        yield page
        if page.next_cursor is None:
            return
        if page.next_cursor in seen:
            raise VendorUnreachable(VENDOR, troubles.CIRCLE(where=what))
        cursor = page.next_cursor
        seen.add(cursor)
    raise VendorRefused(VENDOR, troubles.TOO_MANY_PAGES(where=what, number=max_pages))


def newer(page: Page, since: datetime | None) -> Page:
    """Return a page without its rows from before a moment; without rows left, it is the last one."""
    if since is None or not page.rows:
        return page
    rows = [row for row in page.rows if (read_moment(row.get("created_at")) or since) >= since]
    return Page(rows, page.next_cursor if rows else None)


def as_param(value: object) -> str:
    """Return a filter's value as ScaleV reads it: ISO-8601 in UTC with `Z` for moments (observed by integrators)."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)


def parse(text: str) -> Any:
    """Return an answer's JSON, None when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def status_of(http_status: int, body: object) -> int:
    """Return the status that counts: v2 repeats it in its envelope, and a refusal there is one whatever HTTP says."""
    code = body.get("code") if isinstance(body, dict) and "error" in body else None
    return code if isinstance(code, int) and 400 <= code < 600 and 200 <= http_status < 300 else http_status


def reason(body: object) -> str:
    """Return the words of an error body: `message`, `error` (text or object) or `errors` by field, in both versions."""
    if not isinstance(body, dict):
        return ""
    for name in ("message", "error", "errors"):
        if value := body.get(name):
            return clean_text(value if isinstance(value, str) else json.dumps(value), 300)
    return ""


def as_error(path: str, status: int, words: str, wait: float | None) -> VendorError:
    """Return the error for a refused call.

    Args:
        path: what was asked for, with the version.
        status: not a success.
        words: ScaleV's reason, redacted.
        wait: seconds that the answer asked for, None for none.
    """
    if status == 401:
        return VendorAuthError(VENDOR, _refused_key(words, status), status=status)
    if status == 403 and words:
        return VendorForbidden(VENDOR, _missing_scope(path), status=status)
    if status == 404:
        text = troubles.REFUSED(where=path, words=words) if words else troubles.NOT_FOUND(where=path)
        return VendorNotFound(VENDOR, text, status=status)
    # A 403 without ScaleV's own words is a web page of whatever guards its servers.
    if status in (403, 408) or not 400 <= status < 500:
        text = troubles.BAD_STATUS(where=path, status=status)
        return VendorUnreachable(VENDOR, text, retry_after=wait, status=status)
    if words:
        return VendorRefused(VENDOR, troubles.REFUSED(where=path, words=words), status=status)
    return VendorRefused(VENDOR, troubles.REFUSED_SILENTLY(where=path, status=status), status=status)


def _refused_key(words: str, status: int) -> str:
    return troubles.KEY_REFUSED(words=words) if words else troubles.KEY_REFUSED_SILENTLY(status=status)


def _missing_scope(path: str) -> str:
    scopes = [_SCOPES[word] for word in path.split("/") if word in _SCOPES]
    return troubles.SCOPES_MISSING(where=path, needs=scopes[-1]) if scopes else troubles.SCOPE_MISSING(where=path)


def unwrap(body: object) -> object:
    """Return a single record: v3 gives it bare, v2 puts it into an envelope under `data` (ScaleV docs)."""
    if isinstance(body, dict) and "id" not in body and isinstance(body.get("data"), dict):
        return body["data"]
    return body


def read_rows(rows: Sequence[Row], read: Callable[[Row], Record | None], what: str) -> list[Record]:
    """Read what can be read of a page's rows.

    Raises:
        VendorUnreachable: there are rows, but not one that can be read.
    """
    records = [record for row in rows if (record := read(row)) is not None]
    if rows and not records:
        raise VendorUnreachable(VENDOR, troubles.ROWS_UNREADABLE(where=what))
    return records


def read_store(row: Row) -> Store | None:
    """Read a row of `stores` or `stores/simplified`; None without any id."""
    store_id = _id(row)
    return Store(store_id, _key(row.get("unique_id")), _name(row, store_id, "name")) if store_id else None


def read_product(row: Row) -> Product | None:
    """Read a row of `products` or of a store's products; None without any id."""
    product_id = _id(row)
    if product_id is None:
        return None
    name = _name(row, product_id, "name", "display", "public_name")
    told = (read_variant(variant, name) for variant in _mappings(row.get("variants")))
    return Product(product_id, _key(row.get("uuid")), name, tuple(variant for variant in told if variant))


def read_variant(row: Row, product_name: str = "") -> Variant | None:
    """Read a variant, alone or inside a product, which then lends it its name; None without any id."""
    variant_id = _id(row)
    if variant_id is None:
        return None
    return Variant(
        id=variant_id,
        unique_id=_key(row.get("unique_id")),
        sku=(_key(row["sku"]) or "") if "sku" in row else None,
        name=_variant_name(row, product_name) or variant_id,
        price=read_money(row.get("price")),
    )


def _variant_name(row: Row, product_name: str) -> str:
    """Return the full name; without one, the product's name and the option's."""
    full = _text(row.get("fullname"), _NAME_LENGTH)
    option = _text(row.get("name"), _NAME_LENGTH) or ""
    product = product_name or _text(row.get("product_name"), _NAME_LENGTH) or ""
    return full or (option if product in option else clean_text(f"{product} {option}", _NAME_LENGTH))


def read_bundle(row: Row) -> Bundle | None:
    """Read a bundle, from a list or alone; None without any id."""
    bundle_id = _id(row)
    if bundle_id is None:
        return None
    options = (_key(option.get("unique_id")) for option in _mappings(row.get("bundle_price_options")))
    lines = (_read_bundle_line(line) for line in _mappings(row.get("bundlelines")))
    return Bundle(
        id=bundle_id,
        name=_name(row, bundle_id, "name", "display", "public_name"),
        price_option_ids=tuple(option for option in options if option),
        lines=tuple(line for line in lines if line),
    )


def _read_bundle_line(row: Row) -> BundleLine | None:
    nested = row.get("variant")
    variant = read_variant(nested) if isinstance(nested, dict) else None
    quantity = read_money(row.get("quantity"))
    return BundleLine(variant, int(quantity) if quantity is not None else 1) if variant else None


def read_sales_person(row: Row) -> SalesPerson | None:
    """Read a row of a store's sales people; None without a user, because the other ids name something else."""
    business_user = row.get("business_user")
    user = (business_user if isinstance(business_user, dict) else row).get("user")
    if not isinstance(user, dict) or (user_id := _text(user.get("id"), _ID_LENGTH)) is None:
        return None
    return SalesPerson(user_id, _name(user, user_id, "fullname", "name", "email"), _text(user.get("email"), 254))


def _id(row: Row) -> str | None:
    """Return the integer id as text; a row without one is known by another id that it has."""
    ids = (_text(row.get(name), _ID_LENGTH) for name in ("id", "unique_id", "uuid"))
    return next((found for found in ids if found), None)


def _name(row: Row, fallback: str, *fields: str) -> str:
    names = (_text(row.get(field), _NAME_LENGTH) for field in fields)
    return next((name for name in names if name), fallback)


def _key(value: object) -> str | None:
    return _text(value, _KEY_LENGTH)


def _text(value: object, limit: int) -> str | None:
    """Texts and numbers as clean text; anything else, and an empty text, says nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return clean_text(value, limit) or None


def _mappings(value: object) -> list[Row]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
