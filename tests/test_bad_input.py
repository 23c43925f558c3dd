"""Bodies that nobody should send: each gets the contract's answer, never a 500, and what was signed is kept."""

import csv
import io
import json
import time
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import Config
from models import EventStatus, Lead, OrderLine, WebhookEvent, db
from services import lead_service
from tests import builders
from tests.page_client import PageClient
from tests.processes import ORDER, SHARED_SECRET, VARIANT, Program, order_created, payment, running, sign

MIB = 1024 * 1024
EXCUSES = {EventStatus.PROCESSED, EventStatus.IGNORED, EventStatus.WAITING}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(instance_path=tmp_path / "instance", secret_key="tests", scalev_webhook_secret=SHARED_SECRET)


def post(client: FlaskClient, raw: bytes) -> int:
    """The answer's status; what was signed must be on disk afterwards, byte for byte, and acted on without failing."""
    answer = client.post("/webhook/scalev", data=raw, headers={"X-Scalev-Hmac-Sha256": sign(raw)})
    events = db.session.scalars(db.select(WebhookEvent).where(WebhookEvent.body == raw)).all()
    assert len(events) == 1, f"{raw[:200]!r} was answered {answer.status_code} and kept {len(events)} times"
    assert events[0].status in EXCUSES, f"{raw[:200]!r}: {events[0].error}"
    return answer.status_code


def post_all(client: FlaskClient, bodies: list[bytes]) -> None:
    """Post many bodies that are all to be taken, and look at what was kept once."""
    for raw in bodies:
        answer = client.post("/webhook/scalev", data=raw, headers={"X-Scalev-Hmac-Sha256": sign(raw)})
        assert answer.status_code == 200, f"{answer.status_code}: {raw[:300]!r}"
    kept = {event.body: event for event in db.session.scalars(db.select(WebhookEvent))}
    assert [raw for raw in bodies if raw not in kept] == []
    assert [(raw, kept[raw].error) for raw in bodies if kept[raw].status not in EXCUSES] == []


def encoded(body: object) -> bytes:
    return json.dumps(body).encode()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every field of a document, the outer ones first."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    if isinstance(value, list):
        for number, inner in enumerate(value):
            yield from places(inner, (*path, number))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    copy = deepcopy(document)
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copy


FIELDS = [path for path in places(ORDER) if path[0] != "event"]
# What the program reads of an order; here every odd value is tried, elsewhere the most usual ones.
READ = [
    path
    for path in FIELDS
    if path[-1]
    in {
        *(
            "unique_id",
            "timestamp",
            "data",
            "id",
            "order_id",
            "created_at",
            "last_updated_at",
            "status",
            "payment_status",
        ),
        *(
            "payment_method",
            "gross_revenue",
            "is_probably_spam",
            "paid_time",
            "total_quantity",
            "store",
            "name",
            "email",
        ),
        *("financial_entity", "payment_account_number", "destination_address", "phone", "final_variants", "orderlines"),
        *("variant_unique_id", "variant_sku", "product_name", "quantity"),
    }
]
# As JSON text, because json.dumps could not write all of them.
USUAL_VALUES = [
    *("null", "true", "0", "-1", "1e400", '""', '"%s"' % ("x" * 10_000), "[]", "{}", "[[]]", '{"a": {"b": [1]}}'),
]
ODD_VALUES = [
    *("false", "1.5", "-1e400", "1e-400", "1E+99999999999999999999", "0.1e-9999999999", "9" * 5000, "-" + "9" * 5000),
    *('" "', '"\\u0000"', '"\\r=1"', '"\\ud800"', '"\\u202eabc"', '"=1+1"', '"NaN"', '"-0"', '"%s"' % ("9" * 400)),
    *('"2026-13-45T99:99:99Z"', '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"2026-11-14"', '"T"'),
    *("1e1000000", '"-1e1000000"', "1" * 2000 + "e999000"),  # their absolute value overflows every Decimal context
    *("[{}]", "[null]", '{"": ""}', "[" + '"x", ' * 50 + '"x"]', "[" * 100 + "]" * 100),
]


