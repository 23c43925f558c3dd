"""ScaleV's signature: only the exact bytes under a known secret pass; nothing odd raises."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.signatures import find_secret, sign

SECRETS = {"current": "rahasia baru", "previous": "rahasia lama"}
BODY = b'{"event": "order.created"}'


def test_a_signature_is_base64_of_hmac_sha256_over_the_raw_body() -> None:
    expected = base64.b64encode(hmac.new(b"rahasia baru", BODY, hashlib.sha256).digest()).decode()
    assert sign("rahasia baru", BODY) == expected
    assert len(expected) == 44 and expected.endswith("=")


@pytest.mark.parametrize("label", ["current", "previous"])
def test_the_label_of_the_secret_that_signed_is_told(label: str) -> None:
    assert find_secret(SECRETS, BODY, sign(SECRETS[label], BODY)) == label


def test_white_space_around_the_header_does_not_matter() -> None:
    assert find_secret(SECRETS, BODY, f" {sign('rahasia baru', BODY)}\r\n") == "current"


def test_a_body_that_was_serialised_anew_does_not_match() -> None:
    assert find_secret(SECRETS, b'{"event":"order.created"}', sign("rahasia baru", BODY)) is None


def test_without_a_secret_nothing_matches() -> None:
    assert find_secret({}, BODY, sign("", BODY)) is None


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "====",
        "not base64!",
        "é" * 44,
        "\ud800",
        sign("rahasia baru", BODY)[:-1],
        sign("rahasia baru", BODY)[:20],
        "sha256=" + sign("rahasia baru", BODY),
        hmac.new(b"rahasia baru", BODY, hashlib.sha256).hexdigest(),
        sign("other", BODY),
    ],
)
def test_a_missing_malformed_or_wrong_header_matches_nothing(header: str | None) -> None:
    assert find_secret(SECRETS, BODY, header) is None


@settings(max_examples=200, deadline=None)
@given(st.text(), st.binary(max_size=50))
def test_no_header_raises(header: str, body: bytes) -> None:
    assert find_secret(SECRETS, body, header) is None
