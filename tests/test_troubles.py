"""What goes wrong with a vendor: its text is read back as it was written, and pages tell it without paths."""

import ast
import re
from collections.abc import Iterator

import pytest
from flask import Flask
from flask_babel import force_locale

from routes import trouble_words, wording
from services import mailketing_service, scalev_service, scalev_shapes, troubles
from services.troubles import Form, Kind, Trouble
from tests.test_architecture import service, tree_of

DETAILS = {
    "status": 503,
    "where": "/v3/stores/simplified",
    "words": "Invalid API key",
    "needs": "store:list and store:read",
    "number": "400",
}
FORMS = {name: form for name, form in vars(troubles).items() if isinstance(form, Form)}


@pytest.fixture
def english(app: Flask) -> Iterator[None]:
    with app.test_request_context(), force_locale("en"):
        yield


@pytest.mark.parametrize("name", FORMS)
def test_what_is_written_in_a_form_is_read_as_it(name: str) -> None:
    text = FORMS[name](**DETAILS)
    trouble = troubles.read(f"ScaleV: {text}")
    assert trouble is not None and trouble.kind is FORMS[name].kind
    assert trouble.words == ("Invalid API key" if "Invalid API key" in text else "")
    assert trouble.status == (503 if "503" in text else None)
    assert trouble.needs == (("store:list", "store:read") if "give it" in text else ())


def test_no_finding_of_ours_is_written_beside_the_forms() -> None:
    """Else a page would quote it as the vendor's own words."""
    literals = [
        f"{module} line {call.lineno}"
        for module in ("http_session", "scalev_service", "scalev_shapes", "mailketing_service", "expiry_service")
        for call in ast.walk(tree_of(service(module)))
        if isinstance(call, ast.Call) and re.match(r"Vendor[A-Z]|AddResult|_TooLarge", ast.unparse(call.func))
        for argument in call.args
        if isinstance(argument, ast.JoinedStr)
        or (isinstance(argument, ast.Constant) and isinstance(argument.value, str))
    ]
    assert not literals


def test_what_fits_no_form_is_the_vendors_own(english: None) -> None:
    assert troubles.read("Mailketing: No Credits, Please Top Up") == Trouble(
        "Mailketing", Kind.REFUSED, "No Credits, Please Top Up"
    )
    assert wording.problem("Mailketing: No Credits, Please Top Up") == "Mailketing: “No Credits, Please Top Up”"


def test_a_sentence_of_the_program_is_no_trouble_with_a_vendor(english: None) -> None:
    sentence = "The ScaleV API key is missing: save it in Settings."
    assert troubles.read(sentence) is None
    assert wording.problem(sentence) == sentence


@pytest.mark.parametrize("language", ["id", "en"])
@pytest.mark.parametrize("name", FORMS)
def test_a_page_names_no_path(app: Flask, name: str, language: str) -> None:
    with app.test_request_context(), force_locale(language):
        told = wording.problem(f"ScaleV: {FORMS[name](**DETAILS)}")
    assert "GET" not in told and "/v3" not in told and "%(" not in told
    assert told.startswith("ScaleV: “") is (FORMS[name].kind is Kind.REFUSED)


def test_every_kind_has_its_sentence(english: None) -> None:
    told = {kind: trouble_words.tell(Trouble("ScaleV", kind, "X", 500)) for kind in Kind}
    assert all(told.values()) and len(set(told.values())) == len(Kind)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (301, "it points to another address"),
        (403, "access denied"),
        (408, "it waited too long"),
        (418, "without a readable answer"),
        (429, "too many calls"),
        (500, "trouble on its side"),
    ],
)
def test_a_status_without_words_is_told_with_its_meaning(english: None, status: int, meaning: str) -> None:
    told = trouble_words.tell(Trouble("Mailketing", Kind.BAD_STATUS, status=status))
    assert told == f"Mailketing answered with HTTP {status} ({meaning})."
    _, message = mailketing_service.judge(status, "<html>")
    assert wording.mailketing_answer(message) == told


def test_a_web_page_with_status_200_was_an_answer(english: None) -> None:
    _, message = mailketing_service.judge(200, "<html>")
    told = wording.mailketing_answer(message)
    assert told == "Mailketing answered with something that can't be read (HTTP 200)."


def test_a_refused_key_is_told_with_the_vendors_words(english: None) -> None:
    error = scalev_shapes.as_error("/v3/stores", 401, "API key has expired", None)
    assert wording.problem(str(error)) == "ScaleV refuses the API key: “API key has expired”"
    error = scalev_shapes.as_error("/v3/stores", 401, "", None)
    assert wording.problem(str(error)) == "ScaleV refuses the API key (HTTP 401)."


def test_a_missing_permission_is_told_by_its_names(english: None) -> None:
    error = scalev_shapes.as_error("/v3/stores/simplified", 403, "Forbidden", None)
    assert wording.problem(str(error)) == "The ScaleV API key lacks a permission. Give it: store:list, store:read."


def test_a_whole_answer_stays_as_it_came_and_a_finding_is_told(english: None) -> None:
    assert wording.whole_answer('{"status": "failed"}') == '{"status": "failed"}'
    assert wording.whole_answer("no answer in time") == "Mailketing did not answer in time."


def test_the_vendors_are_called_as_their_clients_call_them() -> None:
    assert {scalev_service.VENDOR, mailketing_service.VENDOR} == set(troubles.VENDORS)
