"""The control API under `/_control`: JSON, no login, this machine only. README.md lists the calls."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from sandbox import shop
from sandbox.clock import parse_time, read_clock
from sandbox.demo import seed_demo
from sandbox.state import LoggedCall, get_sandbox
from sandbox.webhooks import Event

Fields = dict[str, Any]
bp = Blueprint("control", __name__, url_prefix="/_control")
# Field of the call -> field of the wish.
_WISH_FIELDS = {
    "name": "name",
    "email": "email",
    "phone": "phone",
    "product": "goods",
    "variant": "goods",
    "quantity": "quantity",
    "method": "method",
    "handler": "handler",
    "store": "store",
    "order_id": "order_id",
    "free": "is_free",
    "spam": "is_spam",
}
_CHANGE_FIELDS = ("name", "email", "phone", "method", "quantity", "notes")


@bp.before_request
def guard_control() -> Response | None:
    """Loopback callers only, and no page of another site."""
    if not ip_address(request.remote_addr or "0.0.0.0").is_loopback:  # noqa: S104 - an address that is refused
        return answer_error(403, "the control API answers this machine only")
    refuse_foreign_origin()
    return None


def refuse_foreign_origin() -> None:
    """403 when a browser sends this from another site's page: there is no login that could tell them apart."""
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc != request.host:
        abort(403)


def answer_error(status: int, text: str) -> Response:
    response = jsonify(error=text)
    response.status_code = status
    return response


@bp.errorhandler(ValueError)
@bp.errorhandler(TypeError)
def answer_bad_value(error: Exception) -> Response:
    return answer_error(400, str(error))


@bp.errorhandler(LookupError)
def answer_unknown(error: LookupError) -> Response:
    return answer_error(404, str(error.args[0]) if error.args else "not found")


@bp.errorhandler(shop.ActionRefusedError)
def answer_refused(error: shop.ActionRefusedError) -> Response:
    return answer_error(409, str(error))


@bp.errorhandler(HTTPException)
def answer_http_error(error: HTTPException) -> Response:
    return answer_error(error.code or 500, error.name)


def read_fields() -> Fields:
    """The JSON body as an object; none at all counts as empty. Raises ValueError."""
    fields = request.get_json(silent=True) if request.data else {}
    if not isinstance(fields, dict):
        raise ValueError("the body must be a JSON object")
    return fields


def read_wish(fields: Fields, now: datetime) -> shop.OrderWish:
    """Raises ValueError for a field that is not known."""
    known = {*_WISH_FIELDS, "age_days", "at", "emit"}
    if set(fields) - known:
        raise ValueError(f"unknown fields: {sorted(set(fields) - known)}")
    values = {_WISH_FIELDS[name]: value for name, value in fields.items() if name in _WISH_FIELDS}
    # Ids may come as numbers.
    for name in ("goods", "handler", "store"):
        if values.get(name) is not None:
            values[name] = str(values[name])
    created_at = parse_time(fields["at"]) if "at" in fields else now - timedelta(days=float(fields.get("age_days", 0)))
    return shop.OrderWish(created_at=created_at, **values)


@bp.get("/state")
def show_state() -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        target = sandbox.settings.webhook
        return jsonify(
            orders=len(sandbox.orders),
            events=len(sandbox.events),
            calls={vendor: sum(call.vendor == vendor for call in sandbox.calls) for vendor in ("scalev", "mailketing")},
            credits=str(sandbox.credits),
            lists={str(row.id): len(row.subscribers) for row in sandbox.lists.values()},
            webhook={"url": target.url, "retry_delays": target.retry_delays},
            new_product=sandbox.catalogue.new_product.name,
        )


@bp.post("/reset")
def reset() -> Response:
    get_sandbox().reset(read_fields().get("big"))
    return jsonify(status="ok")


@bp.get("/switches")
def list_switches() -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        return jsonify([switch.describe() for switch in sandbox.switchboard])


@bp.post("/switches")
def add_switch() -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        return jsonify(sandbox.switchboard.add(read_fields()).describe())


@bp.delete("/switches")
def clear_switches() -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        removed = sandbox.switchboard.clear(request.args.get("vendor"), request.args.get("id", type=int))
    return jsonify(removed=removed)


@bp.get("/lists")
def list_lists() -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        return jsonify(
            [
                {"list_id": row.id, "list_name": row.name, "subscribers": len(row.subscribers)}
                for row in sandbox.lists.values()
            ]
        )


@bp.put("/lists")
def replace_lists() -> Response:
    """Body: a list of {list_id, list_name}."""
    rows = request.get_json()
    get_sandbox().set_lists({int(row["list_id"]): str(row["list_name"]) for row in rows})
    return list_lists()


@bp.get("/lists/<int:list_id>/subscribers")
def list_subscribers(list_id: int) -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        if list_id not in sandbox.lists:
            raise LookupError(f"no such list: {list_id}")
        return jsonify([subscriber.describe() for subscriber in sandbox.lists[list_id].subscribers.values()])


@bp.put("/credits")
def set_credits() -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        sandbox.credits = Decimal(int(read_fields()["credits"]))
    return jsonify(credits=str(sandbox.credits))


@bp.put("/webhook")
def set_webhook() -> Response:
    """Any of url (null = none), secret, retry_delays (seconds)."""
    target, fields = get_sandbox().settings.webhook, read_fields()
    target.url = fields.get("url", target.url)
    target.secret = fields.get("secret", target.secret)
    target.retry_delays = tuple(float(delay) for delay in fields.get("retry_delays", target.retry_delays))
    return jsonify(url=target.url, retry_delays=target.retry_delays)


