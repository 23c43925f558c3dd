from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from flask import Flask

from routes import context, filters, scalev_words
from services import settings_service

MOMENT = datetime(2026, 11, 22, 4, 5, tzinfo=UTC)


def _in_english(app: Flask) -> object:
    return app.test_request_context(headers={"Cookie": "language=en"})


@pytest.mark.parametrize(
    ("amount", "text"),
    [(Decimal("149724.00"), "Rp149.724"), (Decimal(0), "Rp0"), (Decimal("1234567890"), "Rp1.234.567.890"), (None, "–")],
)
def test_money_is_written_as_in_indonesia(app: Flask, amount: Decimal | None, text: str) -> None:
    with app.test_request_context():
        assert filters.money(amount) == text


@pytest.mark.parametrize("language", ["id", "en"])
def test_percent_stands_close_to_its_number(app: Flask, language: str) -> None:
    with app.test_request_context(headers={"Cookie": f"language={language}"}):
        assert filters.percent(0.174) == "17%"


def test_a_moment_is_shown_in_wib(app: Flask) -> None:
    with app.test_request_context():
        assert filters.moment(MOMENT) == "22 Nov 2026 11.05 WIB"
        assert filters.weekday_moment(MOMENT) == "Min, 22 Nov 2026 11.05 WIB"
    with _in_english(app):
        assert filters.moment(MOMENT) == "22 Nov 2026 11:05 WIB"
        assert filters.moment(None) == "–"


@pytest.mark.parametrize(
    ("zone", "text"), [("Asia/Jayapura", "22 Nov 2026 13.05 WIT"), ("America/Sao_Paulo", "22 Nov 2026 01.05 UTC-03")]
)
def test_another_zone_has_its_own_name(app: Flask, zone: str, text: str) -> None:
    settings_service.change({"timezone": zone}, MOMENT)
    with app.test_request_context():
        assert filters.moment(MOMENT) == text


def test_a_relative_time_is_told_in_the_language(app: Flask) -> None:
    with app.test_request_context():
        assert filters.ago(context.now() - timedelta(days=3)) == "3 hari yang lalu"
    with _in_english(app):
        assert filters.ago(context.now() + timedelta(hours=5)) == "in 5 hours"


def test_a_relative_time_carries_the_exact_one(app: Flask) -> None:
    with app.test_request_context():
        html = str(filters.time_tag(MOMENT))
    assert 'datetime="2026-11-22T04:05:00+00:00"' in html
    assert 'title="22 Nov 2026 11.05 WIB"' in html


def test_numbers_have_the_languages_separator(app: Flask) -> None:
    with app.test_request_context():
        assert filters.number(12345) == "12.345"
    with _in_english(app):
        assert filters.number(12345) == "12,345"


@pytest.mark.parametrize(
    ("digits", "text"),
    [("6281234567890", "+62 812-3456-7890"), ("622150001234", "+62 21 50001234"), (None, "–"), ("1", "1")],
)
def test_a_phone_is_grouped(digits: str | None, text: str) -> None:
    assert filters.phone(digits) == text


@pytest.mark.parametrize(
    ("digits", "url"),
    [("6281234567890", "https://wa.me/6281234567890"), ("622150001234", None), (None, None), ("x", None)],
)
def test_whatsapp_is_for_mobiles_only(digits: str | None, url: str | None) -> None:
    assert filters.whatsapp(digits) == url


@pytest.mark.parametrize(
    ("name", "letters"), [("Budi Santoso Jaya", "BS"), ("siti", "S"), ("", "?"), (None, "?"), ("\u202e\u200b", "?")]
)
def test_initials(name: str | None, letters: str) -> None:
    assert filters.initials(name) == letters


def test_others_text_is_one_line_without_invisible_characters_and_capped() -> None:
    assert filters.shown(" Budi\n\x00San\u202etoso ") == "Budi Santoso"
    assert filters.shown("x" * 200, 10) == "x" * 9 + "…"
    assert filters.shown(None) == ""


def test_a_body_that_is_no_text_is_still_shown() -> None:
    assert filters.decoded(b"\xff{}") == "\ufffd{}"
    assert len(filters.decoded(b"x" * 100_000)) == 64_000


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("bank_transfer", "Transfer bank"),
        ("cod", "COD"),
        ("qris", "QRIS"),
        ("shopeepay", "ShopeePay"),
        ("va_bca", "Virtual account BCA"),
        ("va_cimb", "Virtual account CIMB"),
        ("va_artha_graha", "Virtual account Artha Graha"),
        ("some_new_way", "some new way"),
        (None, ""),
    ],
)
def test_a_payment_method_is_called_as_sellers_call_it(app: Flask, code: str | None, words: str) -> None:
    with app.test_request_context():
        assert scalev_words.payment_method(code) == words


def test_scalevs_states_are_shown_in_words(app: Flask) -> None:
    with app.test_request_context():
        assert scalev_words.payment_status("unpaid") == "Belum dibayar"
        assert scalev_words.order_status("in_process") == "Diproses"
        assert scalev_words.order_status("new_state") == "new state"
