"""How long the list of leads takes over a million of them on SQLite: `python bench/leads.py [--leads 1000000]`.

Prints one table and ends with 1 when a limit is broken. See bench/README.md.
"""

import argparse
import sys
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, only bench/ itself would be found

from dashboard import measure, shop  # noqa: E402

from models import db  # noqa: E402
from services import keyset, lead_queries, settings_service  # noqa: E402
from services.clock import utc_now  # noqa: E402
from services.lead_filters import LeadFilter, Sort, Tab  # noqa: E402

LEADS = 1_000_000
LIMIT_MS = 400.0
RATIO_LIMIT = 2.0
LISTS = {
    "all, newest first": LeadFilter(),
    "closing, newest first": LeadFilter(status=Tab.CLOSING),
    "all, oldest first": LeadFilter(sort=Sort.OLDEST),
    "all, highest total first": LeadFilter(sort=Sort.TOTAL),
    "not closing, highest total first": LeadFilter(status=Tab.NOT_CLOSING, sort=Sort.TOTAL),
    "follow up, next deadline first": LeadFilter(status=Tab.FOLLOW_UP, sort=Sort.DUE),
}
SEARCHES = {
    "of one CS": LeadFilter(cs="CS 3"),
    "of one CS, highest total first": LeadFilter(cs="CS 3", sort=Sort.TOTAL),
    "COD (none)": LeadFilter(payment="cod"),
    "a name that one has": LeadFilter(q="Budi 4711 "),
    "an order id": LeadFilter(q="order4711"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=LEADS)
    leads = parser.parse_args().leads
    with shop(leads) as client:
        with client.application.app_context():
            deep = {name: deep_cursor(wanted) for name, wanted in LISTS.items()}
        lists = {
            name: (measure(client, url(wanted)), measure(client, url(wanted, deep[name])))
            for name, wanted in LISTS.items()
        }
        print_lists(leads, lists)
        print("\nSearches, whose time grows with the leads")
        for name, wanted in SEARCHES.items():
            print(f"  {name:<34} {measure(client, url(wanted)):8.0f} ms")
        return int(any(max(pair) > LIMIT_MS or pair[1] > RATIO_LIMIT * pair[0] for pair in lists.values()))


def deep_cursor(wanted: LeadFilter) -> str:
    """Where a page begins that has nine tenths of the list before it."""
    now, zone = utc_now(), settings_service.zone()
    place = lead_queries.count(wanted, now, zone) * 9 // 10
    row = db.session.scalars(lead_queries.all_leads(wanted, now, zone).offset(place).limit(1)).one()
    return keyset.cursor_after(row, wanted.order)


def url(wanted: LeadFilter, cursor: str = "") -> str:
    args = wanted.args() | ({"cursor": cursor} if cursor else {})
    return f"/leads?{urlencode(args)}"


def print_lists(leads: int, lists: dict[str, tuple[float, float]]) -> None:
    print(f"The list over {leads:,} leads, SQLite; medians of pages; limit {LIMIT_MS:.0f} ms, ratio {RATIO_LIMIT}")
    print(f"  {'':<34} {'first page':>11} {'deep page':>11} {'ratio':>6}")
    for name, (first, deep) in lists.items():
        print(f"  {name:<34} {first:8.0f} ms {deep:8.0f} ms {deep / first:6.2f}")


if __name__ == "__main__":
    sys.exit(main())
