"""The lists of what the vendors' accounts hold: refreshed from the sandbox, kept when a vendor fails, read by pages."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest
from flask import Flask
from sqlalchemy import select

from models import Heartbeat, OrderLine, Settings, db, transaction
from models_catalogue import CatalogueProduct, CatalogueVariant
from sandbox.app import serve_in_thread
from sandbox.catalogue import build_catalogue
from sandbox.state import Sandbox
from services import catalogue_service, jobs, settings_service
from services.catalogue_service import JOB, Age, Label, Part, Refresh
from services.errors import (
    VendorAuthError,
    VendorError,
    VendorForbidden,
    VendorNotFound,
    VendorRateLimited,
    VendorUnreachable,
)
from services.http_session import HttpSession
from services.mailketing_service import MailketingClient
from services.scalev_service import V2, V3, ScalevClient
from services.scalev_shapes import Product, SalesPerson, Store, Variant
from tests.builders import NOW, make_lead

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]

MADU_500 = "variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E"
HOUR = timedelta(hours=1)
SCALEV_PARTS = catalogue_service.SCALEV_PARTS


class Vendors:
    """Both vendors as the sandbox plays them, and clients of theirs that don't sleep.

    A busy machine may take its time to answer; only a vendor that is switched to slow is not waited for.
    """

    def __init__(self, sandbox: Sandbox, url: str) -> None:
        self.sandbox, self.url = sandbox, url
        self.read_seconds = {"scalev": 20.0, "mailketing": 20.0}

    def mailketing(self) -> MailketingClient:
        session = HttpSession("1", read_seconds=self.read_seconds["mailketing"])
        token = self.sandbox.settings.mailketing_token
        return MailketingClient(f"{self.url}/mailketing/api/v1", token, session=session)

    def scalev(self, version: str = V3) -> ScalevClient:
        ticks = count(0, 10.0)
        return ScalevClient(
            f"{self.url}/scalev",
            self.sandbox.settings.scalev_key,
            version=version,
            session=HttpSession("1", read_seconds=self.read_seconds["scalev"]),
            sleep=lambda seconds: None,
            clock=lambda: next(ticks),
        )

    def refresh(self, now: datetime = NOW, version: str = V3) -> Refresh:
        return catalogue_service.refresh(self.scalev(version), self.mailketing(), now)

    def switch(self, mode: str, vendor: str = "scalev", **fields: object) -> None:
        if mode == "slow":
            self.read_seconds[vendor] = 0.3
        with self.sandbox.lock:
            self.sandbox.switchboard.add({"vendor": vendor, "mode": mode, **fields})


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    sandbox = Sandbox()
    with serve_in_thread(sandbox) as url:
        yield Vendors(sandbox, url)


class FakeScalev:
    """One store, and whatever products a test puts into it."""

    def __init__(self, *products: Product, listed_by_store: bool = True) -> None:
        self.all_products = list(products)
        self.listed_by_store = listed_by_store
        self.error: VendorError | None = None

    def stores(self) -> Iterator[Store]:
        yield Store("501", "store_x", "Toko")

    def products(self) -> Iterator[Product]:
        assert not db.session().in_transaction()
        if self.error:
            raise self.error
        for product in self.all_products:
            yield replace(product, variants=tuple(replace(row, sku=None, price=None) for row in product.variants))

    def store_products(self, store_id: str) -> Iterator[Product]:
        assert not db.session().in_transaction()
        if not self.listed_by_store:
            raise VendorNotFound("ScaleV", "no such call", status=404)
        yield from self.all_products

    def sales_people(self, store_id: str) -> Iterator[SalesPerson]:
        yield SalesPerson("9001", "Rina", None)


def product(product_id: str, *variants: Variant, uuid: str | None = None) -> Product:
    return Product(product_id, uuid, f"Produk {product_id}", variants)


def variant(variant_id: str, unique_id: str | None = None, sku: str = "") -> Variant:
    return Variant(variant_id, unique_id or f"variant_{variant_id}", sku, f"Varian {variant_id}", None)


def refresh(scalev: FakeScalev, now: datetime = NOW) -> Refresh:
    return catalogue_service.refresh(scalev, None, now)


def stored_variant(variant_id: str) -> CatalogueVariant:
    return db.session.get_one(CatalogueVariant, variant_id)


# --- Refreshing ---


def test_everything_is_listed_with_both_ids_and_skus(vendors: Vendors) -> None:
    report = vendors.refresh()
    assert report.problem is None
    assert report.summary() == "2 stores, 9 products, 3 sales-people, 5 lists"
    madu = stored_variant("20010")
    assert (madu.unique_id, madu.sku, madu.name, madu.price) == (MADU_500, "MH500", "Madu Hutan 500 ml", 125000)
    assert (madu.product.name, madu.seen_at, madu.missing_since) == ("Madu Hutan", NOW, None)
    assert stored_variant("20020").sku is stored_variant("20030").sku is None
    assert {row.unique_id for row in catalogue_service.stores()} == {
        row.unique_id for row in vendors.sandbox.catalogue.stores.values()
    }


def test_lists_of_more_than_two_pages_are_listed_whole(vendors: Vendors) -> None:
    vendors.sandbox.reset(big=True)
    report = vendors.refresh()
    assert (report.counts, report.problem) == (
        {Part.STORES: 62, Part.PRODUCTS: 69, Part.SALES_PEOPLE: 63, Part.LISTS: 5},
        None,
    )
    assert len(catalogue_service.products()) == 69
    assert all(row.price for listed in catalogue_service.products() for row in listed.variants)


def test_a_second_refresh_changes_nothing_but_the_age(vendors: Vendors) -> None:
    vendors.refresh()
    before = {row.scalev_id: (row.unique_id, row.sku, row.name) for row in db.session.scalars(select(CatalogueVariant))}
    vendors.refresh(NOW + HOUR)
    rows = list(db.session.scalars(select(CatalogueVariant)))
    assert {row.scalev_id: (row.unique_id, row.sku, row.name) for row in rows} == before
    assert {(row.seen_at, row.missing_since) for row in rows} == {(NOW + HOUR, None)}


def test_what_is_no_longer_listed_stays_and_is_marked_until_it_comes_back(vendors: Vendors) -> None:
    vendors.sandbox.reset(big=True)
    vendors.refresh()
    vendors.sandbox.set_lists({41201: "Follow Up Madu"})
    vendors.sandbox.catalogue = build_catalogue()
    for hours in (1, 2):
        vendors.refresh(NOW + hours * HOUR)
    gone = [row for row in catalogue_service.products() if row.missing_since]
    assert (len(gone), {row.missing_since for row in gone}) == (60, {NOW + HOUR})
    assert {row.missing_since for listed in gone for row in listed.variants} == {NOW + HOUR}
    assert {row.seen_at for row in gone} == {NOW}
    assert [row.missing_since for row in catalogue_service.mailketing_lists()] == [None] + [NOW + HOUR] * 4
    assert [row.missing_since for row in catalogue_service.stores()] == [None] * 2 + [NOW + HOUR] * 60
    assert sum(row.missing_since is not None for row in catalogue_service.sales_people()) == 60
    vendors.sandbox.catalogue = build_catalogue(big=True)
    vendors.refresh(NOW + 3 * HOUR)
    assert {(row.missing_since, row.seen_at) for row in catalogue_service.products()} == {(None, NOW + 3 * HOUR)}


def test_new_names_skus_and_products_of_a_variant_are_taken_over() -> None:
    refresh(FakeScalev(product("1", variant("10", sku="OLD")), product("2")))
    renamed = replace(variant("10", sku="NEW"), name="Baru")
    refresh(FakeScalev(product("1"), replace(product("2", renamed), name="Produk Baru")))
    row = stored_variant("10")
    assert (row.sku, row.name, row.product_id, row.product.name) == ("NEW", "Baru", "2", "Produk Baru")


def test_a_sku_that_was_taken_away_is_forgotten_and_one_that_is_not_told_is_kept() -> None:
    refresh(FakeScalev(product("1", variant("10", sku="A"), variant("11", sku="B"))))
    refresh(FakeScalev(product("1", variant("10", sku="A"), variant("11", sku="B")), listed_by_store=False))
    assert [stored_variant(key).sku for key in ("10", "11")] == ["A", "B"]
    refresh(FakeScalev(product("1", variant("10", sku="A"), variant("11", sku=""))))
    assert [stored_variant(key).sku for key in ("10", "11")] == ["A", None]


def test_a_unique_id_may_move_to_another_variant() -> None:
    refresh(FakeScalev(product("1", variant("10", "u-a"), variant("11", "u-b"), variant("12", "u-c"))))
    refresh(FakeScalev(product("1", variant("10", "u-b"), variant("11", "u-a"), variant("13", "u-c"))))
    assert [stored_variant(key).unique_id for key in ("10", "11", "12", "13")] == ["u-b", "u-a", None, "u-c"]


def test_of_two_variants_with_one_unique_id_the_first_has_it() -> None:
    assert refresh(FakeScalev(product("1", variant("10", "u-a"), variant("11", "u-a")))).problem is None
    assert [stored_variant(key).unique_id for key in ("10", "11")] == ["u-a", None]


def test_v2_lists_stores_and_products_and_says_what_it_can_not(vendors: Vendors) -> None:
    report = vendors.refresh(version=V2)
    assert report.counts == {Part.STORES: 2, Part.PRODUCTS: 9, Part.LISTS: 5}
    assert isinstance(report.errors[Part.SALES_PEOPLE], VendorNotFound)
    assert stored_variant("20010").unique_id == MADU_500
    vendors.refresh(NOW + HOUR)
    vendors.refresh(NOW + 2 * HOUR, version=V2)
    assert (stored_variant("20010").sku, len(catalogue_service.sales_people())) == ("MH500", 3)


def test_without_keys_nothing_is_listed_and_nothing_is_wrong() -> None:
    report = catalogue_service.refresh(None, None, NOW)
    assert (report.summary(), report.problem) == ("no keys are saved", None)
    assert catalogue_service.age(Part.STORES) == Age()


# --- Failures ---


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("forbidden", VendorForbidden),
        ("wrong_token", VendorAuthError),
        ("html", VendorUnreachable),
        ("redirect", VendorUnreachable),
        ("rate_limit", VendorRateLimited),
        ("server_error", VendorUnreachable),
        ("slow", VendorUnreachable),
        ("drop", VendorUnreachable),
    ],
)
def test_when_scalev_fails_its_lists_stay_and_the_error_stands_beside_them(
    vendors: Vendors, mode: str, error: type[VendorError]
) -> None:
    vendors.refresh()
    vendors.switch(mode, seconds=1)
    report = vendors.refresh(NOW + HOUR)
    assert {part: type(found) for part, found in report.errors.items()} == dict.fromkeys(SCALEV_PARTS, error)
    assert report.counts == {Part.LISTS: 5}
    assert {row.missing_since for row in catalogue_service.products()} == {None}
    assert len(catalogue_service.sales_people()) == 3
    for part in SCALEV_PARTS:
        assert catalogue_service.age(part) == Age(NOW, NOW + HOUR, str(report.errors[part]))
    assert catalogue_service.age(Part.LISTS) == Age(NOW + HOUR, NOW + HOUR, None)


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ("wrong_token", VendorAuthError),
        ("html", VendorUnreachable),
        ("redirect", VendorUnreachable),
        ("rate_limit", VendorRateLimited),
        ("server_error", VendorUnreachable),
        ("slow", VendorUnreachable),
        ("drop", VendorUnreachable),
    ],
)
def test_when_mailketing_fails_its_lists_stay_and_scalevs_are_refreshed(
    vendors: Vendors, mode: str, error: type[VendorError]
) -> None:
    vendors.refresh()
    vendors.switch(mode, "mailketing", seconds=1)
    report = vendors.refresh(NOW + HOUR)
    assert [type(found) for found in report.errors.values()] == [error]
    assert [row.missing_since for row in catalogue_service.mailketing_lists()] == [None] * 5
    assert catalogue_service.age(Part.LISTS) == Age(NOW, NOW + HOUR, report.problem)
    assert catalogue_service.age(Part.PRODUCTS) == Age(NOW + HOUR, NOW + HOUR, None)


@pytest.mark.parametrize(
    ("scope", "failed"),
    [("product:list", [Part.PRODUCTS]), ("store:read", [Part.STORES, Part.SALES_PEOPLE]), ("order:list", [])],
)
def test_a_missing_scope_fails_its_own_part_and_names_itself(vendors: Vendors, scope: str, failed: list[Part]) -> None:
    vendors.refresh()
    vendors.switch("forbidden", endpoint=scope)
    report = vendors.refresh(NOW + HOUR)
    assert list(report.errors) == failed
    for part in failed:
        assert scope in str(catalogue_service.age(part).problem)


def test_a_failure_on_the_last_page_leaves_the_whole_part_as_it_was(vendors: Vendors) -> None:
    vendors.refresh()
    vendors.sandbox.reset(big=True)
    vendors.switch("server_error", endpoint="stores/660/products")
    report = vendors.refresh(NOW + HOUR)
    assert list(report.errors) == [Part.PRODUCTS]
    assert len(catalogue_service.products()) == 9
    assert {row.seen_at for row in catalogue_service.products()} == {NOW}


def test_an_error_is_gone_after_the_next_good_refresh(vendors: Vendors) -> None:
    vendors.switch("server_error", times=1)
    assert vendors.refresh().problem is not None
    assert vendors.refresh(NOW + HOUR).problem is None
    assert catalogue_service.age(Part.STORES) == Age(NOW + HOUR, NOW + HOUR, None)


def test_one_wrong_key_is_one_problem_in_the_report(vendors: Vendors) -> None:
    vendors.switch("wrong_token")
    report = vendors.refresh()
    assert report.summary() == "5 lists, stores failed, products failed, sales-people failed"
    assert report.problem == "ScaleV: the API key was refused: API key has expired"


# --- When it is due ---


def due(now: datetime, parts: tuple[Part, ...] = SCALEV_PARTS) -> bool:
    return catalogue_service.is_due(parts, now)


def ran(now: datetime = NOW, scalev: FakeScalev | None = None) -> None:
    """A refresh by the job, as it is recorded."""
    refresh(scalev or FakeScalev(product("1", variant("10"))), now)
    with transaction() as session:
        session.merge(Heartbeat(name=JOB, started_at=now, finished_at=now))


def lead_with(now: datetime, **marks: str) -> None:
    lead = make_lead(created_at=now)
    with transaction() as session:
        session.add(OrderLine(lead_id=lead.id, **marks))


def test_a_refresh_is_due_at_first_and_then_every_six_hours() -> None:
    assert due(NOW)
    ran()
    assert not due(NOW + 6 * HOUR - timedelta(seconds=1))
    assert due(NOW + 6 * HOUR)


def test_without_keys_none_is_ever_due() -> None:
    assert not due(NOW, ())


def test_a_part_whose_key_is_new_is_due() -> None:
    ran()
    assert due(NOW + timedelta(minutes=2), (*SCALEV_PARTS, Part.LISTS))


def test_a_part_that_failed_is_tried_again_in_an_hour() -> None:
    scalev = FakeScalev()
    scalev.error = VendorUnreachable("ScaleV", "no answer in time")
    ran(scalev=scalev)
    assert not due(NOW + HOUR - timedelta(seconds=1))
    assert due(NOW + HOUR)


def test_a_person_who_asks_gets_a_refresh_within_a_minute() -> None:
    ran()
    catalogue_service.ask_for_refresh(NOW + timedelta(seconds=5))
    assert not due(NOW + timedelta(seconds=59))
    assert due(NOW + timedelta(seconds=60))
    ran(NOW + timedelta(seconds=60))
    assert not due(NOW + timedelta(hours=1))


@pytest.mark.parametrize("name", ["scalev_api_key", "scalev_api_version", "mailketing_api_key"])
def test_a_new_key_is_followed_by_a_refresh(name: str) -> None:
    ran()
    with transaction() as session:
        session.merge(Settings(name=name, value="x", updated_at=NOW + timedelta(seconds=5)))
    assert due(NOW + timedelta(minutes=1))
    ran(NOW + timedelta(minutes=1))
    assert not due(NOW + timedelta(minutes=30))


@pytest.mark.parametrize("mark", ["variant_unique_id", "variant_id"])
def test_an_order_with_an_unknown_variant_is_followed_by_a_refresh_at_most_every_ten_minutes(mark: str) -> None:
    ran()
    lead_with(NOW + timedelta(minutes=1), **{mark: "unheard-of"})
    assert not due(NOW + timedelta(minutes=9))
    assert due(NOW + timedelta(minutes=10))


def test_a_variant_that_stays_unknown_is_not_asked_for_again() -> None:
    ran()
    lead_with(NOW + timedelta(minutes=1), variant_unique_id="of another business")
    ran(NOW + timedelta(minutes=10))
    lead_with(NOW + timedelta(minutes=11), variant_unique_id="of another business")
    assert not due(NOW + timedelta(minutes=30))


def test_orders_with_known_variants_or_none_ask_for_nothing() -> None:
    ran()
    lead_with(NOW + timedelta(minutes=1), variant_unique_id="variant_10")
    lead_with(NOW + timedelta(minutes=1), variant_id="10")
    lead_with(NOW + timedelta(minutes=1), sku="SKU", product_name="Madu")
    assert not due(NOW + HOUR)


def test_unknown_variants_do_not_refresh_mailketings_lists_alone(vendors: Vendors) -> None:
    catalogue_service.refresh(None, vendors.mailketing(), NOW)
    lead_with(NOW + timedelta(minutes=1), variant_unique_id="unheard-of")
    assert not due(NOW + HOUR, (Part.LISTS,))


def test_the_job_lists_with_the_saved_keys_and_leaves_a_sign_of_life(
    app: Flask, vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {"scalev_api_url": f"{vendors.url}/scalev", "mailketing_api_url": f"{vendors.url}/mailketing/api/v1"}
    monkeypatch.setitem(app.extensions, "config", replace(app.extensions["config"], **urls))
    assert not jobs.catalogue_is_due(NOW)
    assert jobs.run(JOB).summary == "refresh-catalogue: no keys are saved"
    keys = {"scalev_api_key": "sk_sandbox", "mailketing_api_key": vendors.sandbox.settings.mailketing_token}
    settings_service.change({**keys, "scalev_api_version": "v2"}, NOW)
    report = jobs.run(JOB)
    assert report.summary == "refresh-catalogue: 2 stores, 9 products, 5 lists, sales-people failed"
    assert str(report.problem).startswith("ScaleV: GET /v2/stores/501/sales-people")
    settings_service.change({"scalev_api_version": "v3"}, NOW)
    assert jobs.run(JOB).problem is None
    assert (
        db.session.get_one(Heartbeat, JOB).summary == "refresh-catalogue: 2 stores, 9 products, 3 sales-people, 5 lists"
    )


# --- Reading ---


def test_pages_read_names_in_order_with_what_is_missing_last() -> None:
    first = [product("1", variant("11"), variant("10")), product("2"), product("3")]
    refresh(FakeScalev(*first))
    refresh(FakeScalev(*first[1:]), NOW + HOUR)
    assert [row.scalev_id for row in catalogue_service.products()] == ["2", "3", "1"]
    assert [row.scalev_id for row in catalogue_service.products()[2].variants] == ["10", "11"]
    assert [row.name for row in catalogue_service.sales_people()] == ["Rina"]


def test_the_variants_of_a_product_are_found_by_its_id_or_uuid() -> None:
    refresh(FakeScalev(product("1", variant("10"), uuid="u-1")))
    assert [row.scalev_id for row in catalogue_service.variants_of("1")] == ["10"]
    assert [row.scalev_id for row in catalogue_service.variants_of("u-1")] == ["10"]
    assert catalogue_service.variants_of("2") == []


@pytest.mark.parametrize(
    ("product_id", "text"),
    [
        ("1", "Produk 1"),
        ("u-1", "Produk 1"),
        ("variant_10", "Varian 10"),
        ("10", "Varian 10"),
        ("SKU10", "Varian 10"),
        ("unheard-of", None),
    ],
)
def test_a_label_says_what_a_product_id_names(product_id: str, text: str | None) -> None:
    refresh(FakeScalev(product("1", variant("10", sku="SKU10"), uuid="u-1")))
    label = catalogue_service.label_for(product_id)
    assert (str(label) if label else None) == text


def test_a_label_tells_since_when_its_goods_are_missing() -> None:
    refresh(FakeScalev(product("1", variant("10"))))
    refresh(FakeScalev(), NOW + HOUR)
    assert catalogue_service.label_for("variant_10") == Label("Varian 10", NOW + HOUR)


def test_a_number_that_a_product_and_a_variant_have_means_the_product() -> None:
    refresh(FakeScalev(product("7", variant("70")), product("8", variant("7", "variant_seven"))))
    assert str(catalogue_service.label_for("7")) == "Produk 7"


def test_a_long_list_is_written_in_a_moment() -> None:
    scalev = FakeScalev(*(product(str(n), variant(str(10_000 + n), sku=f"S{n}")) for n in range(3000)))
    refresh(scalev)
    started = time.monotonic()
    refresh(scalev, NOW + HOUR)
    assert time.monotonic() - started < 5
    assert len(list(db.session.scalars(select(CatalogueProduct)))) == 3000
