"""When a buyer is to be chased next, and with which text. Pure; contact_service writes what it says."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.statuses import ChaseStep

_AGES = {
    ChaseStep.H0: timedelta(0),
    ChaseStep.H1: timedelta(days=1),
    ChaseStep.H3: timedelta(days=3),
    ChaseStep.H6: timedelta(days=6),
}
BEFORE_DUE = timedelta(hours=12)
AGAIN_AFTER = timedelta(days=1)  # when every text was sent and the lead is still open (its payment is being checked)
_ORDER = list(ChaseStep)


@dataclass(frozen=True, slots=True)
class Chase:
    """A lead's window and what was done in it; a step that was sent before the window began counts no more."""

    start: datetime
    due_at: datetime
    chased_at: datetime | None = None
    chased_step: ChaseStep | None = None
    snoozed_until: datetime | None = None

    @property
    def is_begun(self) -> bool:
        return self.chased_at is not None and self.chased_at >= self.start

    @property
    def rest(self) -> list[ChaseStep]:
        """The texts after the furthest one that was sent."""
        steps = list(plan(self.start, self.due_at))
        if not self.is_begun or self.chased_step is None:
            return steps
        return [step for step in steps if _ORDER.index(step) > _ORDER.index(self.chased_step)]


def plan(start: datetime, due_at: datetime) -> Mapping[ChaseStep, datetime]:
    """Return the texts that a window has room for, each with its moment; the last one stands shortly before its end."""
    last = max(due_at - BEFORE_DUE, start)
    moments = {step: start + age for step, age in _AGES.items() if step is ChaseStep.H0 or start + age < last}
    return {**moments, ChaseStep.LAST: last}


def next_chase(chase: Chase) -> datetime:
    """Return when the buyer is to be chased next: what a person asked for, else the next text's moment."""
    since = max(chase.start, chase.chased_at or chase.start)
    if chase.snoozed_until is not None and chase.snoozed_until > since:
        return chase.snoozed_until
    if not chase.is_begun:
        return chase.start
    moments = plan(chase.start, chase.due_at)
    later = [moments[step] for step in chase.rest if moments[step] > since]
    return min(later, default=max(chase.due_at, since + AGAIN_AFTER))


def fitting_step(chase: Chase, now: datetime) -> ChaseStep:
    """Return the text to send now: the latest whose moment has come and that was not sent, else the next one."""
    moments, rest = plan(chase.start, chase.due_at), chase.rest
    reached = [step for step in rest if moments[step] <= now]
    return reached[-1] if reached else next(iter(rest), ChaseStep.LAST)
