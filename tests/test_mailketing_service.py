"""The Mailketing client against a local server, and the judging of every answer that is known or plausible."""

import json
import logging
import socket
import threading
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Request, Response

from services.errors import (
    VendorAuthError,
    VendorError,
    VendorNotFound,
    VendorRateLimited,
    VendorRefused,
    VendorUnreachable,
)
from services.http_session import HttpSession
from services.mailketing_service import (
    AddResult,
    AnswerKind,
    Credits,
    MailketingClient,
    MailketingList,
    clean_token,
    judge,
)

TOKEN = "0123456789abcdef0123456789abcdef"
HTML = "<!DOCTYPE html><html><title>Email marketing sukses</title>already success exist</html>"

DOCUMENTED_REASONS = [
    ("User Not Found or Wrong API Token", AnswerKind.HOLD),
    ("Access Denied, Invalid Token", AnswerKind.HOLD),
    ("No Credits, Please Top Up", AnswerKind.HOLD),
    ("Unknown Sender, Please Add your Sender Email at Add Domain Menu", AnswerKind.CONFIG),
    ("Blacklisted", AnswerKind.PERMANENT),
    ("Empty From Name", AnswerKind.PERMANENT),
    ("Empty Recipient, please fill", AnswerKind.PERMANENT),
    ("Empty Subject!", AnswerKind.PERMANENT),
    ("Empty Content", AnswerKind.PERMANENT),
]
DUPLICATES = [
    "Email sudah ada",
    "Kontak sudah ada di list ini",
    "Already subscribed",
    "Subscriber already in list",
    "Email already exists",
    "The subscriber already exist in this list",
    "Email sudah terdaftar, tidak ditambahkan",
    "Sudah ada",
    "Duplicate entry",
]
NO_DUPLICATES = [
    "Masa aktif akun Anda sudah berakhir",
    "Paket Anda sudah berakhir",
    "Akun sudah kadaluarsa",
    "Layanan sudah dihentikan",
    "Your plan has already ended",
    "Daftar sudah penuh",
    "List already full",
    "Batas pengiriman sudah tercapai",
    "Maximum subscribers already reached",
    "Request already in progress",
    "Please wait, another request is already running",
    "Email sudah berhenti berlangganan",
    "Email ini sudah unsubscribe",
    "Email sudah masuk daftar hitam",
    "Saldo Anda sudah habis",
    "Akun Anda sudah diblokir",
    "Token sudah tidak valid",
    "Api Token already revoked",
    "List already deleted",
    "List does not exist",
    "Subscriber doesn't exist",
    "Email not exist",
    "Email tidak ada",
    "Email belum terdaftar",
    "Email tidak terdaftar",
    "Your account is already suspended",
    "Quota already used",
]


def failed(reason: str) -> str:
    return json.dumps({"status": "failed", "response": reason})


# --- judge ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["success", "Success", " SUCCESS ", "true", "True", True])
def test_every_way_to_say_success_is_ok(status):
    assert judge(200, json.dumps({"status": status, "response": "Subscriber added"})) == (
        AnswerKind.OK,
        "Subscriber added",
    )


@pytest.mark.parametrize("status", ["failed", "error", False, "false", None, 1, "", "unsuccessful"])
def test_every_other_status_is_a_refusal(status):
    assert judge(200, json.dumps({"status": status, "response": "Hmm"})) == (AnswerKind.UNKNOWN, "Hmm")


@pytest.mark.parametrize(("reason", "kind"), DOCUMENTED_REASONS)
@pytest.mark.parametrize("write", [str, str.upper, str.lower])
def test_a_documented_reason_decides_whatever_its_case(reason, kind, write):
    assert judge(200, failed(write(reason))) == (kind, write(reason))


@pytest.mark.parametrize(("reason", "kind"), DOCUMENTED_REASONS)
def test_a_documented_reason_decides_in_plain_text_and_behind_a_4xx_too(reason, kind):
    assert judge(200, reason)[0] is kind
    assert judge(200, json.dumps(reason))[0] is kind
    assert judge(400, failed(reason))[0] is kind
    assert judge(422, reason)[0] is kind


