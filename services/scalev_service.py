"""Client for ScaleV's REST API, read-only, with the business's API key as Bearer token.

v3 is the one in use. v2 is for a business that ScaleV has not moved yet: another envelope, `last_id` instead of a
cursor, orders under `orders` or `order` depending on its age (ScaleV docs, its SDK and spec). Both give the same rows.
"""

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote

from services import scalev_shapes, troubles
from services.clock import utc_now
from services.contacts import clean_text, redact
from services.errors import (
    VendorAuthError,
    VendorNotFound,
    VendorRateLimited,
    VendorRefused,
    VendorUnreachable,
)
from services.http_session import Answer, HttpSession, retry_after
from services.scalev_shapes import VENDOR, Bundle, Page, Product, SalesPerson, Store, Variant

V3, V2 = "v3", "v2"
VERSIONS = (V3, V2)
PAGE_SIZE = 25  # the most that either version gives (ScaleV's API catalogue, v2's spec)
MAX_PAGES = 400

# v3 allows 100 calls in 10 s and 10,000 an hour per key, v2 30 in 5 s (ScaleV docs). A few are left for other programs.
BURST_CALLS = 90
BURST_SECONDS = 10.0
_BURSTS = {V3: (BURST_CALLS, BURST_SECONDS), V2: (27, 5.0)}
# The longest pause taken on the spot; a longer one is the caller's to wait for.
MAX_PAUSE = 15.0
_HOUR = 3600.0

# What rows of the order list are asked for. Without `columns` they lack handler, payment_method and others (observed by
# integrators); with it, they may hold these and nothing else. `orderlines` may stay out all the same.
ORDER_COLUMNS = (
    "id,order_id,status,payment_status,payment_method,is_probably_spam,gross_revenue,created_at,last_updated_at,"
    "paid_time,customer,destination_address,handler,store,financial_entity,payment_account_number,"
    "payment_account_holder,total_quantity,orderlines"
)

