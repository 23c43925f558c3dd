"""Mailketing's API, version 1: form posts, and answers that are 200 also when they fail (facts/mailketing.md)."""

import hmac
import json
import re
from typing import Any

from flask import Blueprint, Response, request

from sandbox.gate import Gate, make_page, take_switch
from sandbox.state import MailList, Subscriber, get_sandbox
from sandbox.switches import Call, Switch

bp = Blueprint("mailketing", __name__, url_prefix="/mailketing")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# Section 1, "Known reason strings". Those for lists and addresses are not documented; these are ours.
WRONG_TOKEN = "User Not Found or Wrong API Token"  # noqa: S105 - a message, not a token
NO_CREDITS = "No Credits, Please Top Up"
LIST_NOT_FOUND = "List Not Found"
INVALID_EMAIL = "Invalid Email Address"
ALREADY_EXISTS = "Subscriber already exists"
_SEND_FIELDS = {
    "from_name": "Empty From Name",
    "recipient": "Empty Recipient",
    "subject": "Empty Subject",
    "content": "Empty Content",
}


def describe_call() -> Call:
    return Call("mailketing", request.path, None, request.form.get("email") or request.form.get("recipient"))


def answer(body: dict[str, Any]) -> Response:
    """JSON labelled as HTML: the content type is not reliable (section 1, Responses)."""
    return Response(json.dumps(body), content_type="text/html; charset=UTF-8")


def fail(reason: str) -> Response:
    return answer({"status": "failed", "response": reason})


def succeed(text: str) -> Response:
    return answer({"status": "success", "response": text})


def refuse(switch: Switch) -> Response:
    """The answers that only Mailketing gives."""
    match switch.mode:
        case "refuse":
            return make_page("403 Forbidden", 403)
        case "wrong_token":
            return fail(WRONG_TOKEN)
        case "no_credits":
            return write_credits("0") if request.path.endswith("/ceksaldo") else fail(NO_CREDITS)
        case _:
            return fail(switch.reason)


def check_token() -> Response | None:
    """The token is checked before the fields (section 1); only the API's own paths ask for it."""
    if request.endpoint == f"{bp.name}.leave_for_marketing" or request.endpoint == f"{bp.name}.show_marketing":
        return None
    token = get_sandbox().settings.mailketing_token
    if hmac.compare_digest(request.form.get("api_token", "").encode(), token.encode()):
        return None
    return fail(WRONG_TOKEN)


_gate = Gate("mailketing", refuse, describe_call)
bp.before_request(_gate.enter)
bp.before_request(check_token)
bp.after_request(_gate.leave)


def write_credits(credits: str) -> Response:
    return answer({"status": True, "credits": credits, "user": "owner@example.com"})


@bp.post("/api/v1/viewlist")
def show_lists() -> Response:
    sandbox = get_sandbox()
    with sandbox.lock:
        rows = [{"list_id": row.id, "list_name": row.name} for row in sandbox.lists.values()]
    return answer({"status": "success", "lists": rows})


@bp.post("/api/v1/ceksaldo")
def show_credits() -> Response:
    """Credits are a string (section 1, Responses)."""
    sandbox = get_sandbox()
    with sandbox.lock:
        return write_credits(str(sandbox.credits))


@bp.post("/api/v1/addsubtolist")
def add_subscriber() -> Response:
    """A list is a set of addresses; a second add succeeds unless the `already_exists` switch is on. Costs nothing."""
    sandbox, form = get_sandbox(), request.form
    list_id, email = form.get("list_id", ""), form.get("email", "").strip()
    with sandbox.lock:
        mail_list = sandbox.lists.get(int(list_id)) if list_id.isdecimal() else None
        if mail_list is None:
            return fail(LIST_NOT_FOUND)
        if not _EMAIL.fullmatch(email):
            return fail(INVALID_EMAIL)
        is_known = email.lower() in mail_list.subscribers
        store_subscriber(mail_list, email)
        if is_known and take_switch(describe_call(), "already_exists"):
            return fail(ALREADY_EXISTS)
    return succeed("Subscriber Added to List")


def store_subscriber(mail_list: MailList, email: str) -> None:
    """Count the add, and keep the fields that were sent and are not empty."""
    subscriber = mail_list.subscribers.setdefault(email.lower(), Subscriber(email))
    subscriber.times += 1
    for name in ("first_name", "last_name", "mobile"):
        if request.form.get(name):
            setattr(subscriber, name, request.form[name])


@bp.post("/api/v1/send")
def send_mail() -> Response:
    """Takes one credit. The mail itself can be read in the call log."""
    sandbox = get_sandbox()
    for name, reason in _SEND_FIELDS.items():
        if not request.form.get(name):
            return fail(reason)
    with sandbox.lock:
        if sandbox.credits < 1:
            return fail(NO_CREDITS)
        sandbox.credits -= 1
    return succeed("Mail Sent")


@bp.get("/")
def show_marketing() -> Response:
    """Where the redirects end: 200 and HTML."""
    return make_page("Mailketing (sandbox)", 200)


@bp.route("/<path:rest>", methods=["GET", "POST", "PUT", "DELETE"])
def leave_for_marketing(rest: str) -> Response:
    """A wrong path or method goes to the marketing site (section 0)."""
    response = make_page("Moved Permanently", 301)
    response.headers["Location"] = f"{bp.url_prefix}/"
    return response