@pytest.mark.parametrize("field", ["response", "message", "reason", "error"])
def test_the_reason_is_looked_for_where_integrators_found_it(field):
    assert judge(200, json.dumps({"status": "failed", field: "Blacklisted"})) == (AnswerKind.PERMANENT, "Blacklisted")


def test_a_reason_that_is_no_text_is_shown_raw_and_not_interpreted():
    body = '{"status":"failed","response":{"exists":false}}'
    assert judge(200, body) == (AnswerKind.UNKNOWN, body)


@pytest.mark.parametrize("reason", DUPLICATES)
def test_an_address_that_is_on_the_list_already_is_a_duplicate(reason):
    assert judge(200, failed(reason))[0] is AnswerKind.DUPLICATE
    assert judge(409, failed(reason))[0] is AnswerKind.DUPLICATE


@pytest.mark.parametrize("reason", NO_DUPLICATES)
def test_a_missing_thing_is_no_duplicate(reason):
    assert judge(200, failed(reason))[0] in (AnswerKind.UNKNOWN, AnswerKind.CONFIG)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("List not found", AnswerKind.CONFIG),
        ("Invalid list", AnswerKind.CONFIG),
        ("list_id does not exist", AnswerKind.CONFIG),
        ("Invalid email address", AnswerKind.PERMANENT),
        ("Email is not valid", AnswerKind.PERMANENT),
        ("Email already unsubscribed", AnswerKind.PERMANENT),
    ],
)
def test_an_undocumented_but_obvious_wording_decides(reason, kind):
    assert judge(200, failed(reason))[0] is kind


def test_an_unheard_of_reason_is_kept_word_for_word():
    assert judge(200, failed("Server lelah, coba nanti")) == (AnswerKind.UNKNOWN, "Server lelah, coba nanti")


@pytest.mark.parametrize("text", ["success", "Success!", "Subscriber added to list", "Successfully added to the list"])
def test_plain_words_of_success_are_ok(text):
    assert judge(200, text)[0] is AnswerKind.OK
    assert judge(200, json.dumps(text))[0] is AnswerKind.OK


@pytest.mark.parametrize(
    "text", ["not success", "unsuccessful", "success: false", "Not added to list", "tidak success"]
)
def test_plain_words_of_failure_are_not_ok(text):
    assert judge(200, text)[0] is AnswerKind.RETRY


@pytest.mark.parametrize(
    "text",
    ["", "   ", HTML, "<p>success</p>", '{"status":"success"', "[]", '[{"status":"success"}]', "null", "5", "true"],
)
def test_an_unreadable_200_is_tried_again(text):
    assert judge(200, text) == (AnswerKind.RETRY, "HTTP 200 without a readable answer")


@pytest.mark.parametrize("status", [301, 302, 408, 429, 500, 502, 503, 504, 522])
@pytest.mark.parametrize("text", ["", HTML, '{"status":"success"}', failed("Blacklisted")])
def test_an_outage_is_tried_again_whatever_the_body_says(status, text):
    assert judge(status, text)[0] is AnswerKind.RETRY


def test_a_4xx_with_nothing_to_read_depends_on_its_number():
    assert judge(401, HTML)[0] is AnswerKind.HOLD
    assert judge(401, failed("Who are you?"))[0] is AnswerKind.HOLD
    assert judge(403, HTML)[0] is AnswerKind.RETRY
    assert judge(403, failed("Go away"))[0] is AnswerKind.UNKNOWN
    assert judge(400, HTML)[0] is AnswerKind.RETRY
    assert judge(404, "")[0] is AnswerKind.RETRY
    assert judge(404, HTML)[0] is AnswerKind.RETRY


def test_success_behind_a_4xx_is_not_believed():
    assert judge(404, '{"status":"success","response":"Added"}') == (AnswerKind.UNKNOWN, "Added")
    assert judge(404, "success")[0] is AnswerKind.UNKNOWN


