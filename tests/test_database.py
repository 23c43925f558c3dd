"""The connection: aware moments only, one transaction per operation, readers that stand in nobody's way."""

import contextvars
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from flask import Flask
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError

from database import SQLITE_PRAGMAS, turn, writing
from models import Heartbeat, Lead, LeadStatus, ListMember, Settings, WebhookEvent, db, transaction
from services.errors import Conflict
from tests import builders
from tests.builders import NOW

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def beat(name: str, at: datetime | None = NOW) -> Heartbeat:
    return Heartbeat(name=name, finished_at=at)


def stored(name: str) -> datetime | None:
    db.session.rollback()
    return db.session.scalar(select(Heartbeat.finished_at).where(Heartbeat.name == name))


def names() -> set[str]:
    db.session.rollback()
    return set(db.session.scalars(select(Heartbeat.name)))


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(StatementError, match="time zone"), transaction() as session:
        session.add(beat("naive", datetime(2026, 11, 22)))  # noqa: DTZ001 (that is the point)
    assert names() == set()


def test_a_naive_moment_is_refused_in_a_query_too() -> None:
    with pytest.raises(StatementError, match="time zone"):
        db.session.scalars(select(Heartbeat).where(Heartbeat.finished_at < datetime(2026, 11, 22))).all()  # noqa: DTZ001


@pytest.mark.parametrize("hours", [-11, 0, 7])
def test_a_moment_comes_back_aware_in_utc_to_the_microsecond(hours: int) -> None:
    moment = datetime(2026, 11, 22, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=hours)))
    with transaction() as session:
        session.add(beat("b", moment))
    found = stored("b")
    assert found == moment
    assert found is not None and found.tzinfo is UTC


def test_moments_of_different_zones_are_compared_as_moments() -> None:
    with transaction() as session:
        session.add(beat("b", NOW))
    wib = NOW.astimezone(timezone(timedelta(hours=7)))
    query = select(func.count()).select_from(Heartbeat)
    assert db.session.scalar(query.where(Heartbeat.finished_at <= wib)) == 1
    assert db.session.scalar(query.where(Heartbeat.finished_at < wib)) == 0


def test_a_transaction_commits_at_its_end() -> None:
    with transaction() as session:
        session.add(beat("a"))
    assert names() == {"a"}


def test_a_transaction_that_raises_leaves_nothing() -> None:
    with pytest.raises(KeyError), transaction() as session:
        session.add(beat("a"))
        session.flush()
        raise KeyError
    assert names() == set()


def test_an_inner_transaction_joins_the_outer_one() -> None:
    with pytest.raises(KeyError), transaction():
        with transaction() as session:
            session.add(beat("inner"))
        raise KeyError
    assert names() == set()


def test_after_a_failure_the_next_transaction_works() -> None:
    with pytest.raises(IntegrityError), transaction() as session:
        session.execute(insert(Heartbeat).values([{"name": "a"}, {"name": "a"}]))
    with transaction() as session:
        session.add(beat("a"))
    assert names() == {"a"}


@pytest.mark.parametrize("change", ["new", "dirty", "deleted"])
def test_a_change_made_before_the_transaction_is_refused(change: str) -> None:
    with transaction() as session:
        session.add(beat("a"))
    row = db.session.get_one(Heartbeat, "a")
    if change == "new":
        db.session.add(beat("b"))
    elif change == "dirty":
        row.summary = "changed"
    else:
        db.session.delete(row)
    with pytest.raises(RuntimeError, match="outside"), transaction():
        pass
    db.session.rollback()


def test_a_transaction_sees_what_others_wrote_since_the_page_began_to_read(app: Flask) -> None:
    assert names() == set()
    db.session.scalars(select(Heartbeat)).all()
    run_elsewhere(app, lambda: write_heartbeat("other"))
    with transaction() as session:
        assert set(session.scalars(select(Heartbeat.name))) == {"other"}


def test_a_lead_that_somebody_else_changed_is_a_conflict(app: Flask) -> None:
    lead = builders.make_lead()
    with pytest.raises(Conflict), transaction() as session:
        mine = session.get_one(Lead, lead.id)
        version = mine.version
        session.connection().execute(text("UPDATE leads SET version = version + 1"))
        mine.name = "changed"
        assert mine.version == version
    db.session.rollback()
    assert db.session.get_one(Lead, lead.id).name != "changed"