def with_value(number: int, path: tuple[Any, ...], value: str) -> bytes:
    """An order of its own whose field holds a value, given as JSON text."""
    marked = encoded(replaced(order_created(f"order{number}"), path, "@@"))
    # Spaces keep bodies apart whose id and order are the same, or gone.
    return marked.replace(b'"@@"', value.encode()) + b" " * number


@pytest.mark.slow
@pytest.mark.parametrize("value", USUAL_VALUES, ids=lambda value: value[:20])
def test_any_field_may_hold_anything(app: Flask, client: FlaskClient, value: str) -> None:
    post_all(client, [with_value(number, path, value) for number, path in enumerate(FIELDS)])


@pytest.mark.slow
@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: value[:20])
def test_what_the_program_reads_may_hold_even_odder_things(app: Flask, client: FlaskClient, value: str) -> None:
    post_all(client, [with_value(number, path, value) for number, path in enumerate(READ)])


@pytest.mark.slow
def test_pages_and_exports_bear_leads_whose_every_field_is_odd(
    app: Flask, client: FlaskClient, admin_pages: PageClient
) -> None:
    for number, value in enumerate(USUAL_VALUES + ODD_VALUES):
        body: Any = order_created(f"order{number}")
        for path in reversed(FIELDS):
            if path[0] == "data" and path[1:] not in {(), ("order_id",), ("orderlines",), ("orderlines", 0)}:
                body = replaced(body, path, "@@")
        raw = encoded(body).replace(b'"@@"', value.encode())
        assert post(client, raw) == 200
        for status in ("paid", "unpaid"):
            post(client, encoded(payment(f"order{number}", status)))
    leads = db.session.scalars(db.select(Lead.id)).all()
    assert len(leads) == len(USUAL_VALUES + ODD_VALUES)
    events = db.session.scalars(db.select(WebhookEvent.id)).all()
    for page in ("/", "/leads", "/events", "/deliveries", "/product-lists"):
        admin_pages.get(page)
    for page in [f"/leads/{number}" for number in leads] + [f"/events/{number}" for number in events[::5]]:
        admin_pages.get(page)
    for command, number in {"leads export": len(leads), "events list": len(events), "deliveries list": None}.items():
        rows = [app.test_cli_runner().invoke(args=[*command.split(), "--format", style]) for style in ("csv", "json")]
        assert [done.exit_code for done in rows] == [0, 0], (command, rows[0].output[:500])
        as_json = json.loads(rows[1].stdout)
        assert len(list(csv.DictReader(io.StringIO(rows[0].stdout)))) == len(as_json) == (number or len(as_json))


def test_a_full_order_without_any_one_field_is_kept(app: Flask, client: FlaskClient) -> None:
    bodies = []
    for number, path in enumerate(path for path in FIELDS if isinstance(path[-1], str)):
        body = order_created(f"order{number}")
        inner: Any = body
        for step in path[:-1]:
            inner = inner[step]
        del inner[path[-1]]
        bodies.append(encoded(body) + b" " * number)
    post_all(client, bodies)


@pytest.mark.parametrize("field", ["event", "unique_id", "timestamp", "data"])
@pytest.mark.parametrize("value", [None, [], {}, "x" * 10_000, 10**40, "\0", "\ud83d", [[[]]], True])
def test_the_envelope_may_hold_anything(app: Flask, client: FlaskClient, field: str, value: Any) -> None:
    is_name = isinstance(value, str) and value.strip("\0\ud83d")
    expected = 400 if field == "event" and not is_name else 200
    assert post(client, encoded({**order_created(), field: value})) == expected


