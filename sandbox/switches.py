"""Failure switches: how a vendor misbehaves, for how many calls, where, and for whom."""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any

_COMMON = frozenset(
    {
        "refuse",
        "wrong_token",
        "html",
        "redirect",
        "rate_limit",
        "server_error",
        "slow",
        "drop",
        "drop_after",
    }
)
MODES = {
    "scalev": _COMMON | {"forbidden"},
    "mailketing": _COMMON | {"failed", "no_credits", "already_exists"},
}


@dataclass
class Switch:
    """`endpoint` is a piece of the path (`orders`, `addsubtolist`) or a ScaleV scope (`order:read`).

    `times` counts down; None means until it is taken off. `seconds` is for `slow`, `reason` for `failed`,
    `retry_after` (seconds, None = no such header) for `rate_limit`.
    """

    id: int
    vendor: str
    mode: str
    times: int | None = None
    endpoint: str | None = None
    email: str | None = None
    seconds: float = 3.0
    reason: str = "Something Went Wrong"
    retry_after: int | None = 5
    hits: int = 0

    def describe(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Call:
    """What a switch may look at."""

    vendor: str
    path: str
    scope: str | None
    email: str | None


class Switchboard:
    """The switches that are on. Callers hold the sandbox's lock."""

    def __init__(self) -> None:
        self._switches: list[Switch] = []
        self._ids = itertools.count(1)

    def __iter__(self) -> Iterator[Switch]:
        return iter(self._switches)

    def add(self, fields: dict[str, Any]) -> Switch:
        """Turn a switch on. Raises ValueError for an unknown vendor, mode or field, or a value of the wrong kind."""
        vendor, mode = fields.get("vendor"), fields.get("mode")
        if vendor not in MODES:
            raise ValueError(f"vendor must be one of {sorted(MODES)}")
        if mode not in MODES[vendor]:
            raise ValueError(f"mode for {vendor} must be one of {sorted(MODES[vendor])}")
        switch = Switch(id=next(self._ids), **_read_options(fields))
        self._switches.append(switch)
        return switch

    def clear(self, vendor: str | None = None, switch_id: int | None = None) -> int:
        """Turn off one switch, one vendor's, or all; answers how many."""
        before = len(self._switches)
        self._switches = [
            switch
            for switch in self._switches
            if (vendor and switch.vendor != vendor) or (switch_id and switch.id != switch_id)
        ]
        return before - len(self._switches)

    def take(self, call: Call, modes: Collection[str]) -> Switch | None:
        """The oldest switch of these modes that concerns the call; uses up one of its times."""
        for switch in self._switches:
            if switch.mode in modes and _concerns(switch, call):
                self._use(switch)
                return switch
        return None

    def _use(self, switch: Switch) -> None:
        switch.hits += 1
        if switch.times is None:
            return
        switch.times -= 1
        if switch.times <= 0:
            self._switches.remove(switch)


def _concerns(switch: Switch, call: Call) -> bool:
    if switch.vendor != call.vendor:
        return False
    if switch.email and switch.email.lower() != (call.email or "").lower():
        return False
    return not switch.endpoint or switch.endpoint in call.path or switch.endpoint == call.scope


_READERS = {
    "vendor": str,
    "mode": str,
    "times": int,
    "endpoint": str,
    "email": str,
    "seconds": float,
    "reason": str,
    "retry_after": int,
}


def _read_options(fields: dict[str, Any]) -> dict[str, Any]:
    unknown = set(fields) - set(_READERS)
    if unknown:
        raise ValueError(f"unknown fields: {sorted(unknown)}")
    # A null means "not limited" for every field that may be null, and is left to the default for the rest.
    nullable = {"times", "endpoint", "email", "retry_after"}
    options = {name: _READERS[name](value) for name, value in fields.items() if value not in (None, "")}
    return {name: None for name in nullable & set(fields) if fields[name] in (None, "")} | options
