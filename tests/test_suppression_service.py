"""Addresses that must not be sent."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from models import Suppression, db, transaction
from services import suppression_service
from tests.builders import NOW

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def test_a_suppressed_address_is_found_with_its_reason() -> None:
    suppression_service.suppress("siti@gmail.com", "blacklisted", "Blacklisted", NOW)
    found = suppression_service.find("siti@gmail.com", NOW + timedelta(days=9999))
    assert found is not None
    assert (found.reason, found.note, found.until, found.created_at) == ("blacklisted", "Blacklisted", None, NOW)
    assert suppression_service.find("sit@gmail.com", NOW) is None


def test_a_suppression_with_an_end_holds_until_that_very_moment() -> None:
    with transaction() as session:
        session.add(Suppression(email="siti@gmail.com", reason="bounced", until=NOW, created_at=NOW))
    assert suppression_service.find("siti@gmail.com", NOW - timedelta(microseconds=1)) is not None
    assert suppression_service.find("siti@gmail.com", NOW) is None


def test_a_suppression_for_good_replaces_a_shorter_one() -> None:
    with transaction() as session:
        session.add(Suppression(email="siti@gmail.com", reason="bounced", until=NOW, created_at=NOW))
    suppression_service.suppress("siti@gmail.com", "blacklisted", None, NOW)
    found = suppression_service.find("siti@gmail.com", NOW + timedelta(days=9))
    assert found is not None
    assert (found.reason, found.until) == ("blacklisted", None)
    assert db.session.scalar(select(func.count()).select_from(Suppression)) == 1


def test_suppressing_joins_the_callers_transaction() -> None:
    with pytest.raises(KeyError), transaction():
        suppression_service.suppress("siti@gmail.com", "blacklisted", None, NOW)
        raise KeyError
    assert suppression_service.find("siti@gmail.com", NOW) is None