_SYSTEM_ID = re.compile(r"[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Where a resource stands, the likelier place first. `stores/simplified` is in every version of the spec, `stores` not.
_PATHS: dict[str, dict[str, tuple[str, ...]]] = {
    V3: {"stores": ("stores/simplified", "stores")},
    V2: {"stores": ("stores/simplified", "stores"), "orders": ("orders", "order")},
}
_CURSORS = {V3: "next_cursor", V2: "last_id"}

Record = TypeVar("Record")


@dataclass(frozen=True)
class KeyCheck:
    """A key that works: the first store's name (none for a business without stores) and whether there are more."""

    store_names: tuple[str, ...]
    has_more: bool


class ScalevClient:
    """The API with one business's key. May be shared between threads.

    Every method raises a VendorError when ScaleV can't be asked; an empty list always is ScaleV's own word.

    Args:
        base_url: without the version, e.g. `https://api.scalev.com`.
        key: `sk_…` (all scopes) or `rk_…` (chosen scopes), as pasted by the user.
        version: `v3`, or `v2` for the legacy API.
        pacer: from `shared_pacer`, so that all clients of a process together keep the pace; None is a pacer of its own.
        sleep, clock: for tests; seconds, as `time.sleep` and `time.monotonic`.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        version: str = V3,
        session: HttpSession | None = None,
        pacer: "Pacer | None" = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = clean_key(key)
        self._version = version
        self._session = session or HttpSession()
        self._pacer = pacer or Pacer(*_BURSTS[version], sleep=sleep, clock=clock)
        self._paths: dict[str, tuple[str, ...]] = {**_PATHS[version]}
        self._asks_columns = True

    def check_key(self) -> KeyCheck:
        """Prove the key with the one call that every version of the API knows.

        Raises:
            VendorAuthError: wrong or expired key.
            VendorForbidden: the key lacks the stores' scope.
            VendorError: every other failure.
        """
        page = self._page("stores", {"page_size": "1"}, None)
        return KeyCheck(tuple(clean_text(row.get("name"), 200) for row in page.rows), page.has_next)

    # --- orders ---

    def get_order(self, order: str) -> dict[str, Any]:
        """Return one order in ScaleV's REST shape, by its id (UUID or old number) or by its human order_id.

        The route takes ids; that it takes an order_id as well was seen by integrators only, so when it does not, the
        list is asked for the id first.

        Raises:
            VendorNotFound: ScaleV does not know this order.
            VendorError: every other failure.
        """
        try:
            return self._get_order_by_id(order)
        except (VendorNotFound, VendorRefused):
            if _SYSTEM_ID.fullmatch(order):
                raise
        return self._get_order_by_id(self._find_order(order))

    def list_orders(self, *, since: datetime | None = None, next_cursor: str | None = None, **filters: object) -> Page:
        """Return one page of the order list, newest `created_at` first.

        The rows are dicts in the shape of `get_order`, cut down to ORDER_COLUMNS: `id` and `order_id` always, the rest
        when ScaleV gives it; `orderlines` mostly not. `order_snapshot.read_order("order.updated", row)` reads them. A
        ScaleV that refuses ORDER_COLUMNS is asked without; then `handler`, `payment_method` and more are missing.

        Args:
            since: leaves out rows created before this moment (ScaleV has no such filter); the page is the last one
                when that leaves none of its rows. Rows without a readable `created_at` stay in.
            next_cursor: of the page before, asked with the same filters (as `last_id` in v2); None is the first page.
            filters: ScaleV's own, e.g. `status="pending"`, `draft_time_until=moment`, `columns="…"` to ask for others.

        Raises:
            VendorRefused: ScaleV does not take a filter or the cursor.
            VendorError: every other failure.
        """
        params = {name: scalev_shapes.as_param(value) for name, value in filters.items()}
        return scalev_shapes.newer(self._order_page(params, next_cursor), since)

    def orders(
        self, *, since: datetime | None = None, max_pages: int = MAX_PAGES, **filters: object
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of `list_orders` page by page, each fetched only when it is wanted.

        Raises:
            VendorRefused: more than `max_pages` pages, or see `list_orders`.
            VendorError: any other failure, never a silent end.
        """

        def fetch(cursor: str | None) -> Page:
            return self.list_orders(since=since, next_cursor=cursor, **filters)

        for page in scalev_shapes.walk(fetch, "orders", max_pages):
            yield from page.rows

    def _get_order_by_id(self, order: str) -> dict[str, Any]:
        found = self._single("orders", order)
        if not isinstance(found, dict) or not ("id" in found or "order_id" in found):
            raise VendorUnreachable(VENDOR, troubles.NO_READABLE(where="order"))
        return found

    def _find_order(self, order_id: str) -> str:
        # Only rows that really carry this order_id: a server that ignores the filter answers with other orders.
        page = self._page("orders", {"order_id": order_id}, None)
        ids = [str(row["id"]) for row in page.rows if row.get("order_id") == order_id and row.get("id")]
        if not ids:
            raise VendorNotFound(VENDOR, troubles.NO_SUCH_ORDER())
        return ids[0]

    def _order_page(self, filters: Mapping[str, str], cursor: str | None) -> Page:
        if "columns" in filters or not self._asks_columns:
            return self._page("orders", filters, cursor)
        try:
            return self._page("orders", {**filters, "columns": ORDER_COLUMNS}, cursor)
        except VendorRefused:
            # The names that `columns` takes are not documented. If it was something else, this is refused as well.
            page = self._page("orders", filters, cursor)
            self._asks_columns = False
            return page

    # --- catalogue ---

    def stores(self) -> Iterator[Store]:
        """Yield all stores."""
        return self._records("stores", scalev_shapes.read_store)

    def products(self) -> Iterator[Product]:
        """Yield all products of the business; their variants come without SKU and price."""
        return self._records("products", scalev_shapes.read_product)

    def store_products(self, store_id: str) -> Iterator[Product]:
        """Yield the products of one store, those of other businesses that it sells too; their variants are complete."""
        return self._records(f"stores/{_segment(store_id)}/products", scalev_shapes.read_product)

    def sales_people(self, store_id: str) -> Iterator[SalesPerson]:
        """Yield the sales people of one store, which ScaleV wants by its integer id.

        Raises:
            VendorNotFound: no such store, or a ScaleV without this call (it is missing in one version of its spec).
        """
        return self._records(f"stores/{_segment(store_id)}/sales-people", scalev_shapes.read_sales_person)

    def variant(self, variant_id: str) -> Variant:
        """Return one variant, complete. Whether ScaleV takes a unique_id here is unknown: use the integer."""
        return self._record("variants", variant_id, scalev_shapes.read_variant)

    def bundles(self) -> Iterator[Bundle]:
        """Yield all bundles, without their lines."""
        return self._records("bundles", scalev_shapes.read_bundle)

    def bundle(self, bundle_id: str) -> Bundle:
        """Return one bundle with its lines and price options."""
        return self._record("bundles", bundle_id, scalev_shapes.read_bundle)

    # --- calls ---

    def pages(
        self, resource: str, params: Mapping[str, str] | None = None, *, max_pages: int = MAX_PAGES
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the rows of a list call, page by page.

        Args:
            resource: the path without the version, e.g. `stores/5/products`; ids in it go through `quote`.
            params: filters, kept the same for all pages as ScaleV demands.
            max_pages: where to give up.

        Raises:
            VendorRefused: more than `max_pages` pages.
            VendorError: any failure, never a silent end of the list.
        """
        for page in scalev_shapes.walk(lambda cursor: self._page(resource, params or {}, cursor), resource, max_pages):
            yield page.rows

    def _records(self, resource: str, read: Callable[[scalev_shapes.Row], Record | None]) -> Iterator[Record]:
        for rows in self.pages(resource):
            yield from scalev_shapes.read_rows(rows, read, resource)

    def _record(self, resource: str, name: str, read: Callable[[scalev_shapes.Row], Record | None]) -> Record:
        found = self._single(resource, name)
        return scalev_shapes.read_rows([found if isinstance(found, dict) else {}], read, resource)[0]

    def _single(self, resource: str, name: str) -> object:
        return scalev_shapes.unwrap(self._ask(resource, f"/{_segment(name)}"))

    def _page(self, resource: str, params: Mapping[str, str], cursor: str | None) -> Page:
        query = {**params, "page_size": params.get("page_size", str(PAGE_SIZE))}
        if cursor:
            query[_CURSORS[self._version]] = cursor
        return scalev_shapes.read_page(self._ask(resource, "", query))

    def _ask(self, resource: str, rest: str = "", params: Mapping[str, str] | None = None) -> Any:
        """Return the parsed body of one call, from the first of the resource's places that is there."""
        *earlier, last = self._paths.get(resource, (resource,))
        for path in earlier:
            with suppress(VendorNotFound):
                return self._ask_at(resource, path, rest, params)
        return self._ask_at(resource, last, rest, params)

    def _ask_at(self, resource: str, path: str, rest: str, params: Mapping[str, str] | None) -> Any:
        body = self._get(f"/{self._version}/{path}{rest}", params)
        self._paths[resource] = (path,)  # it is there: from now on a 404 is a word about the record
        return body

    def _get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The parsed body of one call; a 429 is waited out once if the wait is short."""
        answer = self._send(path, params)
        if answer.status == 429:
            answer = self._send(path, params)
        if answer.status == 429:
            raise VendorRateLimited(VENDOR, troubles.TOO_MANY_CALLS(), retry_after=self._pacer.delay(), status=429)
        return self._read(path, answer)

    def _send(self, path: str, params: Mapping[str, str] | None) -> Answer:
        if not self._key:
            raise VendorAuthError(VENDOR, troubles.NO_KEY())
        self._pacer.wait()
        answer = self._session.send(
            VENDOR, "GET", self._base_url + path, headers={"Authorization": f"Bearer {self._key}"}, params=params
        )
        self._pacer.hold(allowance_pause(answer))
        return answer

    def _read(self, path: str, answer: Answer) -> Any:
        body = scalev_shapes.parse(answer.text)
        status = scalev_shapes.status_of(answer.status, body)
        if not 200 <= status < 300:
            words = redact(scalev_shapes.reason(body), self._key)
            raise scalev_shapes.as_error(path, status, words, retry_after(answer.headers))
        if body is None:
            raise VendorUnreachable(VENDOR, troubles.UNREADABLE(where=path), status=status)
        return body


def clean_key(text: str) -> str:
    """The bare key of what users paste: without quotes, white space or `Bearer `; "" if it can be no key."""
    key = re.sub(r"(?i)^(?:authorization\s*:\s*)?bearer\s+", "", clean_text(text, 1000).strip(" \"'`“”‘’"))
    key = "".join(key.split()).strip("\"'`")
    return key if key.isascii() else ""


class Pacer:
    """Keeps calls under `limit` per `window` seconds, and silent as long as the vendor asks for it."""

    def __init__(
        self, limit: int, window: float, *, sleep: Callable[[float], None], clock: Callable[[], float]
    ) -> None:
        self._window = window
        self._sleep = sleep
        self._clock = clock
        self._calls: deque[float] = deque(maxlen=limit)
        self._not_before = float("-inf")
        self._lock = threading.Lock()

    def delay(self) -> float:
        """Seconds until the next call may go out."""
        due = self._not_before
        if len(self._calls) == self._calls.maxlen:
            due = max(due, self._calls[0] + self._window)
        return max(0.0, due - self._clock())

    def hold(self, seconds: float) -> None:
        """No call for so many seconds."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def wait(self) -> None:
        """Sleep until a call may go out, and count it.

        :raises VendorRateLimited: when that is longer than MAX_PAUSE away.
        """
        with self._lock:
            pause = self.delay()
            if pause > MAX_PAUSE:
                raise VendorRateLimited(VENDOR, troubles.ALLOWANCE_USED_UP(), retry_after=pause)
            if pause:
                self._sleep(pause)
            self._calls.append(self._clock())


@lru_cache(maxsize=8)
def shared_pacer(base_url: str, key: str, version: str) -> Pacer:
    """Return this process's one pacer for a key: jobs run side by side, and ScaleV counts their calls together."""
    return Pacer(*_BURSTS[version], sleep=time.sleep, clock=time.monotonic)


def allowance_pause(answer: Answer) -> float:
    """Seconds to stay silent after this answer: 0 while ScaleV still has allowance for us.

    ScaleV documents the header names, not whether X-Ratelimit-Reset is a moment or a number of seconds: both work.
    """
    exhausted = answer.headers.get("X-Ratelimit-Remaining", "").strip() == "0"
    if answer.status != 429 and not exhausted:
        return 0.0
    asked = retry_after(answer.headers)
    return asked if asked is not None else _until_reset(answer.headers.get("X-Ratelimit-Reset", ""))


def _until_reset(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,13}(\.[0-9]{1,9})?", value.strip()):
        return BURST_SECONDS
    seconds = float(value)
    if seconds > 1e11:  # milliseconds since 1970
        seconds /= 1000
    if seconds > 1e8:  # seconds since 1970: as a wait this would be three years
        seconds -= utc_now().timestamp()
    return min(max(seconds, 0.0), _HOUR)


def _segment(value: str) -> str:
    """One path segment; dots alone would climb to another endpoint."""
    if not value.strip(". "):
        raise VendorNotFound(VENDOR, troubles.NO_ID())
    return quote(value, safe="")