BROKEN = {
    "cut in the middle": encoded(ORDER)[: len(encoded(ORDER)) // 2],
    "two documents": encoded(ORDER) * 2,
    "array of events": encoded([ORDER]),
    "array of numbers": b"[1,2,3]",
    "comment": b'{"event": "order.created" /* hello */}',
    "trailing comma": b'{"event": "order.created",}',
    "single quotes": b"{'event': 'order.created'}",
    "html": b"<html><body>504 Gateway Time-out</body></html>",
    "form": b"event=order.created&data=1",
    "control character": b'{"event": "order.created", "data": {"order_id": "a\x01b"}}',
    "raw new line": b'{"event": "order.created", "data": {"order_id": "a\nb"}}',
    "null bytes": b"\0" * 100,
    "invalid UTF-8": b'{"event": "order.created", "data": {"order_id": "\xff\xfe"}}',
    "overlong UTF-8": b'{"event": "order.created", "data": {"order_id": "\xc0\xaf"}}',
    "NaN": b'{"event": "order.created", "data": {"order_id": "1", "gross_revenue": NaN}}',
    "minus Infinity": b'{"event": "order.created", "data": {"order_id": "1", "gross_revenue": -Infinity}}',
    "hexadecimal": b'{"event": "order.created", "data": {"order_id": 0x10}}',
    "leading zero": b'{"event": "order.created", "data": {"order_id": 007}}',
    "plus sign": b'{"event": "order.created", "data": {"order_id": +7}}',
    "deep arrays": b"[" * 100_000 + b"]" * 100_000,
    "deep arrays, cut": b"[" * (MIB - 1),
    "deep objects": b'{"event":' * 50_000 + b"1" + b"}" * 50_000,
    "only a sign": b"-",
    "an exponent alone": b"1e",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_json_object_is_refused_and_kept(app: Flask, client: FlaskClient, name: str) -> None:
    assert post(client, BROKEN[name]) == 400


def test_deep_nesting_inside_an_order_never_breaks_the_answer(app: Flask, client: FlaskClient) -> None:
    for depth in (50, 500, 900, 1100, 5000, 100_000):
        inside = b"[" * depth + b"]" * depth
        head = b'{"event": "order.created", "unique_id": "deep%d", "data": {"order_id": "1", "notes": ' % depth
        raw = head + inside + b"}}"
        assert post(client, raw) in {200, 400}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_body_in_another_unicode_encoding_is_answered_as_json_or_not(
    app: Flask, client: FlaskClient, encoding: str
) -> None:
    assert post(client, json.dumps(order_created()).encode(encoding)) in {200, 400}


def test_of_a_key_that_stands_twice_the_last_one_counts_as_everywhere(app: Flask, client: FlaskClient) -> None:
    body = order_created()
    raw = encoded(body).replace(b'"data": {', b'"data": {"order_id": "first", ', 1)
    assert post(client, raw) == 200
    assert db.session.scalars(db.select(Lead)).one().order_id == body["data"]["order_id"]


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "😀" * 300, "e\u0301" * 200, "\u202e\u2066x", "\x7f\x80\x9f"])
def test_odd_text_in_what_is_shown_is_kept_out_of_harm(app: Flask, client: FlaskClient, text: str) -> None:
    body = order_created()
    body["unique_id"] += text
    body["data"] |= {"store": {"name": text}, "financial_entity": {"name": text}, "status": text}
    body["data"]["destination_address"] |= {"name": text, "phone": text}
    body["data"]["orderlines"][0] |= {"product_name": text, "variant_sku": text}
    assert post(client, encoded(body)) == 200
    assert db.session.scalars(db.select(Lead)).one().order_id == body["data"]["order_id"]


def test_ten_thousand_order_lines_are_taken_in_time(app: Flask, client: FlaskClient) -> None:
    builders.make_product_list(product_id="variant_9999")
    body = order_created()
    lines = [{"variant_unique_id": f"variant_{number}", "quantity": 1} for number in range(10_000)]
    body["data"]["orderlines"] = lines
    raw = encoded(body)
    assert len(raw) < MIB
    begin = time.monotonic()
    assert post(client, raw) == 200
    assert time.monotonic() - begin < 10
    lead = db.session.scalars(db.select(Lead)).one()
    assert lead.product_list is not None
    assert db.session.scalar(db.select(db.func.count()).select_from(OrderLine)) == 10_000


