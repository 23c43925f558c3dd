"""The contract's HTTP table, row by row, over real sockets; what needs other settings runs in this process."""

import hmac
import http.client
import json
import socket
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app import create_app
from config import DATABASE_FILE, Config
from models import AccountHold, EventStatus, Heartbeat, WebhookEvent, db, transaction
from services import event_service, jobs, settings_service
from services.clock import utc_now
from tests import builders
from tests.processes import (
    EMAIL,
    PASSWORD,
    SHARED_SECRET,
    Browser,
    Program,
    order_created,
    running,
    sign,
)
from version import VERSION

HEADER = "X-Scalev-Hmac-Sha256"
MIB = 1024 * 1024
TEST_EVENT = b'{"event": "business.test_event", "data": {}, "timestamp": "2026-11-14T02:00:00.000000Z"}'
PAGES = (
    *("/", "/leads", "/leads/1", "/product-lists", "/settings", "/events", "/events/1", "/deliveries"),
    "/leads?status=closing",
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """One program for the module, with one admin; every test sends an event of its own."""
    variables = {"SCALEV_WEBHOOK_SECRET": SHARED_SECRET, "ADMIN_EMAIL": EMAIL, "ADMIN_PASSWORD": PASSWORD}
    with running(tmp_path_factory.mktemp("http") / "instance", **variables) as program:
        yield program


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(instance_path=tmp_path / "instance", secret_key="tests", scalev_webhook_secret=SHARED_SECRET)


def stored(program: Program, unique_id: str) -> list[tuple[Any, ...]]:
    return program.rows("select status, duplicates from webhook_events where unique_id = ?", unique_id)


def encoded(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode()


def post(client: FlaskClient, body: bytes, secret: str | None = SHARED_SECRET, **headers: str) -> Any:
    signature = {} if secret is None else {HEADER: sign(body, secret)}
    return client.post("/webhook/scalev", data=body, headers={**signature, **headers})


# --- POST /webhook/scalev: stored, known, refused ---------------------------------------------------------------------


def test_a_signed_event_is_accepted_and_stored(program: Program) -> None:
    body = order_created()
    answer = program.send(body)
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    assert stored(program, body["unique_id"]) == [("processed", 0)]


def test_an_event_sent_again_is_a_duplicate(program: Program) -> None:
    body = order_created()
    program.send(body)
    answers = [program.send(body) for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"status": "duplicate"})] * 2
    assert stored(program, body["unique_id"]) == [("processed", 2)]


def test_an_event_is_known_by_its_id_whatever_else_it_says(program: Program) -> None:
    body = order_created()
    program.send(body)
    body["data"]["notes"] = "sent again with another note"
    assert program.send(body).json() == {"status": "duplicate"}


def test_an_event_without_id_is_known_by_its_bytes(program: Program) -> None:
    body = order_created()
    del body["unique_id"]
    raw = encoded(body)
    answers = [program.send(raw).json()["status"], program.send(raw).json()["status"], program.send(raw + b" ").json()]
    assert answers == ["accepted", "duplicate", {"status": "accepted"}]


def test_the_same_event_from_eight_senders_at_once_is_accepted_once(program: Program) -> None:
    body = order_created()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: program.send(body).json()["status"], range(8)))
    assert sorted(answers) == ["accepted"] + ["duplicate"] * 7
    assert stored(program, body["unique_id"]) == [("processed", 7)]


def test_different_events_of_one_order_at_once_make_one_lead(program: Program) -> None:
    first = order_created()
    bodies = [{**first, "unique_id": f"{first['unique_id']}_{number}"} for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda body: program.send(body).json()["status"], bodies))
    assert answers == ["accepted"] * 8
    assert program.rows("select count(*) from leads where order_id = ?", first["data"]["order_id"]) == [(1,)]