@bp.get("/calls")
def list_calls() -> Response:
    """Oldest first. Filters: vendor, path (a piece of it), email, since (an id), limit (the newest N)."""
    sandbox, args = get_sandbox(), request.args
    with sandbox.lock:
        found = list(_filter_calls(sandbox.calls, args.to_dict()))
    return jsonify([asdict(call) for call in found[-args.get("limit", len(found) or 1, type=int) :]])


def _filter_calls(calls: Iterable[LoggedCall], args: dict[str, str]) -> Iterator[LoggedCall]:
    tests: dict[str, Callable[[LoggedCall, str], bool]] = {
        "vendor": lambda call, value: call.vendor == value,
        "path": lambda call, value: value in call.path,
        "email": lambda call, value: call.form.get("email", "").lower() == value.lower(),
        "since": lambda call, value: call.id > int(value),
    }
    for call in calls:
        if all(test(call, args[name]) for name, test in tests.items() if name in args):
            yield call


@bp.post("/orders")
def create_order() -> Response:
    sandbox, fields = get_sandbox(), read_fields()
    order, events = shop.create_order(sandbox, read_wish(fields, read_clock()), bool(fields.get("emit", True)))
    shop.send_events(sandbox, events)
    return jsonify(shop.describe_order(order, events))


@bp.post("/orders/bulk")
def create_orders() -> Response:
    """`count` orders; `{n}` in name, email and order_id becomes the number; sends nothing unless `emit`.

    `spread_days` makes the orders evenly older, from `age_days` to `age_days + spread_days`.
    """
    sandbox, fields = get_sandbox(), read_fields()
    count, spread = int(fields.pop("count")), float(fields.pop("spread_days", 0))
    emit, wish, order_ids, refused = bool(fields.get("emit")), read_wish(fields, read_clock()), [], 0
    for number in range(count):
        age = timedelta(days=spread * number / count)
        numbered = _number_wish(replace(wish, created_at=wish.created_at - age), number)
        order, events = shop.create_order(sandbox, numbered, emit)
        order_ids.append(order.order_id)
        shop.send_events(sandbox, events)
        refused += sum(not event.is_accepted for event in events)
    return jsonify(count=count, order_ids=order_ids, events_refused=refused)


def _number_wish(wish: shop.OrderWish, number: int) -> shop.OrderWish:
    def fill(text: str | None) -> str | None:
        return text.replace("{n}", str(number)) if text else text

    return replace(wish, name=fill(wish.name) or "", email=fill(wish.email), order_id=fill(wish.order_id))


@bp.get("/orders/<order_id>")
def show_order(order_id: str) -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        order = sandbox.orders.find(order_id)
        if order is None:
            raise LookupError(f"no such order: {order_id}")
        events = [event for event in sandbox.events if event.order_id == order.order_id]
        return jsonify(shop.describe_order(order, events))


@bp.post("/orders/<order_id>/<action>")
def act_on_order(order_id: str, action: str) -> Response:
    """Body: emit, force, at or age_days (when it happened), and for update and epayment the new values."""
    sandbox, fields = get_sandbox(), read_fields()
    changes = shop.Changes(**{name: fields[name] for name in _CHANGE_FIELDS if name in fields})
    happened = read_clock() - timedelta(days=float(fields.get("age_days", 0)))
    at = parse_time(fields["at"]) if "at" in fields else happened
    force, emit = bool(fields.get("force")), bool(fields.get("emit", True))
    order, events = shop.act(sandbox, order_id, action, at, changes, force, emit)
    shop.send_events(sandbox, events)
    return jsonify(shop.describe_order(order, events))


@bp.post("/test-event")
def send_test_event() -> Response:
    event = shop.make_test_event(read_clock())
    shop.send_events(get_sandbox(), [event])
    return jsonify(event.describe())


@bp.get("/events")
def list_events() -> Response:
    """Newest first. Filters: order_id, event, limit (default 100); `body=1` adds the bytes as text."""
    events = _pick_events(request.args.to_dict(), request.args.get("limit", 100, type=int))
    with_body = request.args.get("body") == "1"
    return jsonify([event.describe() | ({"body": event.body.decode()} if with_body else {}) for event in events])


@bp.post("/events/replay")
def replay_events() -> Response:
    """Send the last `count` (default 1) again, oldest of them first, with the same unique ids and bytes.

    `order_id` and `event` narrow the choice.
    """
    sandbox, fields = get_sandbox(), read_fields()
    events = _pick_events(fields, int(fields.get("count", 1)))[::-1]
    for event in events:
        sandbox.courier.send(event)
    return jsonify([event.describe() for event in events])


def _pick_events(wanted: Fields, limit: int) -> list[Event]:
    sandbox = get_sandbox()
    with sandbox.lock:
        newest_first = (
            event
            for event in reversed(sandbox.events)
            if wanted.get("order_id") in (None, event.order_id) and wanted.get("event") in (None, event.name)
        )
        return list(islice(newest_first, limit))


@bp.post("/seed-demo")
def seed() -> Response:
    fields = read_fields()
    return jsonify(seed_demo(get_sandbox(), read_clock(), int(fields.get("seed", 7)), bool(fields.get("emit", True))))
