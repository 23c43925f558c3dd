"""One scheduler at a time."""

from datetime import timedelta

import pytest
from flask_sqlalchemy.session import Session

from models import Lease, db
from services import lease_service
from services.lease_service import LIFE, acquire, release
from tests.builders import NOW

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def test_the_first_to_ask_gets_the_lease_and_the_second_does_not() -> None:
    assert acquire("a", NOW)
    assert not acquire("b", NOW)
    assert db.session.get_one(Lease, lease_service.NAME).owner == "a"


def test_the_owner_renews_it_as_often_as_it_asks() -> None:
    for seconds in (0, 0, 20, 59, 118):
        assert acquire("a", NOW + timedelta(seconds=seconds))
    assert not acquire("b", NOW + timedelta(seconds=118) + LIFE)


def test_a_lease_that_nobody_renews_is_free_after_its_life_and_not_before() -> None:
    acquire("a", NOW)
    assert not acquire("b", NOW + LIFE)
    assert acquire("b", NOW + LIFE + timedelta(microseconds=1))
    assert not acquire("a", NOW + LIFE + timedelta(seconds=1))


def test_a_lease_given_back_is_free_at_once() -> None:
    acquire("a", NOW)
    release("a")
    assert acquire("b", NOW)


def test_nobody_gives_back_the_lease_of_another() -> None:
    acquire("a", NOW)
    release("b")
    assert not acquire("b", NOW)


def test_losing_the_race_for_the_first_row_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    acquire("a", NOW)
    monkeypatch.setattr(Session, "get", lambda *_args, **_kwargs: None)  # the look came before the other's insert
    assert not acquire("b", NOW)
