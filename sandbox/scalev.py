"""ScaleV's REST API, version 3 (facts/scalev.md section 2)."""

import hmac
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Blueprint, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from sandbox import catalogue_shapes, shapes
from sandbox.catalogue import Catalogue, Store
from sandbox.gate import Gate
from sandbox.order_search import find_orders
from sandbox.orders import Order
from sandbox.pager import Page, cut_page, read_page_request
from sandbox.state import RateWindow, get_sandbox
from sandbox.switches import Call, Switch

T = TypeVar("T")
bp = Blueprint("scalev", __name__, url_prefix="/scalev")
# View -> the scope that a restricted key needs for it (section 2.3).
SCOPES = {
    "list_stores": "store:list",
    "list_stores_simplified": "store:read",
    "show_store": "store:read",
    "list_store_products": "product:list",
    "list_sales_people": "store:read",
    "list_store_bundles": "bundle:list",
    "list_products": "product:list",
    "show_product": "product:read",
    "show_variant": "product:read",
    "list_bundles": "bundle:list",
    "show_bundle": "bundle:read",
    "list_orders": "order:list",
    "show_order": "order:read",
}


def describe_call() -> Call:
    """The call as the switches see it; an order's own address counts as the call's e-mail."""
    view = (request.endpoint or "").rpartition(".")[2]
    name = (request.view_args or {}).get("order_name")
    order = find_order(str(name)) if name else None
    return Call("scalev", request.path, SCOPES.get(view), order.buyer.email if order else None)


def answer_error(status: int, text: str) -> Response:
    """`{"error": ...}` in v3; v2 puts its envelope around it (sections 2.2 and 3)."""
    body: dict[str, Any] = {"error": text}
    if request.path.startswith("/scalev/v2/"):
        reason = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}.get(status, "Bad Request")
        body = {"code": status, "status": reason, "error": text}
    response = jsonify(body)
    response.status_code = status
    return response


def refuse(switch: Switch) -> Response:
    """The answers that only ScaleV gives (section 2.2)."""
    if switch.mode == "forbidden":
        return answer_error(403, "Forbidden")
    return answer_error(401, "API key has expired" if switch.mode == "wrong_token" else "Invalid API key")


def check_key() -> Response | None:
    """Bearer authorisation (section 2.1)."""
    expected = f"Bearer {get_sandbox().settings.scalev_key}"
    given = request.headers.get("Authorization", "")
    if hmac.compare_digest(given.encode(), expected.encode()):
        return None
    return answer_error(401, "Invalid API key")


def tell_rate(response: Response) -> Response:
    """X-Ratelimit-* on every answer; whether Reset means seconds or an epoch is unknown, we say seconds."""
    sandbox = get_sandbox()
    with sandbox.lock:
        remaining, reset = sandbox.rate.count()
    response.headers["X-Ratelimit-Limit"] = str(RateWindow.LIMIT)
    response.headers["X-Ratelimit-Remaining"] = str(remaining)
    response.headers["X-Ratelimit-Reset"] = str(reset)
    return response


def guard(blueprint: Blueprint) -> None:
    """Give a blueprint ScaleV's door: switches, key, rate headers, log and error shapes."""
    gate = Gate("scalev", refuse, describe_call)
    blueprint.before_request(gate.enter)
    blueprint.before_request(check_key)
    # Flask runs these in reverse, so the call is logged and dropped last.
    blueprint.after_request(gate.leave)
    blueprint.after_request(tell_rate)
    blueprint.register_error_handler(ValueError, lambda error: answer_error(400, str(error)))
    blueprint.register_error_handler(HTTPException, _answer_http_error)


def _answer_http_error(error: HTTPException) -> Response:
    return answer_error(error.code or 500, error.name)


guard(bp)


def find_order(name: str) -> Order | None:
    sandbox = get_sandbox()
    with sandbox.lock:
        return sandbox.orders.find(name)


def get_catalogue() -> Catalogue:
    return get_sandbox().catalogue


def pick(items: Mapping[int, T], name: str) -> T:
    """The item with this numeric id, or 404."""
    if not name.isdecimal() or int(name) not in items:
        abort(404)
    return items[int(name)]


def write_page(page: Page, rows: list[Any]) -> Response:
    return jsonify(
        data=rows,
        is_paginated=True,
        has_next=page.has_next,
        has_previous=page.has_previous,
        next_cursor=page.next_cursor,
        previous_cursor=page.previous_cursor,
        page_size=page.size,
    )


