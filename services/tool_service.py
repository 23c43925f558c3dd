"""The API test tools: ask a vendor with a typed or the saved key, add a test subscriber, send ourselves a webhook.

Every network call is made with no transaction open, and counts against one limit. A vendor is asked at its configured
address only, and a simulated webhook goes to this program's own address only.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice

import requests
from flask import current_app
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from config import Config
from models import Lead, WebhookEvent, db
from services import (
    catalogue_service,
    rate_limit,
    settings_service,
    setup_service,
    signatures,
    simulator,
    suppression_service,
    webhook_body,
)
from services.contacts import clean_text, redact
from services.errors import UserError, VendorError
from services.mailketing_service import AddResult, Credits, MailketingClient
from services.scalev_service import V3, ScalevClient, shared_pacer
from services.setup_service import KEY_SETTING, Vendor
from services.webhook_body import BadBody

LIMIT = rate_limit.Limit("api-test", 10, timedelta(minutes=1))
MAX_ROWS = 100
MAX_ANSWER = 2000
_SHOWN_NAMES = 20
_CONNECT_SECONDS, _READ_SECONDS = 3.0, 15.0


@dataclass(frozen=True, slots=True)
class KeyTest:
    """What trying a key showed: the vendor's refusal, else what proves which account it is, and its credits.

    `names` are the first of its stores or lists; `has_more` when there are others.
    """

    vendor: Vendor
    problem: str | None = None
    account: str = ""
    amount: int | None = None
    names: tuple[str, ...] = ()
    has_more: bool = False


class Listed(StrEnum):
    """What a vendor can be asked to list."""

    STORES = "stores"
    PRODUCTS = "products"
    LISTS = "lists"


LISTED_BY = {Vendor.SCALEV: (Listed.STORES, Listed.PRODUCTS), Vendor.MAILKETING: (Listed.LISTS,)}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a vendor's list: the id that a product list needs, and the name beside it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The first rows of a vendor's list; `has_more` when there are more than `MAX_ROWS`."""

    entries: list[Entry]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Simulation:
    """A webhook that we sent ourselves, and what came of it; `event` is None when it was refused."""

    body: str
    status: int
    answer: str
    duration_ms: int
    event: WebhookEvent | None


class Verdict(StrEnum):
    """Which signing secret made a signature."""

    CURRENT = "current"
    PREVIOUS = "previous"
    NONE = "none"


# --- The vendors ---


def try_key(vendor: Vendor, typed: str, now: datetime) -> KeyTest:
    """Try the typed key, else the saved one, and remember how it went.

    Raises:
        UserError: there is no key, or too many tests in a minute.
    """
    key = _take_key(vendor, typed, now)
    try:
        result = _try_scalev(key) if vendor is Vendor.SCALEV else _try_mailketing(key)
    except VendorError as error:
        setup_service.record_failed_test(vendor, key, error, now)
        return KeyTest(vendor, problem=str(error))
    setup_service.record_key_test(vendor, key, None, now)
    return result


def listing(what: Listed, typed: str, now: datetime) -> Listing:
    """Ask a vendor for a list with the typed key, else the saved one.

    Raises:
        UserError: there is no key, or too many tests in a minute.
        VendorError: the vendor did not answer with a list.
    """
    vendor = next(vendor for vendor, lists in LISTED_BY.items() if what in lists)
    key = _take_key(vendor, typed, now)
    entries = list(islice(_LISTINGS[what](key), MAX_ROWS + 1))
    return Listing(entries[:MAX_ROWS], len(entries) > MAX_ROWS)


def credits_left(typed: str, now: datetime) -> Credits:
    """Ask Mailketing for what is left to send with; raises as `listing` does."""
    return _mailketing(_take_key(Vendor.MAILKETING, typed, now)).credits()


def add_subscriber(list_id: str, email: str, first_name: str, mobile: str, now: datetime) -> AddResult:
    """Add one address to one list with the saved token; Mailketing's refusal is a result.

    Raises:
        UserError: the address must not be sent to, there is no token, or too many tests in a minute.
    """
    if suppression_service.find(email, now):
        raise UserError("This address bounced, unsubscribed or is blacklisted, so it is not added.")
    client = _mailketing(_take_key(Vendor.MAILKETING, "", now))
    return client.add_subscriber(list_id, email, first_name=first_name, mobile=mobile)


def known_lists() -> list[Entry]:
    """Return the Mailketing lists as last fetched, by name."""
    return [Entry(row.list_id, row.name) for row in catalogue_service.mailketing_lists()]


def _take_key(vendor: Vendor, typed: str, now: datetime) -> str:
    """Return the key to use, count the test, and end what the page has read so far: the vendor is asked next."""
    key = typed.strip() or settings_service.text(KEY_SETTING[vendor])
    if not key:
        raise UserError("There is no key yet. Type one first.")
    _count_test(now)
    return key


def _count_test(now: datetime) -> None:
    rate_limit.take([LIMIT], now)
    db.session.rollback()