WRONG_SIGNATURES: dict[str, Any] = {
    "missing": lambda raw: None,
    "empty": lambda raw: "",
    "one byte": lambda raw: "AA==",
    "no base64": lambda raw: "not base64 at all!",
    "hex": lambda raw: hmac.new(SHARED_SECRET.encode(), raw, "sha256").hexdigest(),
    "another secret": lambda raw: sign(raw, "another"),
    "another body": lambda raw: sign(raw + b" "),
    "url-safe base64": lambda raw: sign(raw).translate(str.maketrans("+/", "-_")).replace("=", "*"),
    "cut": lambda raw: sign(raw)[:-4],
    "without padding": lambda raw: sign(raw).rstrip("="),
    "doubled": lambda raw: sign(raw) * 2,
    "named": lambda raw: f"sha256={sign(raw)}",
    "two in a list": lambda raw: f"{sign(raw)}, {sign(raw)}",
    "upper case": lambda raw: sign(raw).swapcase(),
    "very long": lambda raw: "A" * 60_000,
}


@pytest.mark.parametrize("name", WRONG_SIGNATURES)
def test_a_wrong_signature_is_refused_and_nothing_is_stored(program: Program, name: str) -> None:
    body = order_created()
    raw = encoded(body)
    value = WRONG_SIGNATURES[name](raw)
    answer = requests.post(
        f"{program.url}/webhook/scalev", data=raw, headers={} if value is None else {HEADER: value}, timeout=10
    )
    assert answer.status_code == 401
    assert answer.json()["status"] == "error"
    assert stored(program, body["unique_id"]) == []
    assert "Traceback" not in answer.text


def test_a_signature_that_is_not_ascii_is_refused(program: Program) -> None:
    raw = encoded(order_created())
    with closing(http.client.HTTPConnection("127.0.0.1", program.port, timeout=10)) as connection:
        connection.request("POST", "/webhook/scalev", raw, {HEADER: "kopi-é-ÿ-tanda".encode("latin-1")})
        assert connection.getresponse().status == 401


@pytest.mark.parametrize("header", [HEADER.lower(), HEADER.upper(), HEADER])
@pytest.mark.parametrize("around", ["", " ", "\t"])
def test_the_header_s_case_and_the_spaces_around_its_value_do_not_matter(
    program: Program, header: str, around: str
) -> None:
    raw = encoded(order_created())
    request = (
        f"POST /webhook/scalev HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(raw)}\r\n"
        f"{header}:{around}{sign(raw)}{around}\r\n\r\n"
    )
    assert b'"accepted"' in speak(program, request.encode() + raw)


