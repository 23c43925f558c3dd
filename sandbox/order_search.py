"""The filters of `GET /v3/orders` (facts/scalev.md section 2.7)."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sandbox.book import OrderBook
from sandbox.clock import parse_time
from sandbox.orders import Order
from sandbox.pager import Key, Page, PageRequest, cut_page

Test = Callable[[Order], bool]
_VALUE_FILTERS: dict[str, Callable[[Order], str]] = {
    "status": lambda order: order.status,
    "payment_status": lambda order: order.payment_status,
    "payment_method": lambda order: order.method or "",
    "store_id": lambda order: str(order.store.id),
    "handler_id": lambda order: str(order.handler.user_id) if order.handler else "",
    "is_probably_spam": lambda order: str(order.is_spam).lower(),
}
_SEARCH_FIELDS: dict[str, Callable[[Order], str]] = {
    "order_id": lambda order: order.order_id,
    "customer_name": lambda order: order.buyer.name,
    "customer_email": lambda order: order.buyer.email or "",
    "customer_phone": lambda order: order.buyer.phone,
}
# The only time filters there are: no "since" on created or draft, none on paid.
_TIME_FILTERS = (
    "draft_time_until",
    "confirmed_time_since",
    "confirmed_time_until",
    "shipped_time_since",
    "shipped_time_until",
    "completed_time_since",
    "completed_time_until",
)


def find_orders(book: OrderBook, args: Mapping[str, str], wanted: PageRequest) -> Page:
    """One page of the orders that pass every filter in `args`. Raises ValueError for a bad value."""
    tests = read_tests(args)
    order_id = args.get("order_id")
    if order_id is not None:
        order = book.find(order_id)
        keys = [order.key] if order and order.order_id == order_id else []
    else:
        keys = book.keys

    def accepts(key: Key) -> bool:
        order = book.at(key)
        return all(test(order) for test in tests)

    return cut_page(keys, wanted, accepts)


def read_tests(args: Mapping[str, str]) -> list[Test]:
    """One test per filter that is present; unknown parameters are ignored, as ScaleV ignores them."""
    tests = [_build_value_test(read, args[name]) for name, read in _VALUE_FILTERS.items() if args.get(name)]
    tests += [_build_time_test(name, parse_time(args[name])) for name in _TIME_FILTERS if args.get(name)]
    if args.get("search"):
        tests.append(_build_search_test(args["search"], args.get("search_field", "order_id")))
    return tests


def _build_value_test(read: Callable[[Order], str], wanted: str) -> Test:
    return lambda order: read(order) == wanted


def _build_time_test(name: str, limit: datetime) -> Test:
    status, _, side = name.partition("_time_")

    def passes(order: Order) -> bool:
        moment = order.times.get(status)
        if moment is None:
            return False
        return moment >= limit if side == "since" else moment <= limit

    return passes


def _build_search_test(text: str, field: str) -> Test:
    if field not in _SEARCH_FIELDS:
        raise ValueError(f"search_field must be one of {sorted(_SEARCH_FIELDS)}")
    read = _SEARCH_FIELDS[field]
    return lambda order: text.lower() in read(order).lower()
