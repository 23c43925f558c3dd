"""When a buyer is chased next, and with which text."""

from datetime import timedelta

import pytest

from services import chase_plan
from services.chase_plan import Chase
from services.statuses import ChaseStep
from tests.builders import NOW

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
H0, H1, H3, H6, LAST = ChaseStep
WEEK = {"start": NOW, "due_at": NOW + 7 * DAY}


def test_a_week_has_room_for_every_text_and_the_last_stands_before_its_end() -> None:
    moments = chase_plan.plan(NOW, NOW + 7 * DAY)
    assert list(moments) == [H0, H1, H3, H6, LAST]
    assert moments[LAST] == NOW + 6.5 * DAY


@pytest.mark.parametrize(("days", "steps"), [(1, [H0, LAST]), (3, [H0, H1, LAST]), (30, [H0, H1, H3, H6, LAST])])
def test_a_short_window_leaves_texts_out(days: int, steps: list[ChaseStep]) -> None:
    assert list(chase_plan.plan(NOW, NOW + days * DAY)) == steps


def test_who_was_never_chased_is_due_since_the_order() -> None:
    assert chase_plan.next_chase(Chase(**WEEK)) == NOW


@pytest.mark.parametrize(
    ("chased_after", "step", "expected"),
    [
        (HOUR, H0, DAY),
        (HOUR, H1, 3 * DAY),  # sent early: it is not asked for again
        (4 * DAY, H3, 6 * DAY),
        (4 * DAY, H0, 6 * DAY),  # what has passed meanwhile is left out
        (6.6 * DAY, LAST, 7.6 * DAY),
    ],
)
def test_a_text_that_was_sent_leads_to_the_next_ones_moment(
    chased_after: timedelta, step: ChaseStep, expected: timedelta
) -> None:
    chase = Chase(**WEEK, chased_at=NOW + chased_after, chased_step=step)
    assert chase_plan.next_chase(chase) == NOW + expected


def test_a_lead_that_stays_open_after_its_window_is_chased_once_a_day() -> None:
    chase = Chase(**WEEK, chased_at=NOW + 9 * DAY, chased_step=LAST)
    assert chase_plan.next_chase(chase) == NOW + 10 * DAY


def test_a_persons_day_comes_before_the_plan_until_it_is_over() -> None:
    snoozed = Chase(**WEEK, chased_at=NOW + DAY, chased_step=H1, snoozed_until=NOW + 2 * DAY)
    assert chase_plan.next_chase(snoozed) == NOW + 2 * DAY
    chased_again = Chase(**WEEK, chased_at=NOW + 2.5 * DAY, chased_step=H1, snoozed_until=NOW + 2 * DAY)
    assert chase_plan.next_chase(chased_again) == NOW + 3 * DAY


def test_a_new_window_begins_with_the_first_text() -> None:
    chase = Chase(NOW, NOW + 7 * DAY, chased_at=NOW - DAY, chased_step=LAST, snoozed_until=NOW - HOUR)
    assert chase_plan.next_chase(chase) == NOW
    assert chase_plan.fitting_step(chase, NOW) is H0


@pytest.mark.parametrize(
    ("age", "sent", "expected"),
    [
        (HOUR, None, H0),
        (4 * DAY, None, H3),
        (4 * DAY, H1, H3),
        (4 * DAY, H3, H6),
        (6.8 * DAY, H3, LAST),
        (9 * DAY, LAST, LAST),
    ],
)
def test_the_text_that_fits_follows_from_age_and_what_was_sent(
    age: timedelta, sent: ChaseStep | None, expected: ChaseStep
) -> None:
    chase = Chase(**WEEK, chased_at=NOW + HOUR if sent else None, chased_step=sent)
    assert chase_plan.fitting_step(chase, NOW + age) is expected