def test_ten_thousand_equal_lines_are_one(app: Flask, client: FlaskClient) -> None:
    body = order_created()
    body["data"]["orderlines"] = [{"variant_unique_id": VARIANT, "quantity": 10**8}] * 10_000
    assert post(client, encoded(body)) == 200
    assert len(db.session.scalars(db.select(OrderLine)).all()) == 1


def test_an_order_of_one_mib_is_taken(app: Flask, client: FlaskClient) -> None:
    body = order_created()
    body["data"]["destination_address"]["name"] = "N" * (MIB - len(encoded(body)) - 2)
    assert post(client, encoded(body)) == 200
    assert len(str(db.session.scalars(db.select(Lead)).one().name)) <= 255


def test_a_poisoned_event_does_not_keep_the_next_ones_waiting(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever we did not think of: the event is kept with its error and tried again, the answer stays 200."""
    real = lead_service.apply_order

    def fail_for_one(snapshot: Any, *args: Any, **kwargs: Any) -> Any:
        if snapshot.order_id == "poison":
            raise ZeroDivisionError("nobody thought of this")
        return real(snapshot, *args, **kwargs)

    monkeypatch.setattr(lead_service, "apply_order", fail_for_one)
    raw = encoded(order_created("poison"))
    answer = client.post("/webhook/scalev", data=raw, headers={"X-Scalev-Hmac-Sha256": sign(raw)})
    assert (answer.status_code, answer.get_json()) == (200, {"status": "accepted"})
    assert post(client, encoded(order_created())) == 200
    event = db.session.scalars(db.select(WebhookEvent).where(WebhookEvent.order_id == "poison")).one()
    assert (event.status, event.tries) == (EventStatus.FAILED, 1)
    assert event.next_try_at is not None


def test_hundreds_of_news_of_one_order_stay_cheap(app: Flask, client: FlaskClient) -> None:
    """An order that flaps must not become slower with each message for ever."""
    order = order_created(days_ago=1)
    post(client, encoded(order))
    begin = time.monotonic()
    for number in range(220):
        body = payment(order["data"]["order_id"], ("paid", "unpaid")[number % 2])
        body["timestamp"] = f"2026-11-20T02:{number // 60:02d}:{number % 60:02d}.000000Z"
        body["data"]["last_updated_at"] = body["timestamp"]
        post(client, encoded(body))
    assert time.monotonic() - begin < 20


HOSTILE = "\"><script>alert(1)</script>{{7*7}}'=cmd|x"


def test_every_page_shows_a_hostile_order_as_text(app: Flask, client: FlaskClient, admin_pages: PageClient) -> None:
    body = order_created()
    body["data"] |= {"store": {"name": HOSTILE}, "status": HOSTILE, "payment_method": HOSTILE}
    body["data"]["destination_address"] |= {"name": HOSTILE, "email": f"{HOSTILE}@x", "phone": HOSTILE}
    body["data"]["orderlines"][0] |= {"product_name": HOSTILE, "variant_sku": HOSTILE}
    body["event"] = f"order.created{HOSTILE}"
    raw = encoded(body)
    client.post("/webhook/scalev", data=raw, headers={"X-Scalev-Hmac-Sha256": sign(raw)})
    lead, event = db.session.scalars(db.select(Lead)).one(), db.session.scalars(db.select(WebhookEvent)).one()
    rows = f"/leads/{lead.id}", f"/events/{event.id}"
    for page in ("/", "/leads", "/product-lists", "/settings", "/events", "/deliveries", *rows):
        html = admin_pages.get(page).html
        assert "<script>alert" not in html, page
        assert "49'=cmd" not in html, page


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with running(tmp_path_factory.mktemp("bad") / "instance", SCALEV_WEBHOOK_SECRET=SHARED_SECRET) as program:
        yield program


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_over_a_socket_the_answer_is_the_same_and_the_program_goes_on(program: Program, name: str) -> None:
    assert program.send(BROKEN[name]).status_code == 400
    assert program.rows("select count(*) from webhook_events where body = ?", BROKEN[name]) == [(1,)]
    assert program.send(order_created()).json() == {"status": "accepted"}
    assert program.process.poll() is None
