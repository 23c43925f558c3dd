"""The demo page: plain forms over the same functions as the control API."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from urllib.parse import urlsplit

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from sandbox import shop
from sandbox.clock import WIB, read_clock
from sandbox.control import refuse_foreign_origin
from sandbox.demo import seed_demo
from sandbox.orders import Order
from sandbox.state import get_sandbox
from sandbox.switches import MODES
from sandbox.texts import LANGUAGES, translate

bp = Blueprint("pages", __name__)
ROWS_SHOWN = 25
EVENTS_SHOWN = 15
SUBSCRIBERS_SHOWN = 50
METHODS = ("bank_transfer", "qris", "va_bca", "cod", "no_payment", "draft")
DEMO_SEED = 7
OLD = timedelta(days=8)
THIS_MACHINE = {"127.0.0.1", "::1"}


@dataclass(frozen=True)
class Button:
    action: str
    is_possible: bool


def list_buttons(order: Order) -> list[Button]:
    """What a row offers; what ScaleV would refuse now is shown but switched off."""
    names = ("pay", "settle", "cancel", "ship", "complete", "delete", "unspam" if order.is_spam else "spam")
    return [Button(name, shop.may_act(order, name)) for name in names]


def find_app_url(webhook_url: str | None) -> str | None:
    """The app lives where its webhook address does; on this machine people know it as localhost, and are logged in
    there alone."""
    if not webhook_url:
        return None
    parts = urlsplit(webhook_url)
    netloc = f"localhost:{parts.port}" if parts.hostname in THIS_MACHINE and parts.port else parts.netloc
    return f"{parts.scheme}://{netloc}/"


def choose_language() -> str:
    """The browser's language where the page has it, else the one that was set at the start."""
    return request.accept_languages.best_match(LANGUAGES) or get_sandbox().settings.lang


def build_translator(lang: str) -> Callable[[str], str]:
    return lambda name: translate(name, lang)


bp.before_request(refuse_foreign_origin)


@bp.get("/")
def show_page() -> str:
    sandbox = get_sandbox()
    settings, lang = sandbox.settings, choose_language()
    with sandbox.lock:
        return render_template(
            "page.html",
            t=build_translator(lang),
            lang=lang,
            app_url=find_app_url(settings.webhook.url),
            webhook_url=settings.webhook.url,
            goods=sandbox.catalogue.list_goods(),
            methods=METHODS,
            orders=[(order, list_buttons(order)) for order in sandbox.orders.last_added(ROWS_SHOWN)],
            events=list(islice(reversed(sandbox.events), EVENTS_SHOWN)),
            lists=[(row, list(islice(row.subscribers.values(), SUBSCRIBERS_SHOWN))) for row in sandbox.lists.values()],
            switches=list(sandbox.switchboard),
            modes=sorted((vendor, mode) for vendor, modes in MODES.items() for mode in modes),
            problem=request.args.get("problem"),
            wib=WIB,
        )


def go_back(problem: str | None = None, part: str | None = None) -> Response:
    return redirect(url_for("pages.show_page", problem=problem, _anchor=part), 303)


@bp.post("/orders")
def create_order() -> Response:
    sandbox, form = get_sandbox(), request.form
    method = form.get("method", METHODS[0])
    wish = shop.OrderWish(
        created_at=read_clock() - (OLD if form.get("old") else timedelta()),
        name=form.get("name", "").strip() or shop.OrderWish.name,
        email=form.get("email", "").strip() or None,
        goods=form.get("product", shop.OrderWish.goods),
        method=None if method == "draft" else method,
        is_free=method == "no_payment",
    )
    try:
        _, events = shop.create_order(sandbox, wish)
    except LookupError as error:
        return go_back(str(error))
    shop.send_events(sandbox, events)
    return go_back(part="orders")


@bp.post("/orders/<order_id>/<action>")
def act_on_order(order_id: str, action: str) -> Response:
    sandbox = get_sandbox()
    try:
        _, events = shop.act(sandbox, order_id, action, read_clock())
    except (LookupError, shop.ActionRefusedError) as error:
        return go_back(str(error))
    shop.send_events(sandbox, events)
    return go_back(part="orders")


@bp.post("/events/replay")
def replay_event() -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        last = sandbox.events[-1] if sandbox.events else None
    if last:
        sandbox.courier.send(last)
    return go_back(part="events")


@bp.post("/test-event")
def send_test_event() -> Response:
    shop.send_events(get_sandbox(), [shop.make_test_event(read_clock())])
    return go_back(part="events")


@bp.post("/seed-demo")
def seed() -> Response:
    seed_demo(get_sandbox(), read_clock(), DEMO_SEED, emit=True)
    return go_back(part="orders")


@bp.post("/switches")
def add_switch() -> Response:
    sandbox = get_sandbox()
    vendor, _, mode = request.form.get("failure", "").partition(":")
    try:
        with sandbox.lock:
            sandbox.switchboard.add({"vendor": vendor, "mode": mode, "times": request.form.get("times")})
    except ValueError as error:
        return go_back(str(error))
    return go_back(part="switches")


@bp.post("/switches/clear")
def clear_switches() -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        sandbox.switchboard.clear()
    return go_back(part="switches")
