"""One run of the outbox: its pace, what became of its deliveries, and whether it has to stop."""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from services.mailketing_service import AddResult, AnswerKind

SLOW_PACE = Decimal("0.1")  # calls a second for the rest of a run in which Mailketing said "too many"
GIVE_UP_AFTER = 5  # tries in a row without any answer end the run: the other rows keep their tries


class Pace:
    """Spaces calls evenly, over all threads that share it."""

    def __init__(self, per_second: Decimal, sleep: Callable[[float], None] = time.sleep) -> None:
        self._interval = float(1 / per_second)
        self._next = 0.0
        self._lock = threading.Lock()
        self._sleep = sleep

    def wait(self) -> None:
        with self._lock:
            start = max(time.monotonic(), self._next)
            self._next = start + self._interval
        self._sleep(max(0.0, start - time.monotonic()))

    def slow_down(self) -> None:
        self._interval = max(self._interval, float(1 / SLOW_PACE))


class Run:
    """One run of the outbox: what became of its deliveries, and whether it has to stop. Shared by its threads."""

    def __init__(self, cutoff: datetime, pace: Pace, *, keep_going: Callable[[], bool] = lambda: True) -> None:
        self.cutoff = cutoff
        self.pace = pace
        self._keep_going = keep_going  # asked before each delivery, because the process may have to end
        self.problem: str | None = None
        self._counts = dict.fromkeys(("sent", "skipped", "retry", "failed"), 0)
        self._silent_in_a_row = 0
        self._last_message: str | None = None  # what became of the last try
        self._was_answered = False
        self._lock = threading.Lock()

    def goes_on(self) -> bool:
        return self.problem is None and self._keep_going()

    def may_wait(self) -> bool:
        """Whether the process need not end yet."""
        return self._keep_going()

    def count(self, outcome: str) -> None:
        with self._lock:
            self._counts[outcome] += 1

    def note(self, result: AddResult) -> None:
        """Watch the answers: too many silent ones, or an account that is refused, end the run."""
        with self._lock:
            silent = result.kind is AnswerKind.RETRY and result.status is None
            self._silent_in_a_row = self._silent_in_a_row + 1 if silent else 0
            self._was_answered = self._was_answered or result.kind is not AnswerKind.RETRY
            self._last_message = result.message
            if self._silent_in_a_row >= GIVE_UP_AFTER:
                self.problem = f"Mailketing does not answer: {result.message}"
            if result.kind is AnswerKind.HOLD:
                self.problem = f"Mailketing refuses the account: {result.message}"
        if result.status == 429:
            self.pace.slow_down()

    def summary(self) -> str:
        return ", ".join(f"{number} {outcome}" for outcome, number in self._counts.items())

    def trouble(self) -> str | None:
        """Why the run was stopped, or why not one of its tries was answered."""
        if self.problem or self._was_answered or self._last_message is None:
            return self.problem
        return f"Mailketing does not answer: {self._last_message}"