def speak(program: Program, request: bytes) -> bytes:
    """Send raw bytes and read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", program.port), 20) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "no/such; type"),
        *("multipart/form-data; boundary=x", "application/octet-stream", "application/json; charset=utf-16", "x" * 500),
    ],
)
def test_the_content_type_does_not_matter(program: Program, content_type: str | None) -> None:
    body = order_created()
    raw = encoded(body)
    headers = {HEADER: sign(raw)} if content_type is None else {HEADER: sign(raw), "Content-Type": content_type}
    answer = requests.post(f"{program.url}/webhook/scalev", data=raw, headers=headers, timeout=10)
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
    assert program.rows("select count(*) from leads where order_id = ?", body["data"]["order_id"]) == [(1,)]


NOT_WEBHOOKS = [
    b"",
    b" ",
    b"{",
    b"not json",
    b"[]",
    b"[{}]",
    b'"text"',
    b"1",
    b"null",
    b"true",
    b"{}",
    b'{"data": {}}',
    b'{"event": ""}',
    b'{"event": "   "}',
    b'{"event": null}',
    b'{"event": 7}',
    b'{"event": ["order.created"]}',
    b'{"event": {"name": "order.created"}}',
    b'{"event": "order.created", "data": {"gross_revenue": NaN}}',
    b'{"event": "order.created", "data": {"gross_revenue": Infinity}}',
    b'{"event": "order.created", "data": {"gross_revenue": -Infinity}}',
    b'{"event": "order.created"} and more',
    b"\xff\xfe{}",
    b'{"event": "\x01"}',
    b"{'event': 'order.created'}",
]


@pytest.mark.parametrize("raw", NOT_WEBHOOKS, ids=repr)
def test_what_is_signed_but_no_webhook_is_refused_every_time_and_kept(program: Program, raw: bytes) -> None:
    answers = [program.send(raw) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json()["status"] == "error"
    kept = program.rows("select status, duplicates from webhook_events where body = ?", raw)
    assert kept == [("ignored", 1)]


def test_an_event_of_an_unknown_type_is_accepted(program: Program) -> None:
    body = {"event": "shop.renamed", "unique_id": "event_unknown_type", "data": {"order_id": "never"}}
    assert program.send(body).json() == {"status": "accepted"}
    assert stored(program, "event_unknown_type") == [("ignored", 0)]


# --- Size -------------------------------------------------------------------------------------------------------------


def sized(length: int) -> bytes:
    """A signed order of exactly so many bytes."""
    body = order_created()
    body["data"]["notes"] = "x" * (length - len(encoded(body)) + len(body["data"]["notes"]))
    raw = encoded(body)
    assert len(raw) == length
    return raw


def in_pieces(raw: bytes) -> Iterator[bytes]:
    """What makes requests send a body without Content-Length."""
    for start in range(0, len(raw), 50_000):
        yield raw[start : start + 50_000]


@pytest.mark.parametrize("length", [MIB - 1, MIB])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_up_to_one_mib_is_accepted(program: Program, length: int, chunked: bool) -> None:
    raw = sized(length)
    answer = requests.post(
        f"{program.url}/webhook/scalev",
        data=in_pieces(raw) if chunked else raw,
        headers={HEADER: sign(raw)},
        timeout=20,
    )
    assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})


@pytest.mark.parametrize("length", [MIB + 1, 5 * MIB])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_larger_body_is_refused_also_without_content_length(program: Program, length: int, chunked: bool) -> None:
    raw = sized(length)
    answer = requests.post(
        f"{program.url}/webhook/scalev",
        data=in_pieces(raw) if chunked else raw,
        headers={HEADER: sign(raw)},
        timeout=20,
    )
    assert answer.status_code == 413
    assert program.rows("select count(*) from webhook_events where length(body) > ?", MIB) == [(0,)]


def test_a_body_beyond_what_the_server_reads_is_refused_by_its_length_alone(program: Program) -> None:
    head = f"POST /webhook/scalev HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {200 * MIB}\r\n\r\n"
    assert speak(program, head.encode()).startswith(b"HTTP/1.1 413 ")


# --- Secrets ----------------------------------------------------------------------------------------------------------


def test_without_a_secret_the_sender_is_told_to_come_again(app: Flask, client: FlaskClient) -> None:
    app.extensions["config"] = Config(instance_path=app.extensions["config"].instance_path)
    for secret in (SHARED_SECRET, None):
        answer = post(client, encoded(order_created()), secret)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
    assert db.session.scalars(db.select(WebhookEvent)).all() == []


def test_without_a_secret_a_test_event_is_answered_and_changes_one_line(app: Flask, client: FlaskClient) -> None:
    app.extensions["config"] = Config(instance_path=app.extensions["config"].instance_path)
    for secret in (None, "whatever"):
        answer = post(client, TEST_EVENT, secret)
        assert (answer.status_code, answer.json) == (200, {"status": "accepted"})
    assert db.session.scalars(db.select(WebhookEvent)).all() == []
    assert [beat.name for beat in db.session.scalars(db.select(Heartbeat))] == ["webhook-test"]


def test_with_a_secret_a_test_event_needs_its_signature(app: Flask, client: FlaskClient) -> None:
    assert post(client, TEST_EVENT, None).status_code == 401
    assert post(client, TEST_EVENT, "another").status_code == 401
    assert db.session.scalars(db.select(Heartbeat)).all() == []
    assert post(client, TEST_EVENT).status_code == 200
    assert [beat.name for beat in db.session.scalars(db.select(Heartbeat))] == ["webhook-test"]


def test_every_signed_test_event_is_answered_with_200(app: Flask, client: FlaskClient) -> None:
    assert [post(client, TEST_EVENT).status_code for _ in range(3)] == [200] * 3


@pytest.mark.parametrize("typed", ["neu", "  neu", "neu \t", "neu\n"])
def test_white_space_around_a_secret_does_not_matter(app: Flask, client: FlaskClient, typed: str) -> None:
    settings_service.change({"scalev_webhook_secret": typed}, utc_now())
    assert post(client, encoded(order_created()), "neu").status_code == 200


def test_both_secrets_sign_while_a_rotation_is_open(app: Flask, client: FlaskClient) -> None:
    settings_service.change({"scalev_webhook_secret": "second"}, utc_now())
    answers = [post(client, encoded(order_created()), secret) for secret in ("second", SHARED_SECRET)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [row.matched_secret for row in db.session.scalars(db.select(WebhookEvent))] == ["current", "previous"]


def test_the_previous_secret_ends_after_72_hours(app: Flask, client: FlaskClient) -> None:
    settings_service.change({"scalev_webhook_secret": "second"}, utc_now() - timedelta(hours=71, minutes=59))
    assert post(client, encoded(order_created()), SHARED_SECRET).status_code == 200
    settings_service.end_rotation(utc_now())
    settings_service.change({"scalev_webhook_secret": "third"}, utc_now() - timedelta(hours=72, seconds=1))
    assert post(client, encoded(order_created()), "second").status_code == 401
    assert post(client, encoded(order_created()), "third").status_code == 200


# --- A database that can't store --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_locked_database_answers_503_in_time_and_the_same_events_are_accepted_later(tmp_path: Path) -> None:
    with running(tmp_path / "instance", SCALEV_WEBHOOK_SECRET=SHARED_SECRET) as program:
        bodies = [order_created() for _ in range(8)]
        with closing(sqlite3.connect(program.instance / DATABASE_FILE, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            begin = time.monotonic()
            with ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(program.send, bodies))
            took = time.monotonic() - begin
            other.execute("ROLLBACK")
        assert [answer.status_code for answer in answers] == [503] * 8
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers)
        assert took < 15, "they wait for each other"
        assert program.rows("select count(*) from webhook_events") == [(0,)]
        assert [program.send(body).json()["status"] for body in bodies] == ["accepted"] * 8


@pytest.mark.slow
def test_clients_that_say_nothing_keep_nobody_waiting(program: Program) -> None:
    with ExitStack() as idle:
        for _ in range(150):
            connection = idle.enter_context(socket.create_connection(("127.0.0.1", program.port), 10))
            connection.sendall(b"POST /webhook/scalev HTTP/1.1\r\nHost: shop\r\n")
        begin = time.monotonic()
        assert program.send(order_created()).status_code == 200
        assert time.monotonic() - begin < 5


def test_a_read_only_database_answers_503(app: Flask, client: FlaskClient) -> None:
    def refuse_writing(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA query_only=ON")

    db.session.rollback()
    event.listen(db.engine, "checkout", refuse_writing)
    answer = post(client, encoded(order_created()))
    event.remove(db.engine, "checkout", refuse_writing)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Traceback" not in answer.text
    assert "sqlite" not in answer.text.lower()


def test_a_database_without_tables_answers_503(app: Flask, client: FlaskClient) -> None:
    with transaction() as session:
        session.execute(db.text("ALTER TABLE webhook_events RENAME TO gone"))
    assert post(client, encoded(order_created())).status_code == 503


# --- Other methods, health, pages -------------------------------------------------------------------------------------


def test_get_says_what_the_address_is_for_and_head_says_the_same_shorter(program: Program) -> None:
    got, head = (requests.request(method, f"{program.url}/webhook/scalev", timeout=10) for method in ("GET", "HEAD"))
    assert (got.status_code, head.status_code) == (200, 200)
    assert "webhook address" in got.text
    assert len(got.text) < 300
    assert head.content == b""


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(program: Program, method: str) -> None:
    assert requests.request(method, f"{program.url}/webhook/scalev", timeout=10).status_code == 405


def test_health_tells_exactly_what_the_contract_names(program: Program) -> None:
    status, health = program.health()
    assert (status, health["status"]) == (200, "ok")
    assert {name: sorted(value) if isinstance(value, dict) else value for name, value in health.items()} == {
        "status": "ok",
        "version": VERSION,
        "database": "ok",
        "scheduler": ["last_run", "late"],
        "inbox": ["failed", "waiting"],
        "outbox": ["failed", "oldest_pending_seconds", "pending"],
    }
    assert health["scheduler"]["late"] is False, "no scheduler is expected here"
    assert all(isinstance(number, int) for number in [*health["inbox"].values(), *health["outbox"].values()])


def test_health_counts_without_personal_data(app: Flask, client: FlaskClient) -> None:
    lead = builders.make_lead(name="Siti Rahmawati")
    builders.make_delivery(lead, next_attempt_at=utc_now() - timedelta(seconds=90))
    builders.make_event(status=EventStatus.WAITING)
    builders.make_event(status=EventStatus.FAILED)
    answer = client.get("/healthz")
    health = answer.get_json()
    assert health["inbox"] == {"waiting": 1, "failed": 1}
    assert (health["outbox"]["pending"], health["outbox"]["failed"]) == (1, 0)
    assert 90 <= health["outbox"]["oldest_pending_seconds"] < 120
    assert not any(word in answer.text for word in ("Siti", str(lead.email), str(lead.phone)))


@pytest.mark.parametrize("trouble", ["dead event", "hold", "late scheduler", "broken database"])
def test_health_is_degraded_when_a_person_should_look(app: Flask, client: FlaskClient, trouble: str) -> None:
    assert client.get("/healthz").status_code == 200
    if trouble == "dead event":
        builders.make_event(status=EventStatus.DEAD)
    elif trouble == "hold":
        with transaction() as session:
            session.add(AccountHold(reason="No Credits", since=builders.NOW, checked_at=builders.NOW))
    elif trouble == "late scheduler":
        app.extensions["started_at"] = utc_now() - timedelta(hours=1)
    else:
        with transaction() as session:
            session.execute(db.text("ALTER TABLE deliveries RENAME TO gone"))
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.get_json()["status"] == "degraded"
    assert (answer.get_json()["database"] == "ok") is (trouble != "broken database")
    assert set(answer.get_json()) == {"status", "version", "database", "scheduler", "inbox", "outbox"}


def test_the_last_run_is_a_job_s_and_no_other_sign_of_life(app: Flask, client: FlaskClient) -> None:
    event_service.note_test_event(builders.NOW)
    assert client.get("/healthz").get_json()["scheduler"]["last_run"] is None
    jobs.run("process-events")
    assert client.get("/healthz").get_json()["scheduler"]["last_run"] is not None


@pytest.mark.parametrize("page", PAGES)
def test_without_a_login_every_page_sends_to_the_login_and_back(program: Program, page: str) -> None:
    with Browser(program.url) as browser:
        answer = browser.get(page)
        assert answer.status_code == 302
        assert unquote(answer.headers["Location"]) == f"/login?next={page}"


def test_after_the_login_one_is_where_one_wanted_to_go(program: Program) -> None:
    with Browser(program.url) as browser:
        login = browser.get("/leads?status=closing").headers["Location"]
        answer = browser.send(login, email=EMAIL, password=PASSWORD)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/leads?status=closing")
        assert browser.get("/leads?status=closing").status_code == 200


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "https:evil", "\t//evil"]
)
def test_the_login_never_leads_to_another_site(program: Program, target: str) -> None:
    with Browser(program.url) as browser:
        answer = browser.send(f"/login?next={quote(target)}", email=EMAIL, password=PASSWORD)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/")


def test_the_set_up_is_closed_once_there_is_a_user(program: Program) -> None:
    answer = requests.get(f"{program.url}/setup", allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/login")


def test_a_form_without_its_token_is_refused(program: Program) -> None:
    answer = requests.post(f"{program.url}/login", data={"email": EMAIL, "password": PASSWORD}, timeout=10)
    assert answer.status_code == 400


@pytest.mark.parametrize("public_url", [None, "https://leads.example.com"])
def test_cookies_are_closed_to_scripts_and_other_sites_and_secure_behind_https(
    migrated_file: Path, public_url: str | None
) -> None:
    app = create_app(Config(instance_path=migrated_file.parent, secret_key="tests", public_url=public_url))
    cookie = app.test_client().get("/login").headers["Set-Cookie"]
    with app.app_context():
        db.engine.dispose()
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert ("Secure" in cookie) is (public_url is not None)


def test_a_slow_sender_does_not_keep_others_waiting(program: Program) -> None:
    """More half-sent requests than there are threads: waitress must not give a thread to any of them."""
    head = b"POST /webhook/scalev HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    slow = [socket.create_connection(("127.0.0.1", program.port), 10) for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(head)
        assert program.send(order_created()).status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_a_sender_that_hangs_up_does_no_harm(program: Program) -> None:
    raw = encoded(order_created())
    head = f"POST /webhook/scalev HTTP/1.1\r\nHost: x\r\nContent-Length: {len(raw)}\r\n{HEADER}: {sign(raw)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", program.port), 10) as connection:
        connection.sendall(head.encode() + raw[:100])
    assert program.send(order_created()).status_code == 200