def test_the_message_is_one_short_line_without_personal_data():
    kind, message = judge(200, failed("Cannot add\nbudi@gmail.com 08123456789 " + TOKEN + "x" * 999))
    assert kind is AnswerKind.UNKNOWN
    assert message.startswith("Cannot add b***@gmail.com ***789 [token]")
    assert len(message) == 300


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["status", "response", "message"]), inner),
)


@given(st.integers(100, 599), st.text() | JSON_VALUES.map(json.dumps))
def test_judging_never_raises_and_ok_only_comes_with_2xx(status, text):
    kind, message = judge(status, text)
    assert isinstance(kind, AnswerKind)
    assert len(message) <= 300
    if kind is AnswerKind.OK:
        assert 200 <= status < 300


@given(st.text())
def test_a_failed_status_is_never_ok(reason):
    assert judge(200, failed(reason))[0] is not AnswerKind.OK


def test_json_too_deep_to_parse_is_unreadable():
    assert judge(200, "[" * 100_000)[0] is AnswerKind.RETRY


# --- clean_token ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pasted",
    [
        TOKEN,
        f"  {TOKEN}\n",
        f'"{TOKEN}"',
        f"'{TOKEN}'",
        f"`{TOKEN}`",
        f"\u201c{TOKEN}\u201d",
        f"\u200b{TOKEN}",
        f"Bearer {TOKEN}",
        f"bearer  {TOKEN}",
        f"X-Api-Token: {TOKEN}",
        f"X-Api-Token: 'Bearer {TOKEN}'",
        f"Authorization: Bearer {TOKEN}",
        f"api_token={TOKEN}",
        f'"api_token": "{TOKEN}"',
        f"https://api.mailketing.co.id/api/v1/viewlist?api_token={TOKEN}",
        f"https://api.mailketing.co.id/api/v1/addsubtolist?list_id=1&api_token={TOKEN}&email=a",
        f"{TOKEN[:16]}\n{TOKEN[16:]}",
    ],
)
def test_a_token_is_found_in_whatever_was_pasted(pasted):
    assert clean_token(pasted) == TOKEN


def test_nothing_pasted_is_no_token():
    assert clean_token(" '' ") == ""


# --- the client over HTTP -------------------------------------------------------------------------------------------


def client(httpserver, token: str = TOKEN, **limits: float) -> MailketingClient:
    return MailketingClient(httpserver.url_for("/api/v1/"), token, session=HttpSession("1", **limits))


def answering(httpserver, endpoint: str, text: str | bytes, status: int = 200, **headers: str) -> None:
    response = Response(
        text, status, {"Content-Type": "text/html", **{k.replace("_", "-"): v for k, v in headers.items()}}
    )
    httpserver.expect_request(f"/api/v1/{endpoint}", method="POST").respond_with_response(response)


def add(httpserver, **limits: float) -> AddResult:
    return client(httpserver, **limits).add_subscriber("12345", "budi@example.com", first_name="Budi")


def sent_form(httpserver) -> dict[str, list[str]]:
    request = httpserver.log[-1][0]
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    return parse_qs(request.get_data(as_text=True), keep_blank_values=True)


def test_a_full_subscriber_is_sent_as_a_form(httpserver):
    answering(httpserver, "addsubtolist", '{"status":"success","response":"Added"}')
    result = client(httpserver).add_subscriber(
        "12345", "budi@example.com", first_name="Budi", last_name="Santoso", mobile="628123456789"
    )
    assert (result.kind, result.message, result.status) == (AnswerKind.OK, "Added", 200)
    assert result.raw == '{"status":"success","response":"Added"}'
    assert sent_form(httpserver) == {
        "api_token": [TOKEN],
        "list_id": ["12345"],
        "email": ["budi@example.com"],
        "first_name": ["Budi"],
        "last_name": ["Santoso"],
        "mobile": ["628123456789"],
    }


def test_empty_fields_are_left_out(httpserver):
    answering(httpserver, "addsubtolist", '{"status":"success"}')
    client(httpserver).add_subscriber("12345", "budi@example.com", first_name=" ", mobile="")
    assert set(sent_form(httpserver)) == {"api_token", "list_id", "email"}


