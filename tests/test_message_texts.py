"""The WhatsApp texts: filled in, without gaps, safe in an address."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from services import message_texts
from services.message_texts import DEFAULTS, MAX_ENCODED, VARIABLES
from services.statuses import ChaseStep

DUE = datetime(2026, 11, 28, 7, 5, tzinfo=UTC).astimezone(ZoneInfo("Asia/Jakarta"))


def values(**changes: Any) -> dict[str, str]:
    known: dict[str, Any] = {
        "name": "siti rahmawati",
        "product": "Madu Hutan 500 ml",
        "total": Decimal("149724.00"),
        "bank": "BCA",
        "account_number": "1234567890",
        "account_holder": "CV Madu Hutan",
        "due_at": DUE,
        "cs_name": "Rina",
        "greeting": "Kak",
    }
    return message_texts.make_values(**{**known, **changes})


NOTHING = {
    name: None for name in ("name", "product", "total", "bank", "account_number", "account_holder", "due_at", "cs_name")
}


def test_every_variable_has_a_value_and_money_and_dates_are_indonesian() -> None:
    found = values()
    assert tuple(found) == VARIABLES
    assert found["nama_depan"] == "Siti"
    assert found["total"] == "Rp149.724"
    assert found["batas_waktu"] == "Sabtu, 28 November pukul 14.05 WIB"


@pytest.mark.parametrize("step", ChaseStep)
def test_every_default_is_sound_filled_in_or_empty(step: ChaseStep) -> None:
    assert message_texts.find_mistake(DEFAULTS[step]) is None
    assert message_texts.clean(DEFAULTS[step]) == DEFAULTS[step]
    full = message_texts.render(DEFAULTS[step], values())
    assert "{" not in full and "1234567890" in full and full.endswith("Salam, Rina")
    empty = message_texts.render(DEFAULTS[step], values(**NOTHING))
    assert "rekening" not in empty and "Bank" not in empty and "Salam" not in empty
    assert "  " not in empty and " ," not in empty and "\n\n\n" not in empty
    assert empty.startswith("Halo Kak,")


def test_a_line_whose_variables_are_all_empty_is_left_out_and_others_close_up() -> None:
    text = "Halo {nama_depan}, apa kabar?\nBank: {bank}\n\nTotal {total} ke {bank} ya"
    assert message_texts.render(text, values(bank=None, name="")) == "Total Rp149.724 ke ya"


def test_a_value_that_looks_like_a_variable_stays_what_it_is() -> None:
    assert message_texts.render("{nama_depan} {produk}", values(name="{total}", product="{bank}")) == "{Total} {bank}"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("Halo {nama}", "{nama}"),
        ("Halo {nama_depan", "{nama_depan"),
        ("Halo nama_depan}", "}"),
        ("{}", "{}"),
        ("{ sapaan }", "{ sapaan }"),
        ("Halo {sapaan} {nama_depan} :-)", None),
        ("", None),
    ],
)
def test_what_is_no_variable_is_named(text: str, mistake: str | None) -> None:
    assert message_texts.find_mistake(text) == mistake


def test_the_link_holds_the_text_as_it_was_written() -> None:
    text = "Halo Kak Siti & Budi 🙏\n100% #1 + <b>?"
    url = message_texts.chat_url("6281234567890", text)
    assert url.startswith("https://wa.me/6281234567890?text=") and "%0A" in url and "+" not in url
    assert parse_qs(urlsplit(url).query)["text"] == [text]


def test_a_link_never_grows_too_long_and_is_cut_between_characters() -> None:
    url = message_texts.chat_url("6281234567890", "🙏" * 2000)
    encoded = url.partition("text=")[2]
    assert len(encoded) <= MAX_ENCODED
    assert set(parse_qs(urlsplit(url).query)["text"][0]) == {"🙏", "…"}


def test_hostile_names_stay_one_short_harmless_word() -> None:
    found = values(name="\u202e<script>alert(1)</script>" + "x" * 300 + "\nBCC: all", product="\x00\u200bMadu\n\nGelap")
    assert len(found["nama_depan"]) == 40 and "\u202e" not in found["nama_depan"]
    assert found["produk"] == "Madu Gelap"
    url = message_texts.chat_url("62812", message_texts.render("{nama_depan}", found))
    assert "<" not in url and '"' not in url and " " not in url
    assert message_texts.chat_url("62812", "\ud800").endswith("text=%3F")


@pytest.mark.parametrize(("name", "expected"), [("BUDI S", "Budi"), ("budi", "Budi"), ("McDonald x", "McDonald")])
def test_a_shouted_or_careless_name_is_written_as_a_name(name: str, expected: str) -> None:
    assert values(name=name)["nama_depan"] == expected


def test_typed_texts_keep_their_lines_and_lose_what_is_invisible() -> None:
    assert message_texts.clean("Halo\r\n\r\n\r\n  Kak\u200b\x07 ") == "Halo\n\nKak"
