"""Merging messages: the newest say counts, field by field, whatever came first."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services import order_news
from services.order_news import News, add_news, is_newest, make_stamp, merge_details, stamp_moment, states
from services.order_snapshot import Line, OrderSnapshot
from tests.builders import NOW

_MOMENTS = st.timedeltas(timedelta(days=-9000), timedelta(days=60_000)).map(lambda shift: NOW + shift)


def at(seconds: float, key: str = "0" * 8) -> str:
    moment = NOW + timedelta(seconds=seconds)
    return make_stamp(moment, moment, NOW, key)


def history(*news: News) -> list[News]:
    known: list[News] = []
    for one in news:
        known = add_news(known, one)
    return known


def test_a_stamp_is_the_orders_change_then_the_messages_moment_then_its_key() -> None:
    second = NOW + timedelta(seconds=1)
    stamps = [
        make_stamp(NOW, NOW, NOW, "b"),
        make_stamp(NOW, NOW, NOW, "c"),
        make_stamp(NOW, second, NOW, "a"),
        make_stamp(second, NOW, NOW, "a"),
    ]
    assert stamps == sorted(stamps)


def test_the_messages_moment_stands_in_for_the_orders_and_the_arrival_for_both() -> None:
    sent, received = NOW - timedelta(hours=1), NOW
    assert stamp_moment(make_stamp(None, sent, received, "k")) == sent
    assert stamp_moment(make_stamp(None, None, received, "k")) == received


@settings(max_examples=200, deadline=None)
@given(_MOMENTS, _MOMENTS)
def test_stamps_sort_as_their_moments_do_and_give_them_back(first: datetime, second: datetime) -> None:
    stamps = [make_stamp(moment, moment, NOW, "k") for moment in (first, second)]
    assert [stamp_moment(stamp) for stamp in stamps] == [first, second]
    assert (stamps[0] < stamps[1]) == (first < second)


def test_a_stamp_fits_its_column() -> None:
    assert len(make_stamp(NOW, NOW, NOW, "f" * 64)) <= 60


@settings(max_examples=200, deadline=None)
@given(
    st.builds(
        News,
        stamp=st.just(at(0)),
        payment_status=st.sampled_from([None, "paid"]),
        order_status=st.sampled_from([None, "shipped"]),
        payment_method=st.sampled_from([None, "cod"]),
        gross_revenue=st.none() | st.decimals(-(10**11), 10**11, places=2),
        is_spam=st.sampled_from([None, True, False]),
    )
)
def test_news_survives_being_stored_as_json(news: News) -> None:
    assert News.from_row(json.loads(json.dumps(news.to_row()))) == news


def test_the_same_message_twice_is_known_once() -> None:
    news = News(at(0), payment_status="paid")
    assert history(news, news) == [news]


def test_a_message_that_says_nothing_leaves_no_trace() -> None:
    assert history(News(at(0))) == []


def test_a_late_old_message_takes_its_place_in_the_past() -> None:
    paid, unpaid = News(at(10), payment_status="paid"), News(at(0), payment_status="unpaid")
    assert history(paid, unpaid) == [unpaid, paid]
    assert states(history(paid, unpaid))[-1].paid


def test_groups_are_fresh_each_for_itself() -> None:
    known = history(News(at(0), payment_status="unpaid"), News(at(20), order_status="shipped"))
    state = states(add_news(known, News(at(10), payment_status="paid")))[-1]
    assert (state.payment_status, state.order_status) == ("paid", "shipped")


def test_money_counts_more_than_its_lack_at_the_very_same_moment() -> None:
    paid, unpaid = News(at(0, "0"), payment_status="paid"), News(at(0, "f"), payment_status="unpaid")
    assert states(history(paid, unpaid))[-1].paid
    assert states(history(unpaid, paid))[-1].paid


def test_a_conflict_is_a_doubt_that_neither_pays_nor_takes_back() -> None:
    life = states(history(*[News(at(n), payment_status=word) for n, word in enumerate(["paid", "conflict", "unpaid"])]))
    assert [(state.payment_status, state.paid) for state in life] == [
        ("paid", True),
        ("conflict", True),
        ("unpaid", False),
    ]
    assert not states(history(News(at(0), payment_status="conflict")))[-1].paid


def test_a_run_of_spam_is_known_by_its_first_message() -> None:
    words = [True, True, False, True]
    life = states(history(*[News(at(n), is_spam=word) for n, word in enumerate(words)]))
    assert [state.spam_stamp for state in life] == [at(0), at(0), at(2), at(3)]


def test_news_is_stale_only_when_all_it_says_has_been_said_later() -> None:
    newer = News(at(10), payment_status="paid")
    older = News(at(0), payment_status="unpaid")
    both = News(at(0), payment_status="unpaid", order_status="pending")
    assert not is_newest(history(newer, older), older)
    assert is_newest(history(newer, both), both)
    assert is_newest(history(newer), newer)


def test_very_long_lives_forget_their_beginning_but_not_what_it_said() -> None:
    first = News(at(0), payment_method="cod", gross_revenue=Decimal(5))
    known = history(first, *[News(at(n), order_status=f"s{n}") for n in range(1, order_news.MAX_NEWS + 50)])
    assert len(known) == order_news.MAX_NEWS
    state = states(known)[-1]
    assert (state.payment_method, state.gross_revenue) == ("cod", Decimal(5))
    assert state.order_status == f"s{order_news.MAX_NEWS + 49}"


def snapshot(**fields: Any) -> OrderSnapshot:
    return OrderSnapshot("A1", **fields)


def test_a_very_long_life_does_not_forget_a_payment_behind_a_doubt() -> None:
    doubt = [News(at(1), payment_status="paid"), News(at(2), payment_status="conflict")]
    known = history(*doubt, *(News(at(3 + number), order_status="shipped") for number in range(order_news.MAX_NEWS)))
    assert states(known)[-1].paid


def test_a_detail_is_taken_from_its_newest_message() -> None:
    newer, stamps = merge_details(snapshot(name="Siti"), {}, at(10))
    assert newer == {"name": "Siti"}
    assert merge_details(snapshot(name="Sri"), stamps, at(5)) == ({}, stamps)
    assert merge_details(snapshot(name="Sri"), stamps, at(15))[0] == {"name": "Sri"}


def test_a_missing_detail_blanks_nothing() -> None:
    _, stamps = merge_details(snapshot(email_given="a@gmail.com"), {}, at(10))
    assert merge_details(snapshot(name="Siti"), stamps, at(20)) == ({"name": "Siti"}, {**stamps, "name": f"0|{at(20)}"})


def test_a_better_source_beats_a_newer_message() -> None:
    _, stamps = merge_details(snapshot(email_given="a@gmail.com", ranks={"email_given": 5}), {}, at(10))
    assert merge_details(snapshot(email_given="x", ranks={"email_given": 2}), stamps, at(20))[0] == {}
    better = snapshot(lines=(Line("variant_1"),), ranks={"lines": 1})
    _, stamps = merge_details(snapshot(lines=(Line(variant_id="4"),), ranks={"lines": 0}), {}, at(10))
    assert merge_details(better, stamps, at(0))[0] == {"lines": (Line("variant_1"),)}


_NEWS = st.lists(
    st.builds(
        News,
        stamp=st.builds(at, st.integers(0, 4), st.sampled_from("abcdef")),
        payment_status=st.sampled_from([None, "unpaid", "paid", "settled", "conflict"]),
        order_status=st.sampled_from([None, "pending", "canceled", "completed"]),
        payment_method=st.sampled_from([None, "cod", "qris"]),
        gross_revenue=st.sampled_from([None, Decimal(0), Decimal(5)]),
        is_spam=st.sampled_from([None, True, False]),
    ),
    max_size=8,
    unique_by=lambda news: news.stamp,
)


@settings(max_examples=300, deadline=None)
@given(_NEWS, st.data())
def test_the_life_of_an_order_does_not_depend_on_the_order_of_arrival(news: list[News], data: st.DataObject) -> None:
    doubled = [*news, *data.draw(st.lists(st.sampled_from(news), max_size=3) if news else st.just([]))]
    assert history(*data.draw(st.permutations(doubled))) == history(*news)


@pytest.mark.parametrize("name", order_news.DETAIL_FIELDS)
def test_every_detail_is_a_field_of_the_snapshot(name: str) -> None:
    assert name in OrderSnapshot.__slots__