def test_hostile_names_do_not_stop_the_call(httpserver):
    answering(httpserver, "addsubtolist", '{"status":"success"}')
    result = client(httpserver).add_subscriber("1", "budi@example.com", first_name="Bu\ud800di\x00&list_id=2")
    assert result.kind is AnswerKind.OK
    assert sent_form(httpserver)["first_name"] == ["Budi&list_id=2"]
    assert sent_form(httpserver)["list_id"] == ["1"]


@pytest.mark.parametrize("list_id", ["", " ", "1 2", "x" * 65, "1\n", "../x"])
def test_a_list_number_that_is_none_is_never_sent(httpserver, list_id):
    assert client(httpserver).add_subscriber(list_id, "budi@example.com").kind is AnswerKind.CONFIG
    assert httpserver.log == []


def test_without_a_token_the_account_is_on_hold_and_nothing_is_sent(httpserver):
    assert client(httpserver, token=" ").add_subscriber("1", "budi@example.com").kind is AnswerKind.HOLD
    assert httpserver.log == []


def test_a_failure_behind_http_200_is_no_success(httpserver):
    answering(httpserver, "addsubtolist", failed("No Credits, Please Top Up"))
    assert add(httpserver).kind is AnswerKind.HOLD


def test_a_redirect_to_the_marketing_site_is_not_followed(httpserver):
    httpserver.expect_request("/marketing").respond_with_data('{"status":"success"}')
    answering(httpserver, "addsubtolist", "", 301, Location=httpserver.url_for("/marketing"))
    result = add(httpserver)
    assert (result.kind, result.status) == (AnswerKind.RETRY, 301)
    assert len(httpserver.log) == 1


def test_the_wait_that_a_429_asks_for_is_passed_on(httpserver):
    answering(httpserver, "addsubtolist", "slow down", 429, Retry_After="120")
    result = add(httpserver)
    assert (result.kind, result.status, result.retry_after) == (AnswerKind.RETRY, 429, 120)


def test_bytes_that_are_no_text_are_tried_again(httpserver):
    answering(httpserver, "addsubtolist", b"\xff\xfe\x00\x81")
    result = add(httpserver)
    assert result.kind is AnswerKind.RETRY
    assert "\x00" not in result.raw


def test_a_huge_answer_is_tried_again(httpserver):
    answering(httpserver, "addsubtolist", b" " * 1_100_000 + b'{"status":"success"}')
    result = add(httpserver)
    assert (result.kind, result.status) == (AnswerKind.RETRY, None)


def test_a_server_that_hangs_is_tried_again_and_timed(httpserver):
    release = threading.Event()

    def hang(_: Request) -> Response:
        release.wait(5)
        return Response("")

    httpserver.expect_request("/api/v1/addsubtolist").respond_with_handler(hang)
    result = add(httpserver, read_seconds=0.3)
    release.set()
    assert (result.kind, result.status) == (AnswerKind.RETRY, None)
    assert 250 <= result.duration_ms < 4000


def test_nobody_listening_is_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = MailketingClient(f"http://127.0.0.1:{port}", TOKEN).add_subscriber("1", "budi@example.com")
    assert (result.kind, result.status, result.raw) == (AnswerKind.RETRY, None, "")


def test_the_stored_answer_is_capped(httpserver):
    answering(httpserver, "addsubtolist", failed("Hmm " * 5000))
    assert len(add(httpserver).raw) == 2000


@pytest.mark.parametrize("token", [TOKEN, "hush-hush"])
@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422, 429, 500])
def test_the_token_shows_nowhere_even_when_the_server_echoes_it(httpserver, caplog, token, status):
    caplog.set_level(logging.DEBUG)
    echo = failed(f"Invalid thing api_token={token} ({token}) for budi@example.com 08123456789")
    for endpoint in ("addsubtolist", "viewlist", "ceksaldo"):
        answering(httpserver, endpoint, echo, status)
    mailketing = client(httpserver, token)
    seen = [repr(mailketing), repr(mailketing.add_subscriber("1", "budi@example.com"))]
    for call in (mailketing.lists, mailketing.credits):
        with pytest.raises(VendorError) as caught:
            call()
        seen += [str(caught.value), repr(caught.value), repr(vars(caught.value))]
    seen += [record.getMessage() for record in caplog.records]
    assert not [text for text in seen if token in text or "budi@example.com" in text or "08123456789" in text]