def answer_list(items: Mapping[int, T], write: Callable[[T], Any]) -> Response:
    """Page through things known by an integer id, newest id first."""
    keys = [(0, item_id) for item_id in sorted(items)]
    page = cut_page(keys, read_page_request(request.args))
    return write_page(page, [write(items[item_id]) for _, item_id in page.keys])


def search_names(items: Mapping[int, T], read_name: Callable[[T], str]) -> dict[int, T]:
    """Those whose name contains the `search` parameter."""
    text = request.args.get("search", "").lower()
    return {item_id: item for item_id, item in items.items() if text in read_name(item).lower()}


def get_store(name: str) -> Store:
    """A store by numeric id or `store_...` (section 2.4), or 404."""
    stores = get_catalogue().stores
    by_unique_id = {store.unique_id: store for store in stores.values()}
    return by_unique_id[name] if name in by_unique_id else pick(stores, name)


@bp.get("/v3/stores", endpoint="list_stores")
@bp.get("/v3/stores/simplified", endpoint="list_stores_simplified")
def list_stores() -> Response:
    return answer_list(search_names(get_catalogue().stores, lambda store: store.name), shapes.write_store)


@bp.get("/v3/stores/<store_name>")
def show_store(store_name: str) -> Response:
    return jsonify(shapes.write_store(pick(get_catalogue().stores, store_name)))


@bp.get("/v3/stores/<store_name>/products")
def list_store_products(store_name: str) -> Response:
    store, products = get_store(store_name), get_catalogue().products
    own = {product_id: product for product_id, product in products.items() if product.store_id == store.id}
    return answer_list(own, catalogue_shapes.write_store_product)


@bp.get("/v3/stores/<store_name>/sales-people")
def list_sales_people(store_name: str) -> Response:
    """Unpaged (section 2.4 names no paging for it)."""
    people = get_catalogue().list_people(pick(get_catalogue().stores, store_name).id)
    return jsonify(data=[catalogue_shapes.write_sales_person(person) for person in people], is_paginated=False)


@bp.get("/v3/stores/<store_name>/bundles")
def list_store_bundles(store_name: str) -> Response:
    store, bundles = get_store(store_name), get_catalogue().bundles
    own = {bundle_id: bundle for bundle_id, bundle in bundles.items() if bundle.store_id == store.id}
    return answer_list(own, catalogue_shapes.write_bundle_row)


@bp.get("/v3/products")
def list_products() -> Response:
    products = search_names(get_catalogue().products, lambda product: product.name)
    return answer_list(products, catalogue_shapes.write_product)


@bp.get("/v3/products/<product_id>")
def show_product(product_id: str) -> Response:
    return jsonify(catalogue_shapes.write_product(pick(get_catalogue().products, product_id)))


@bp.get("/v3/variants/<variant_id>")
def show_variant(variant_id: str) -> Response:
    catalogue = get_catalogue()
    variant = pick(catalogue.variants, variant_id)
    return jsonify(catalogue_shapes.write_variant(catalogue.products[variant.product_id], variant))


@bp.get("/v3/bundles")
def list_bundles() -> Response:
    bundles = search_names(get_catalogue().bundles, lambda bundle: bundle.name)
    return answer_list(bundles, catalogue_shapes.write_bundle_row)


@bp.get("/v3/bundles/<bundle_id>")
def show_bundle(bundle_id: str) -> Response:
    catalogue = get_catalogue()
    bundle = pick(catalogue.bundles, bundle_id)
    store_name = catalogue.stores[bundle.store_id].name
    return jsonify(catalogue_shapes.write_bundle(bundle, catalogue.products, store_name))


@bp.get("/v3/orders")
def list_orders() -> Response:
    """Newest first; only the rows of this page are rendered."""
    sandbox = get_sandbox()
    columns = {name.strip() for name in request.args.get("columns", "").split(",") if name.strip()}
    with sandbox.lock:
        page = find_orders(sandbox.orders, request.args, read_page_request(request.args))
        rows = [shapes.write_order_row(sandbox.orders.at(key), columns) for key in page.keys]
    return write_page(page, rows)


@bp.get("/v3/orders/<order_name>")
def show_order(order_name: str) -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        order = sandbox.orders.find(order_name)
        if order is None:
            abort(404)
        return jsonify(shapes.write_rest_order(order))


@bp.get("/<path:rest>")
def answer_unknown_path(rest: str) -> Response:
    return answer_error(404, "Not Found")
