"""Names, e-mail addresses and phone numbers as buyers type them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contacts import (
    clean_text,
    is_mobile,
    mask_email,
    mask_phone,
    normalise_email,
    normalise_phone,
    redact,
    split_name,
    suggest_email,
)

TOKEN = "0123456789abcdef0123456789abcdef"


def test_an_address_is_trimmed_and_lower_cased():
    assert normalise_email("  Budi.Santoso@Gmail.COM \n") == "budi.santoso@gmail.com"


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "   ",
        42,
        ["a@example.com"],
        "budi",
        "budi@",
        "@gmail.com",
        "budi@gmail",
        "budi..s@gmail.com",
        "budi@gmail..com",
        "budi santoso@gmail.com",
        "budi\x00@gmail.com",
        "bu\u200bdi@gmail.com",
        "bu\u202edi@gmail.com",
        "budi@gm\nail.com",
        "\ud800@gmail.com",
        "Budi <budi@gmail.com>",
        "a@gmail.com,b@gmail.com",
        "x" * 65 + "@gmail.com",
        "a@" + "b" * 250 + ".com",
        "bu\u0111i@gmail.com",
        "a@[127.0.0.1]",
    ],
)
def test_what_no_mail_can_reach_is_no_address(text):
    assert normalise_email(text) is None


@pytest.mark.parametrize("text", ["628123@scalev.id", "X@SCALEV.ID", "a@mail.scalev.id", "a@a.b.scalev.id"])
def test_scalev_placeholders_count_as_no_address(text):
    assert normalise_email(text) is None


def test_a_domain_that_merely_ends_like_the_placeholder_is_kept():
    assert normalise_email("a@notscalev.id") == "a@notscalev.id"
    assert normalise_email("scalev.id@example.com") == "scalev.id@example.com"


def test_an_international_domain_is_stored_in_its_ascii_form():
    assert normalise_email("a@münchen.de") == "a@xn--mnchen-3ya.de"


@given(st.text() | st.emails() | st.from_regex(r"[^@]{1,9}@[^@]{1,9}\.(com|co\.id)"))
def test_normalising_an_address_never_raises_and_twice_changes_nothing(text):
    once = normalise_email(text)
    if once is not None:
        assert normalise_email(once) == once
        assert once.isascii() and once == once.lower() and len(once) <= 254


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("mgail.com", "gmail.com"),
        ("gmali.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("gmail.cim", "gmail.com"),
        ("gmail.cmo", "gmail.com"),
        ("gmail.co.id", "gmail.com"),
        ("gmai.com", "gmail.com"),
        ("gnail.com", "gmail.com"),
        ("gmaill.con", "gmail.com"),
        ("gmailcom", "gmail.com"),
        ("yaho.com", "yahoo.com"),
        ("yahoo.co", "yahoo.com"),
        ("yahooo.co.id", "yahoo.co.id"),
        ("yahoo.coid", "yahoo.co.id"),
        ("ymail.con", "ymail.com"),
        ("hotmial.com", "hotmail.com"),
        ("outlok.com", "outlook.com"),
        ("iclod.com", "icloud.com"),
        ("rocketmial.com", "rocketmail.com"),
        ("tokobudi.con", "tokobudi.com"),
    ],
)
def test_a_slip_of_the_finger_is_suggested_away(typed, meant):
    assert suggest_email(f"budi@{typed}") == f"budi@{meant}"


@pytest.mark.parametrize(
    "domain",
    [
        "gmail.com",
        "yahoo.com",
        "yahoo.co.id",
        "ymail.com",
        "mail.com",
        "email.com",
        "yahoo.ca",
        "yahoo.co.in",
        "hotmail.fr",
        "me.com",
        "telkom.net",
        "bca.co.id",
        "tokobudi.co",
        "asmail.com",
    ],
)
def test_a_real_domain_gets_no_suggestion(domain):
    assert suggest_email(f"budi@{domain}") is None


@pytest.mark.parametrize("text", ["", "budi", "@", "@gmial.com", "bu di@gmial.com"])
def test_what_would_be_no_address_even_after_the_repair_gets_no_suggestion(text):
    assert suggest_email(text) is None


@given(st.text() | st.text(alphabet="gmailyhoc.n", max_size=12).map("budi@".__add__))
def test_a_suggestion_is_a_valid_address_and_needs_no_further_suggestion(text):
    suggested = suggest_email(text)
    if suggested is not None:
        assert normalise_email(suggested) == suggested
        assert suggest_email(suggested) is None


@pytest.mark.parametrize(
    "typed",
    [
        "08123456789",
        "0812 3456 789",
        "+62 812-3456-789",
        "+628123456789",
        "628123456789",
        "8123456789",
        "00628123456789",
        "+62 0812 3456 789",
        "62 (0)812 3456789",
        "+0812 3456 789",
        "(0812) 3456.789",
        "0812\u20133456\u2013789",
        "0812\u200b3456789",
        "WA: 0812-3456-789",
        "0812-3456-789 / 0813-1111-222",
        "\uff10\uff18\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19",
        8123456789,
    ],
)
def test_every_way_to_write_an_indonesian_number_gives_the_same_digits(typed):
    assert normalise_phone(typed) == "628123456789"


def test_a_foreign_number_keeps_its_country():
    assert normalise_phone("+1 650 253 0000") == "16502530000"
    assert normalise_phone("001 650 253 0000") == "16502530000"


@pytest.mark.parametrize("typed", [None, "", "-", "081", "08123456789012345", "+", "0000000000", "abc", {}, "12345678"])
def test_what_is_no_number_gives_none(typed):
    assert normalise_phone(typed) is None


@given(st.text() | st.text(alphabet="0123456789+ -()"))
def test_normalising_a_phone_never_raises_and_twice_changes_nothing(text):
    once = normalise_phone(text)
    if once is not None:
        assert once.isascii() and once.isdigit()
        assert normalise_phone("+" + once) == once


def test_only_mobile_numbers_are_worth_a_whatsapp_button():
    assert is_mobile("628123456789")
    assert not is_mobile("62215551234")
    assert not is_mobile("")


def test_a_name_is_split_after_the_first_word():
    assert split_name("  Budi   Santoso  Putra ") == ("Budi", "Santoso Putra")
    assert split_name("Budi") == ("Budi", "")
    assert split_name(None) == ("", "")


def test_clean_text_drops_what_cannot_be_seen_and_collapses_white_space():
    assert clean_text(" Bu\x00di\u200b\u202e \t\n San\ud800toso\ufeff ", 100) == "Budi Santoso"


def test_clean_text_caps_without_leaving_a_space_at_the_end():
    assert clean_text("Budi Santoso", 5) == "Budi"
    assert clean_text("Budi Santoso", 6) == "Budi S"


def test_clean_text_takes_numbers_but_no_structures():
    assert clean_text(5, 10) == "5"
    assert clean_text(None, 10) == ""
    assert clean_text({"a": 1}, 10) == ""
    assert clean_text(["a"], 10) == ""


@given(st.text(), st.integers(0, 50))
def test_clean_text_always_fits_every_database(text, limit):
    cleaned = clean_text(text, limit)
    assert len(cleaned) <= limit
    assert cleaned == cleaned.strip()
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in cleaned)
    cleaned.encode("utf-8")
    assert clean_text(cleaned, limit) == cleaned


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("to budi.santoso@gmail.com now", "to b***@gmail.com now"),
        ("to budi%40gmail.com now", "to b***@gmail.com now"),
        ('{"email":"budi@gmail.com"}', '{"email":"b***@gmail.com"}'),
        ("wa 0812-3456-789!", "wa ***789!"),
        ("wa +62 812 3456 789!", "wa ***789!"),
        ("wa628123456789x", "wa***789x"),
        (f"key {TOKEN} end", "key [token] end"),
        (f"key {TOKEN.upper()} end", "key [token] end"),
        ("?api_token=short&x=1", "?api_token=[token]&x=1"),
        ('{"api_token": "short"}', '{"api_token": "[token]"}'),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [token]"),
        ("sk_live-1_a rk_2 sfpk_3", "sk_[key] rk_[key] sfpk_[key]"),
    ],
)
def test_redaction_masks(text, redacted):
    assert redact(text) == redacted


@pytest.mark.parametrize("text", ["2026-01-31 10:20:00 done", "HTTP 503 after 1234567 ms", "Mail Sent", ""])
def test_redaction_leaves_dates_and_small_numbers(text):
    assert redact(text) == text


def test_redaction_hides_a_secret_of_any_shape():
    assert redact("the key is hush!", "hush") == "the key is [token]!"


@given(st.text(max_size=20), st.emails(), st.text(max_size=20))
def test_redaction_never_leaves_an_address_whole(before, email, after):
    local, _, domain = email.partition("@")
    if len(local) > 1 and local.isalnum() and local.isascii():
        assert f"{local}@{domain}" not in redact(f"{before} {email} {after}")


@given(st.text())
def test_redacting_twice_changes_nothing(text):
    assert redact(redact(text)) == redact(text)


def test_masks_for_logs():
    assert mask_email("budi@gmail.com") == "b***@gmail.com"
    assert mask_email("nobody") == "***"
    assert mask_phone("628123456789") == "***789"
    assert mask_phone("1234") == "***"