def _try_scalev(key: str) -> KeyTest:
    check = _scalev(key).check_key()
    return KeyTest(Vendor.SCALEV, names=check.store_names, has_more=check.has_more)


def _try_mailketing(token: str) -> KeyTest:
    client = _mailketing(token)
    credits_ = client.credits()
    names = tuple(f"{row.id} · {row.name}" for row in client.lists())
    return KeyTest(
        Vendor.MAILKETING,
        account=credits_.account,
        amount=credits_.amount,
        names=names[:_SHOWN_NAMES],
        has_more=len(names) > _SHOWN_NAMES,
    )


def _stores(key: str) -> Iterator[Entry]:
    return (Entry(store.id, store.name) for store in _scalev(key).stores())


def _products(key: str) -> Iterator[Entry]:
    """Variants by their unique id, which is what orders name; a product without variants by its own id."""
    for product in _scalev(key).products():
        yield from (Entry(variant.unique_id or variant.id, variant.name) for variant in product.variants)
        if not product.variants:
            yield Entry(product.id, product.name)


def _lists(token: str) -> Iterator[Entry]:
    return (Entry(row.id, row.name) for row in _mailketing(token).lists())


_LISTINGS: dict[Listed, Callable[[str], Iterator[Entry]]] = {
    Listed.STORES: _stores,
    Listed.PRODUCTS: _products,
    Listed.LISTS: _lists,
}


def _scalev(key: str) -> ScalevClient:
    url, version = _config().scalev_api_url, settings_service.text("scalev_api_version") or V3
    db.session.rollback()  # ScaleV is asked next
    return ScalevClient(url, key, version=version, pacer=shared_pacer(url, key, version))


def _mailketing(token: str) -> MailketingClient:
    return MailketingClient(_config().mailketing_api_url, token)


def _config() -> Config:
    config: Config = current_app.extensions["config"]
    return config


# --- The webhook ---


def sample(event: str, order_id: str, now: datetime) -> str:
    """Return a sample webhook to edit, about the order that is named, or about a new one when `order_id` is empty."""
    ordered_at = db.session.scalar(select(Lead.ordered_at).where(Lead.order_id == order_id))
    return simulator.sample(event, order_id or simulator.new_order_id(), ordered_at or now, now)


def simulate(text: str, port: str, now: datetime) -> Simulation:
    """Sign a body with the saved secret and post it to this program, as ScaleV would; the same text is a duplicate.

    Args:
        text: the body; line ends as a browser sends them.
        port: where this program listens on this machine; from the server, never from a form.

    Raises:
        UserError: no signing secret is saved, too many tests in a minute, or the program did not answer itself.
    """
    text = _line_feeds(text)
    body = text.encode("utf-8", "replace")
    secret = next(iter(_secrets(now).values()))
    _count_test(now)
    started = time.monotonic()
    response = _post(f"http://127.0.0.1:{int(port)}/webhook/scalev", body, signatures.sign(secret, body))
    took = round((time.monotonic() - started) * 1000)
    answer = clean_text(redact(response.text[:MAX_ANSWER]), MAX_ANSWER)
    return Simulation(text, response.status_code, answer, took, _find_event(body))


def check_signature(text: str, header: str, now: datetime) -> Verdict:
    """Tell which of the valid signing secrets signed a pasted body.

    Pasting through a browser changes line ends and may add or lose the last one, so those variants are tried too.

    Raises:
        UserError: no signing secret is saved, or too many tests in a minute.
    """
    secrets = _secrets(now)
    rate_limit.take([LIMIT], now)
    text = _line_feeds(text)
    for variant in dict.fromkeys([text, text.replace("\n", "\r\n"), text.strip(), f"{text}\n"]):
        label = signatures.find_secret(secrets, variant.encode("utf-8", "replace"), header)
        if label:
            return Verdict(label)
    return Verdict.NONE


def _secrets(now: datetime) -> dict[str, str]:
    """Return the signing secrets that are valid now, the current one first."""
    secrets = settings_service.webhook_secrets(now)
    if not secrets:
        raise UserError("No signing secret is saved yet. Save it in Settings first.")
    return secrets


def _line_feeds(text: str) -> str:
    return text.replace("\r\n", "\n")


def _post(url: str, body: bytes, signature: str) -> requests.Response:
    headers = {"Content-Type": "application/json", signatures.HEADER: signature}
    with requests.Session() as session:
        session.trust_env = False  # no proxy stands between the program and itself
        try:
            return session.post(
                url, data=body, headers=headers, timeout=(_CONNECT_SECONDS, _READ_SECONDS), allow_redirects=False
            )
        except requests.RequestException as error:
            raise UserError(
                "The program did not answer itself at 127.0.0.1. Does it listen on another address, or with one thread?"
            ) from error


def _find_event(body: bytes) -> WebhookEvent | None:
    try:
        unique_id = webhook_body.parse(body).unique_id
    except BadBody:
        unique_id = None
    key = webhook_body.dedupe_key(unique_id, body)
    query = select(WebhookEvent).where(WebhookEvent.dedupe_key == key).options(joinedload(WebhookEvent.lead))
    return db.session.scalar(query)