def test_foreign_keys_hold() -> None:
    with pytest.raises(IntegrityError), transaction() as session:
        session.add(builders.Delivery(lead_id=999_999, role=LeadStatus.CLOSING, status="pending", created_at=NOW,
                                      updated_at=NOW, tries=0))  # fmt: skip


def test_a_savepoint_that_fails_leaves_the_rest() -> None:
    with transaction() as session:
        session.add(beat("a"))
        session.flush()
        with pytest.raises(IntegrityError), session.begin_nested():
            session.execute(insert(Heartbeat).values(name="a"))
        session.add(beat("b"))
    assert names() == {"a", "b"}


def test_keys_are_told_apart_by_case_accent_and_trailing_space() -> None:
    emails = ["a@gmail.com", "A@gmail.com", "á@gmail.com"]
    with transaction() as session:
        session.add_all(ListMember(list_id="1", email=email) for email in emails)
    for email in emails:
        query = select(func.count()).select_from(ListMember).where(ListMember.email == email)
        assert db.session.scalar(query) == 1


def test_text_of_every_script_and_emoji_comes_back() -> None:
    name = "Siti 🐝 الرحمن 王 \U0001f468\u200d\U0001f469"
    lead = builders.make_lead(name=name, order_id="261122😀")
    db.session.expire_all()
    assert db.session.scalar(select(Lead.name).where(Lead.order_id == "261122😀")) == name
    assert lead.order_id == "261122😀"


def test_money_comes_back_to_the_last_digit() -> None:
    lead = builders.make_lead(gross_revenue=Decimal("999999999999.99"))
    db.session.expire_all()
    assert lead.gross_revenue == Decimal("999999999999.99")


def test_json_columns_come_back_as_they_went() -> None:
    news = [{"stamp": "1", "gross_revenue": "0.10", "is_spam": False, "payment_status": "paid"}]
    lead = builders.make_lead(news=news, field_stamps={"name": "5|1 🐝"}, manual_seen={"payment": "é"})
    db.session.expire_all()
    assert (lead.news, lead.field_stamps, lead.manual_seen) == (news, {"name": "5|1 🐝"}, {"payment": "é"})


def test_a_body_of_a_mebibyte_comes_back_byte_for_byte() -> None:
    body = bytes(range(256)) * 4096
    event = builders.make_event(body=body)
    db.session.expire_all()
    assert db.session.scalar(select(WebhookEvent.body).where(WebhookEvent.id == event.id)) == body


def test_a_large_setting_comes_back() -> None:
    with transaction() as session:
        session.add(Settings(name="x", value="v" * 20_000, updated_at=NOW))
    db.session.expire_all()
    assert db.session.get_one(Settings, "x").value == "v" * 20_000


def test_a_long_page_read_blocks_no_writer(app: Flask) -> None:
    with transaction() as session:
        session.add(beat("a"))
    open_read = db.session.execute(select(Heartbeat.name))
    started = time.monotonic()
    run_elsewhere(app, lambda: write_heartbeat("b"))
    assert time.monotonic() - started < 2
    assert open_read.scalars().all() == ["a"]
    assert names() == {"a", "b"}


def test_an_update_guarded_by_the_old_status_hits_once(app: Flask) -> None:
    lead = builders.make_lead()
    query = "UPDATE leads SET status = 'closing' WHERE id = :id AND status = 'follow_up'"
    counts = []
    for _ in range(2):
        with transaction() as session:
            counts.append(session.execute(text(query), {"id": lead.id}).rowcount)
    assert counts == [1, 0]


def test_an_update_that_changes_nothing_still_counts_its_rows() -> None:
    builders.make_lead()
    with transaction() as session:
        assert session.execute(text("UPDATE leads SET status = status")).rowcount == 1


def test_deleting_a_lead_takes_its_own_rows_along() -> None:
    lead = builders.make_lead()
    delivery = builders.make_delivery(lead)
    builders.make_attempt(delivery)
    event = builders.make_event(lead_id=lead.id)
    with transaction() as session:
        session.execute(delete(Lead).where(Lead.id == lead.id))
    db.session.expire_all()
    assert db.session.scalar(select(func.count()).select_from(builders.DeliveryAttempt)) == 0
    assert db.session.get_one(WebhookEvent, event.id).lead_id is None


