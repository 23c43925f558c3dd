"""Cursor paging: newest first, opaque cursors, 25 rows at most (facts/scalev.md section 2.2)."""

import base64
import binascii
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

Key = tuple[int, int]
MAX_PAGE_SIZE = 25


@dataclass(frozen=True)
class PageRequest:
    size: int = MAX_PAGE_SIZE
    after: Key | None = None
    before: Key | None = None


@dataclass(frozen=True)
class Page:
    keys: list[Key]
    size: int
    has_next: bool
    has_previous: bool

    @property
    def next_cursor(self) -> str | None:
        return encode_cursor(self.keys[-1]) if self.has_next and self.keys else None

    @property
    def previous_cursor(self) -> str | None:
        return encode_cursor(self.keys[0]) if self.has_previous and self.keys else None


def encode_cursor(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def decode_cursor(text: str) -> Key:
    """Raises ValueError for anything that `encode_cursor` did not make."""
    try:
        first, second = json.loads(base64.urlsafe_b64decode(text))
        return int(first), int(second)
    except (binascii.Error, ValueError, TypeError) as error:
        raise ValueError("invalid cursor") from error


def read_page_size(args: Mapping[str, str]) -> int:
    """A larger size is cut to 25; whether ScaleV cuts or refuses is unknown. Raises ValueError."""
    size = int(args.get("page_size") or MAX_PAGE_SIZE)
    if size < 1:
        raise ValueError("page_size must be positive")
    return min(size, MAX_PAGE_SIZE)


def read_page_request(args: Mapping[str, str]) -> PageRequest:
    """Raises ValueError for a bad size or cursor."""
    after, before = args.get("next_cursor"), args.get("previous_cursor")
    return PageRequest(
        read_page_size(args), decode_cursor(after) if after else None, decode_cursor(before) if before else None
    )


def cut_page(keys: Sequence[Key], wanted: PageRequest, accepts: Callable[[Key], bool] = lambda key: True) -> Page:
    """One page out of ascending `keys`, newest first, touching only the keys it walks over."""
    if wanted.before is not None:
        places = range(bisect_right(keys, wanted.before), len(keys))
    else:
        start = len(keys) if wanted.after is None else bisect_left(keys, wanted.after)
        places = range(start - 1, -1, -1)
    found = list(islice((keys[place] for place in places if accepts(keys[place])), wanted.size + 1))
    has_more, rows = len(found) > wanted.size, found[: wanted.size]
    if wanted.before is not None:
        return Page(rows[::-1], wanted.size, has_next=True, has_previous=has_more)
    return Page(rows, wanted.size, has_next=has_more, has_previous=wanted.after is not None)
