"""About sixty believable orders of the last thirty days, and their webhooks in the order of life."""

import random
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox import shop
from sandbox.clock import WIB
from sandbox.state import Sandbox
from sandbox.webhooks import Event


@dataclass(frozen=True)
class Life:
    """A kind of order: how many, how old (days), what it has of its own, and its steps in hours after creation."""

    count: int
    ages: tuple[float, float]
    steps: tuple[tuple[float, str], ...] = ()
    method: str | None = "bank_transfer"
    own: dict[str, Any] = field(default_factory=dict)


_HANDLED = ((30.0, "process"), (54.0, "ship"), (130.0, "complete"))
LIVES = (
    Life(7, (1, 29), ((5.0, "pay"), (8.0, "confirm"), *_HANDLED)),
    Life(4, (3, 28), ((0.3, "pay"), (6.0, "confirm"), *_HANDLED, (58.0, "settle")), method="qris"),
    Life(3, (4, 25), ((1.2, "pay"), (50.0, "settle")), method="va_bca", own={"goods": "Kelas Online Jahit"}),
    Life(3, (2, 20), ((0.2, "pay"),), method="gopay", own={"goods": "E-book Resep Madu"}),
    # Unpaid, young: to be followed up.
    Life(7, (0.1, 6.3)),
    Life(2, (0.2, 5), method="va_mandiri"),
    # Unpaid for longer than the seven days.
    Life(7, (7.3, 20)),
    Life(2, (8, 15), method="qris"),
    # Cash on delivery, in each of its states.
    Life(1, (1, 2), method="cod"),
    Life(1, (2, 4), ((4.0, "confirm"),), method="cod"),
    Life(2, (8, 11), ((4.0, "confirm"), (30.0, "process"), (54.0, "ship")), method="cod"),
    Life(2, (12, 20), ((4.0, "confirm"), *_HANDLED), method="cod"),
    Life(1, (14, 18), ((4.0, "confirm"), (54.0, "ship"), (200.0, "rts")), method="cod"),
    Life(2, (2, 10), ((6.0, "conflict"),)),
    Life(3, (3, 18), ((40.0, "cancel"),)),
    Life(1, (5, 6), ((20.0, "cancel"), (30.0, "delete"))),
    Life(2, (1, 9), own={"is_spam": True, "name": "asdasd", "email": "asd@asd.asd", "phone": "620"}),
    Life(1, (4, 5), ((20.0, "unspam"),), own={"is_spam": True}),
    Life(2, (2, 9), own={"email": None}),
    Life(1, (1, 3), own={"email": "budi.santoso@gmial.com", "name": "Budi Santoso"}),
    Life(1, (3, 6), own={"is_free": True, "goods": "E-book Resep Madu"}),
    # Paid when it was already given up.
    Life(2, (11, 16), ((228.0, "pay"),)),
    # Taken for paid by mistake, and put back.
    Life(1, (3, 4), ((5.0, "pay"), (9.0, "unpay"))),
    Life(1, (1, 3), method=None),
)
NEW_PRODUCT_LIFE = Life(3, (1, 10))
BUNDLE_LIFE = Life(2, (2, 12), ((7.0, "pay"),))
_FIRST_NAMES = (
    "Siti",
    "Agus",
    "Dewi",
    "Budi",
    "Rina",
    "Joko",
    "Wulan",
    "Hendra",
    "Putri",
    "Ahmad",
    "Nur",
    "Rizky",
    "Ratna",
    "Fajar",
    "Indah",
    "Yusuf",
    "Maya",
    "Bayu",
    "Lina",
    "Eko",
)
_LAST_NAMES = (
    "Rahmawati",
    "Salim",
    "Lestari",
    "Santoso",
    "Anggraini",
    "Prasetyo",
    "Hidayah",
    "Kurniawan",
    "Maharani",
    "Fauzi",
)
_DOMAINS = ("example.com", "example.org", "example.net")
_GOODS = (
    "Madu Hutan 500 ml",
    "Madu Hutan 500 ml",
    "Madu Hutan 250 ml",
    "Madu Hutan 1 liter",
    "Propolis 30 ml",
    "Madu Klanceng 250 ml",
    "Kopi Gayo 200 g Bubuk",
    "Gamis Aisyah L",
    "Gamis Aisyah M",
    "Hijab Segi Empat Hitam",
)


