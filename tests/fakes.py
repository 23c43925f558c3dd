"""Stand-ins for the two vendors, written by hand: they remember what they hold, and tests look at that."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

from models import db
from services.errors import VendorError, VendorNotFound
from services.mailketing_service import AddResult, AnswerKind, Credits, MailketingList
from services.scalev_shapes import Page

OK = AddResult(AnswerKind.OK, "Subscriber added", 200, 12, raw='{"status":"success"}')
DUPLICATE = AddResult(AnswerKind.DUPLICATE, "Already in list", 200, 12)
NO_ANSWER = AddResult(AnswerKind.RETRY, "no answer in time", None, 10_000)
SERVER_ERROR = AddResult(AnswerKind.RETRY, "HTTP 500 without a readable answer", 500, 30)
BLACKLISTED = AddResult(AnswerKind.PERMANENT, "Blacklisted", 200, 12)
BAD_ADDRESS = AddResult(AnswerKind.PERMANENT, "Invalid email", 200, 12)
UNKNOWN_LIST = AddResult(AnswerKind.CONFIG, "List not found", 200, 12)
NO_CREDITS = AddResult(AnswerKind.HOLD, "No Credits, Please Top Up", 200, 12)
WRONG_TOKEN = AddResult(AnswerKind.HOLD, "User Not Found or Wrong API Token", 200, 12)
ODD_REFUSAL = AddResult(AnswerKind.UNKNOWN, "Maaf, coba lagi nanti", 200, 12)


def _assert_no_transaction() -> None:
    assert not db.session().in_transaction(), "a transaction is open while a vendor is called"


@dataclass
class FakeMailketing:
    """Answers "added" unless told otherwise; `lost` answers do the work and then seem to time out."""

    answers: deque[AddResult | Exception] = field(default_factory=deque)  # for the next calls, in this order
    always: AddResult | None = None  # for all calls without an answer of their own
    for_email: dict[str, AddResult | Exception] = field(default_factory=dict)
    lost: bool = False
    balance: int | None | VendorError = 1000
    members: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    names: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    credit_calls: int = 0

    def add_subscriber(
        self, list_id: str, email: str, *, first_name: str = "", last_name: str = "", mobile: str = ""
    ) -> AddResult:
        _assert_no_transaction()
        self.calls.append((list_id, email))
        answer = self._answer(email)
        if isinstance(answer, Exception):
            raise answer
        if answer.kind is AnswerKind.OK:
            self.members[list_id].append(email)
            self.names[email] = (first_name, last_name, mobile)
        return NO_ANSWER if self.lost else answer

    def credits(self) -> Credits:
        _assert_no_transaction()
        self.credit_calls += 1
        if isinstance(self.balance, VendorError):
            raise self.balance
        return Credits(self.balance, "owner@example.com")

    def lists(self) -> list[MailketingList]:
        _assert_no_transaction()
        return [MailketingList(list_id, f"List {list_id}") for list_id in sorted(self.members)]

    def doubles(self) -> list[tuple[str, str]]:
        """The (list, address) pairs that were added more than once."""
        pairs = [(list_id, email) for list_id, emails in self.members.items() for email in emails]
        return sorted({pair for pair in pairs if pairs.count(pair) > 1})

    def _answer(self, email: str) -> AddResult | Exception:
        if email in self.for_email:
            return self.for_email[email]
        return self.answers.popleft() if self.answers else self.always or OK


@dataclass
class FakeScalev:
    """Knows the orders that it is given; `errors` are raised for single orders, `error` for every one."""

    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    error: Exception | None = None
    key_error: Exception | None = None
    asked: list[str] = field(default_factory=list)
    key_checks: int = 0

    def get_order(self, order: str) -> dict[str, Any]:
        _assert_no_transaction()
        self.asked.append(order)
        error = self.errors.get(order, self.error)
        if error is not None:
            raise error
        if order not in self.orders:
            raise VendorNotFound("ScaleV", "there is no such order", status=404)
        return self.orders[order]

    def list_orders(self, **_filters: object) -> Page:
        """No order that a webhook has not told already."""
        _assert_no_transaction()
        if self.error is not None:
            raise self.error
        return Page([], None)

    def check_key(self) -> None:
        _assert_no_transaction()
        self.key_checks += 1
        if self.key_error is not None:
            raise self.key_error