# --- lists and credits ----------------------------------------------------------------------------------------------


def test_lists_are_read_with_numbers_as_text(httpserver):
    rows = [{"list_id": 12345, "list_name": "Pembeli  A"}, {"list_id": "6", "list_name": None}]
    answering(httpserver, "viewlist", json.dumps({"status": "success", "lists": rows}))
    assert client(httpserver).lists() == [MailketingList("12345", "Pembeli A"), MailketingList("6", "")]
    assert sent_form(httpserver) == {"api_token": [TOKEN]}


def test_an_account_without_lists_is_an_honest_empty_list(httpserver):
    answering(httpserver, "viewlist", '{"status":"success","lists":[]}')
    assert client(httpserver).lists() == []


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (200, failed("User Not Found or Wrong API Token"), VendorAuthError),
        (200, failed("Access Denied, Invalid Token"), VendorAuthError),
        (200, "Access Denied, Invalid Token", VendorAuthError),
        (401, HTML, VendorAuthError),
        (200, failed("No Credits, Please Top Up"), VendorRefused),
        (200, failed("Hmm"), VendorRefused),
        (200, HTML, VendorUnreachable),
        (200, "", VendorUnreachable),
        (200, "success", VendorUnreachable),
        (200, '{"status":"success"}', VendorUnreachable),
        (200, '{"status":"success","lists":{}}', VendorUnreachable),
        (200, '{"status":"success","lists":["A"]}', VendorUnreachable),
        (200, '{"status":"success","lists":[{"name":"A"}]}', VendorUnreachable),
        (200, "[]", VendorUnreachable),
        (301, "", VendorUnreachable),
        (403, HTML, VendorUnreachable),
        (500, "", VendorUnreachable),
        (404, "nothing here", VendorNotFound),
        (429, "slow down", VendorRateLimited),
    ],
)
def test_lists_that_cannot_be_had_are_never_an_empty_list(httpserver, status, text, error):
    answering(httpserver, "viewlist", text, status)
    with pytest.raises(error) as caught:
        client(httpserver).lists()
    assert type(caught.value) is error
    assert caught.value.vendor == "Mailketing"
    assert caught.value.retryable is (error in (VendorUnreachable, VendorRateLimited))


def test_a_429_for_lists_says_how_long_to_wait(httpserver):
    answering(httpserver, "viewlist", "", 429, Retry_After="9")
    with pytest.raises(VendorRateLimited) as caught:
        client(httpserver).lists()
    assert (caught.value.retry_after, caught.value.status) == (9, 429)


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        ("1234", 1234),
        (1234, 1234),
        (1234.0, 1234),
        ("0", 0),
        ("-30", -30),
        ("1,234", 1234),
        ("1.234.567", 1234567),
        ("1234.00", 1234),
        (1234.5, 1234),
        ("1.234,00", 1234),
        ("0.50", 0),
        ("many", None),
        (None, None),
        (True, None),
        ("", None),
    ],
)
def test_credits_are_read_however_the_number_is_written(httpserver, written, amount):
    answering(httpserver, "ceksaldo", json.dumps({"status": True, "credits": written, "user": "owner@example.com"}))
    assert client(httpserver).credits() == Credits(amount, "owner@example.com")


def test_credits_with_a_wrong_token_are_an_error(httpserver):
    answering(httpserver, "ceksaldo", failed("User Not Found or Wrong API Token"))
    with pytest.raises(VendorAuthError):
        client(httpserver).credits()


def test_lists_without_a_token_ask_nobody(httpserver):
    with pytest.raises(VendorAuthError):
        client(httpserver, token="").lists()
    assert httpserver.log == []
