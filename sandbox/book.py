"""All orders, found by any of their ids or by age, without copying them."""

from bisect import bisect_left, insort
from itertools import islice

from sandbox.orders import Order
from sandbox.pager import Key

FIRST_LEGACY_ID = 500_001


class OrderBook:
    """Callers hold the sandbox's lock."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._by_key: dict[Key, Order] = {}
        self._by_id: dict[str, Order] = {}
        self._next_legacy_id = FIRST_LEGACY_ID

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, order_id: str) -> bool:
        return order_id in self._by_id

    def take_legacy_id(self) -> int:
        """A fresh integer id; also the order's place among those of the same second."""
        self._next_legacy_id += 1
        return self._next_legacy_id - 1

    def add(self, order: Order) -> None:
        insort(self.keys, order.key)
        self._by_key[order.key] = order
        for name in (order.uuid, str(order.legacy_id), order.order_id):
            self._by_id[name] = order

    def remove(self, order: Order) -> None:
        """Take a deleted order out; ScaleV then answers 404 for it."""
        del self.keys[bisect_left(self.keys, order.key)]
        del self._by_key[order.key]
        for name in (order.uuid, str(order.legacy_id), order.order_id):
            del self._by_id[name]

    def find(self, name: str) -> Order | None:
        """By UUID, legacy integer or human order_id (facts/scalev.md section 2.8)."""
        return self._by_id.get(name)

    def at(self, key: Key) -> Order:
        return self._by_key[key]

    def last_added(self, count: int) -> list[Order]:
        """Return those that were made here last, whatever date they bear."""
        return list(islice(reversed(self._by_key.values()), count))