def write_heartbeat(name: str) -> None:
    with transaction() as session:
        session.add(beat(name))


def run_elsewhere(app: Flask, work: object) -> None:
    """Run in a thread with an application context, and so a session, of its own."""
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with app.app_context():
                work()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=contextvars.Context().run, args=(run,))
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "blocked"
    assert not failures, failures


class TestSqlite:
    """What only SQLite needs: its settings, and writers that queue instead of failing."""

    @pytest.fixture(autouse=True)
    def only_there(self, app: Flask) -> Iterator[None]:
        self.is_sqlite = db.engine.dialect.name == "sqlite"
        yield

    def test_its_settings_are_in_force(self) -> None:
        if not self.is_sqlite:
            return
        wanted = dict(pragma.split("=") for pragma in SQLITE_PRAGMAS)
        assert wanted == {"journal_mode": "WAL", "synchronous": "FULL", "busy_timeout": "5000", "foreign_keys": "ON"}
        found = {name: str(db.session.execute(text(f"PRAGMA {name}")).scalar()) for name in wanted}
        assert found == {"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000", "foreign_keys": "1"}

    def test_a_writer_takes_the_lock_before_it_reads(self, app: Flask) -> None:
        """A plain BEGIN that reads and then writes fails at once when another writer got in between."""
        if not self.is_sqlite:
            return
        begun, done = threading.Event(), []

        def other() -> None:
            begun.wait(5)
            write_heartbeat("other")
            done.append("other")

        def mine() -> None:
            with transaction() as session:
                begun.set()
                assert session.scalars(select(Heartbeat)).all() == []
                time.sleep(0.05)  # long enough for the other writer to ask for the lock
                session.add(beat("mine"))
                done.append("mine")

        threads = [threading.Thread(target=run_elsewhere, args=(app, work)) for work in (other, mine)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert done == ["mine", "other"]
        assert names() == {"mine", "other"}

    def test_transactions_of_one_turn_are_not_parted_by_another_writer(self, app: Flask) -> None:
        if not self.is_sqlite:
            return
        begun, seen = threading.Event(), list[set[str]]()

        def other() -> None:
            begun.wait(5)
            with transaction():
                seen.append(set(db.session.scalars(select(Heartbeat.name))))

        def mine() -> None:
            with turn():
                write_heartbeat("first")
                begun.set()
                time.sleep(0.05)  # long enough for the other writer to ask for its turn
                write_heartbeat("second")

        threads = [threading.Thread(target=run_elsewhere, args=(app, work)) for work in (other, mine)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert seen == [{"first", "second"}]

    def test_a_page_read_begins_without_the_write_lock(self, app: Flask) -> None:
        if not self.is_sqlite:
            return
        with writing():
            assert db.session.scalars(select(Heartbeat)).all() == []
            run_elsewhere(app, lambda: db.session.scalars(select(Heartbeat)).all())
        db.session.rollback()


def test_of_two_that_wait_for_each_other_one_is_told_so_and_the_other_goes_on(app: Flask) -> None:
    """SQLite has one writer at a time, so that there both go on, one after the other."""
    with transaction() as session:
        session.add_all([beat("a", None), beat("b", None)])
    reached = {"a": threading.Event(), "b": threading.Event()}
    ends = list[str]()

    def touch(name: str) -> None:
        db.session.execute(update(Heartbeat).where(Heartbeat.name == name).values(finished_at=NOW))

    def work(first: str, second: str) -> None:
        with app.app_context():
            try:
                with transaction():
                    touch(first)
                    reached[first].set()
                    reached[second].wait(timeout=0.5)
                    touch(second)
                ends.append("done")
            except Conflict:
                ends.append("conflict")

    threads = [threading.Thread(target=work, args=names) for names in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    expected = ["done", "done"] if db.engine.dialect.name == "sqlite" else ["conflict", "done"]
    assert sorted(ends) == expected
    assert stored("a") == stored("b") == NOW