@dataclass(frozen=True)
class Moment:
    """One step of one order's life; no action means that the order is made."""

    at: datetime
    wish: shop.OrderWish
    action: str | None = None

    @property
    def order_id(self) -> str:
        return self.wish.order_id or ""


def seed_demo(sandbox: Sandbox, now: datetime, seed: int, emit: bool) -> dict[str, Any]:
    """Live through every demo order; the same seed and day make the same orders, and known ones are left alone."""
    moments = sorted(plan_moments(sandbox, now, seed), key=lambda moment: moment.at)
    with sandbox.lock:
        known = {moment.order_id for moment in moments if moment.order_id in sandbox.orders}
    events: list[Event] = []
    fresh = [moment for moment in moments if moment.order_id not in known]
    for moment in fresh:
        events += _live(sandbox, moment, emit)
    shop.send_events(sandbox, events)
    created = sum(moment.action is None for moment in fresh)
    return {"orders": created, "events": len(events), "accepted": sum(event.is_accepted for event in events)}


def plan_moments(sandbox: Sandbox, now: datetime, seed: int) -> Iterator[Moment]:
    """Every step up to now of every order, in no particular order."""
    chance = random.Random(seed)  # noqa: S311 - sample data
    new_name = sandbox.catalogue.new_product.variants[0].fullname
    bundle_name = next(iter(sandbox.catalogue.bundles.values())).name
    plans = [*((life, None) for life in LIVES), (NEW_PRODUCT_LIFE, new_name), (BUNDLE_LIFE, bundle_name)]
    for life, goods in plans:
        for _ in range(life.count):
            wish = _make_wish(chance, life, goods, now)
            yield Moment(wish.created_at, wish)
            for hours, action in life.steps:
                at = wish.created_at + timedelta(hours=hours)
                if at < now:
                    yield Moment(at, wish, action)


def _live(sandbox: Sandbox, moment: Moment, emit: bool) -> list[Event]:
    if moment.action is None:
        return shop.create_order(sandbox, moment.wish, emit)[1]
    at = moment.at.replace(microsecond=0)
    return shop.act(sandbox, moment.order_id, moment.action, at, emit=emit)[1]


def _make_wish(chance: random.Random, life: Life, goods: str | None, now: datetime) -> shop.OrderWish:
    created_at = now - timedelta(days=chance.uniform(*life.ages))
    name = f"{chance.choice(_FIRST_NAMES)} {chance.choice(_LAST_NAMES)}"
    letters = "".join(chance.choice(string.ascii_uppercase) for _ in range(6))
    values = {
        "name": name,
        "email": _make_email(chance, name),
        "phone": _make_phone(chance),
        "goods": goods or chance.choice(_GOODS),
        "quantity": chance.choice((1, 1, 1, 2, 3)),
        "method": life.method,
        # One order in ten came without CS rotation, so it has no handler.
        "handler": None if chance.random() < 0.1 else shop.HANDLER_BY_ROTATION,
        "order_id": created_at.astimezone(WIB).strftime("%y%m%d") + letters,
    }
    return shop.OrderWish(created_at=created_at, **(values | life.own))


def _make_email(chance: random.Random, name: str) -> str:
    plain = name.lower().replace(" ", ".")
    return f"{plain}{chance.randint(1, 99)}@{chance.choice(_DOMAINS)}"


def _make_phone(chance: random.Random) -> str:
    """The same kind of number in the spellings that buyers use (facts/scalev.md section 5.23)."""
    digits = f"8{chance.choice(('12', '13', '57', '78', '95'))}{chance.randint(10_000_000, 99_999_999)}"
    return chance.choice((f"62{digits}", f"0{digits}", digits, f"+62 {digits[:3]}-{digits[3:7]}-{digits[7:]}"))
