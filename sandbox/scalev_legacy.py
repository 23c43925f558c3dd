"""ScaleV's REST API, version 2: the old envelope, paged by `last_id` (facts/scalev.md section 3)."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, jsonify, request

from sandbox import catalogue_shapes, shapes
from sandbox.order_search import find_orders
from sandbox.pager import Key, PageRequest, cut_page, read_page_size
from sandbox.scalev import get_catalogue, guard
from sandbox.state import get_sandbox

T = TypeVar("T")
bp = Blueprint("scalev_legacy", __name__, url_prefix="/scalev/v2")
guard(bp)


def answer_success(data: Any) -> Response:
    return jsonify(code=200, status="Success", data=data)


def write_results(rows: list[Any], size: int, has_next: bool, last_id: int | None) -> Response:
    return answer_success({"results": rows, "has_next": has_next, "last_id": last_id, "page_size": size})


def answer_list(items: Mapping[int, T], write: Callable[[T], Any]) -> Response:
    last_id = request.args.get("last_id")
    wanted = PageRequest(read_page_size(request.args), (0, int(last_id)) if last_id else None)
    page = cut_page([(0, item_id) for item_id in sorted(items)], wanted)
    rows = [write(items[item_id]) for _, item_id in page.keys]
    return write_results(rows, page.size, page.has_next, page.keys[-1][1] if page.keys else None)


@bp.get("/stores")
def list_stores() -> Response:
    return answer_list(get_catalogue().stores, shapes.write_store)


@bp.get("/products")
def list_products() -> Response:
    return answer_list(get_catalogue().products, catalogue_shapes.write_product)


@bp.get("/order")
@bp.get("/orders")
def list_orders() -> Response:
    """What `last_id` means for UUID orders is unknown; here it is the legacy integer."""
    sandbox = get_sandbox()
    with sandbox.lock:
        wanted = PageRequest(read_page_size(request.args), _find_last_key(request.args.get("last_id")))
        page = find_orders(sandbox.orders, request.args, wanted)
        orders = [sandbox.orders.at(key) for key in page.keys]
        rows = [shapes.write_order_row(order, ()) for order in orders]
    return write_results(rows, page.size, page.has_next, orders[-1].legacy_id if orders else None)


@bp.get("/order/<order_name>")
@bp.get("/orders/<order_name>")
def show_order(order_name: str) -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        order = sandbox.orders.find(order_name)
        if order is None:
            abort(404)
        return answer_success(shapes.write_rest_order(order))


def _find_last_key(last_id: str | None) -> Key | None:
    if not last_id:
        return None
    order = get_sandbox().orders.find(last_id)
    if order is None:
        raise ValueError("invalid last_id")
    return order.key
