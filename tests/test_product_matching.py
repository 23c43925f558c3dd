"""Which product list an order belongs to."""

import pytest
from sqlalchemy import select, update

from models import Lead, LeadStatus, OrderLine, ProductList, ProductListVariant, db, transaction
from models_catalogue import CatalogueProduct, CatalogueVariant
from services.order_snapshot import Line
from services.product_matching import Way, find_product_list, rank, shares_goods, waiting_lead_ids
from tests import builders

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def make(product_id: str, name: str = "-", **fields: object) -> ProductList:
    return builders.make_product_list(product_id=product_id, name=name, **fields)


def lead_with(*lines: Line, **fields: object) -> Lead:
    lead = builders.make_lead(**fields)
    with transaction() as session:
        for line in lines:
            session.add(OrderLine(lead_id=lead.id, **{name: getattr(line, name) for name in Line.__slots__}))
    return lead


@pytest.mark.parametrize(
    "line",
    [
        Line(variant_unique_id="variant_A-b_9"),
        Line(variant_id="variant_A-b_9"),
        Line(product_id="variant_A-b_9"),
        Line(sku="variant_A-b_9"),
        Line(product_name="Madu Hutan 500 ml"),
    ],
)
def test_a_line_is_matched_by_each_of_its_marks(line: Line) -> None:
    wanted = make("variant_A-b_9", "Madu Hutan 500 ml")
    assert find_product_list([Line(product_name="Lain"), line]) == wanted
    lead = lead_with(line)
    assert waiting_lead_ids(10) == [lead.id]


def test_an_id_beats_a_sku_and_a_sku_a_name_whichever_line_they_stand_on() -> None:
    by_name, by_sku, by_id = make("x", "Madu"), make("SKU1"), make("variant_1")
    lines = [Line(product_name="Madu"), Line(sku="SKU1"), Line(variant_unique_id="variant_1")]
    assert find_product_list(lines) == by_id
    assert find_product_list(lines[:2]) == by_sku
    assert find_product_list(lines[:1]) == by_name


def test_among_equals_the_earlier_line_wins() -> None:
    make("variant_1")
    second = make("variant_2")
    assert find_product_list([Line(variant_unique_id="variant_2"), Line(variant_unique_id="variant_1")]) == second


def test_of_two_lists_with_one_name_the_older_wins() -> None:
    first = make("a", "Madu")
    make("b", "Madu")
    assert find_product_list([Line(product_name="Madu")]) == first


@pytest.mark.parametrize("name", ["madu", "Madu ", "Madú", "Mad", "Madu Hutan"])
def test_a_name_must_be_the_very_same(name: str) -> None:
    make("variant_1", "Madu")
    line = Line(product_name=name.strip() if name.strip() != "Madu" else "MADU")
    assert find_product_list([line]) is None
    lead_with(line)
    assert waiting_lead_ids(10) == []


@pytest.mark.parametrize("sku", ["mh500", "MH5000", "MH50"])
def test_an_id_must_be_the_very_same(sku: str) -> None:
    make("MH500")
    assert find_product_list([Line(sku=sku)]) is None
    lead_with(Line(sku=sku))
    assert waiting_lead_ids(10) == []


def test_a_list_that_is_switched_off_matches_nothing() -> None:
    make("variant_1", active=False)
    assert find_product_list([Line(variant_unique_id="variant_1")]) is None
    lead_with(Line(variant_unique_id="variant_1"))
    assert waiting_lead_ids(10) == []


def test_an_order_without_lines_matches_nothing() -> None:
    make("variant_1")
    assert find_product_list([]) is None
    assert find_product_list([Line()]) is None


def test_an_order_with_very_many_lines_is_matched_too() -> None:
    wanted = make("variant_4999")
    assert find_product_list([Line(variant_unique_id=f"variant_{number}") for number in range(5000)]) == wanted


def test_leads_wait_only_while_they_have_no_product_list() -> None:
    wanted = make("variant_1")
    line = Line(variant_unique_id="variant_1")
    lead_with(line, product_list_id=wanted.id)
    lead_with(Line(variant_unique_id="variant_2"))
    waiting = [lead_with(line).id for _ in range(3)]
    assert waiting_lead_ids(10) == waiting
    assert waiting_lead_ids(2) == waiting[:2]


def sharing(lead: Lead) -> set[int]:
    return set(db.session.scalars(select(Lead.id).where(Lead.id != lead.id, shares_goods(lead))))


@pytest.mark.parametrize("mark", ["variant_unique_id", "variant_id", "sku", "product_name"])
def test_orders_with_a_line_in_common_are_about_the_same_product(mark: str) -> None:
    mine = lead_with(Line(product_name="A"), Line(**{mark: "X"}))
    other = lead_with(Line(**{mark: "X"}), status=LeadStatus.CLOSING)
    lead_with(Line(**{mark: "x"}))
    lead_with(Line(product_name="B"))
    assert sharing(mine) == {other.id}


def test_orders_of_one_product_list_are_about_the_same_product() -> None:
    product_list = make("variant_1")
    mine, other = (lead_with(product_list_id=product_list.id) for _ in range(2))
    lead_with()
    assert sharing(mine) == {other.id}


def test_lines_that_say_nothing_are_not_in_common() -> None:
    mine = lead_with(Line(quantity=1))
    lead_with(Line(quantity=1))
    assert sharing(mine) == set()


# --- With the catalogue ---


def listed(*products: tuple[str, str | None, tuple[tuple[str, str, str | None], ...]]) -> None:
    """The catalogue: products by id and uuid, each with variants by integer id, unique id and SKU."""
    with transaction() as session:
        for product_id, uuid, variants in products:
            session.add(
                CatalogueProduct(scalev_id=product_id, uuid=uuid, name=f"Produk {product_id}", seen_at=builders.NOW)
            )
            session.flush()
            for number, unique_id, sku in variants:
                session.add(
                    CatalogueVariant(
                        scalev_id=number,
                        unique_id=unique_id,
                        product_id=product_id,
                        sku=sku,
                        name=f"Varian {number}",
                        seen_at=builders.NOW,
                    )
                )


MADU = ("1", "u-1", (("10", "variant_10", "A"), ("11", "variant_11", "SAME")))
GAMIS = ("2", "u-2", (("20", "variant_20", "SAME"), ("21", "variant_21", None)))
LINES = [
    Line(variant_unique_id="variant_10"),
    Line(variant_unique_id="variant_10", sku="A", product_name="Madu"),
    Line(variant_unique_id="variant_11", sku="SAME"),
    Line(variant_unique_id="variant_20", sku="SAME"),
    Line(variant_unique_id="unheard-of", sku="A"),
    Line(variant_id="10"),
    Line(variant_id="21", product_name="Gamis"),
    Line(variant_id="99"),
    Line(product_id="1"),
    Line(sku="A"),
    Line(sku="SAME"),
    Line(product_name="Madu"),
    Line(),
]
# What a product list stands for by its id. SAME, the SKU of two variants, names neither, but a list of it covers both.
_MADU_IDS, _FIRST, _SECOND = {"1", "u-1"}, {"10", "variant_10", "A"}, {"11", "variant_11"}
NAMES = {
    **dict.fromkeys(("1", "u-1"), _MADU_IDS | _FIRST | _SECOND),
    **dict.fromkeys(("10", "variant_10", "A"), _FIRST),
    "2": {"2", "u-2", "20", "variant_20", "21", "variant_21"},
    "SAME": {"SAME", "20", "variant_20"} | _SECOND,
    **dict.fromkeys(("20", "variant_20"), {"20", "variant_20"}),
    **{unknown: {unknown} for unknown in ("99", "unheard-of", "none")},
}


@pytest.mark.parametrize("product_id", ["1", "u-1", "10", "variant_10", "A"])
@pytest.mark.parametrize("line", [Line(variant_unique_id="variant_10"), Line(variant_id="10"), Line(sku="A")])
def test_a_list_fits_its_goods_whichever_name_it_and_the_line_use(product_id: str, line: Line) -> None:
    listed(MADU, GAMIS)
    wanted = make(product_id)
    lead = lead_with(line)
    assert find_product_list([line]) == wanted
    assert waiting_lead_ids(10) == [lead.id]


def test_a_list_of_a_product_fits_every_variant_and_no_other_product() -> None:
    listed(MADU, GAMIS)
    wanted = make("u-2")
    fits = [lead_with(Line(variant_unique_id=f"variant_{number}")).id for number in (20, 21)]
    others = [lead_with(Line(variant_unique_id=f"variant_{number}")).id for number in (10, 11)]
    assert waiting_lead_ids(10) == fits
    for lead_id in fits + others:
        lines = db.session.get_one(Lead, lead_id).lines
        assert find_product_list(lines) == (wanted if lead_id in fits else None)


@pytest.mark.parametrize("product_id", NAMES)
def test_every_lead_that_waits_gets_a_list_and_every_other_one_does_not(product_id: str) -> None:
    listed(MADU, GAMIS)
    wanted = make(product_id, "Madu")
    leads = [(lead_with(line).id, line) for line in LINES]
    found = [lead_id for lead_id, line in leads if find_product_list([line]) == wanted]
    assert waiting_lead_ids(50) == found


@pytest.mark.parametrize(("product_id", "names"), NAMES.items())
def test_a_line_with_one_mark_fits_exactly_the_lists_whose_ids_stand_for_it(product_id: str, names: set[str]) -> None:
    listed(MADU, GAMIS)
    wanted = make(product_id)
    said = {
        "variant_unique_id": ["variant_10", "variant_11", "variant_20", "unheard-of"],
        "variant_id": ["10", "20", "21", "99"],
        "product_id": ["1", "2", "u-1", "u-2", "99"],
        "sku": ["A", "SAME", "99", "unheard-of"],
    }
    for mark, value in ((mark, value) for mark, values in said.items() for value in values):
        assert (find_product_list([Line(**{mark: value})]) == wanted) is (value in names), (mark, value, names)


def test_on_one_line_the_variant_comes_before_the_product_and_both_before_a_sku() -> None:
    listed(MADU, GAMIS)
    by_sku, by_product = make("A"), make("1")
    line = Line(variant_unique_id="variant_10", sku="A")
    assert find_product_list([line]) == by_product
    by_variant = make("10")
    assert find_product_list([line]) == by_variant
    assert find_product_list([Line(sku="A")]) == by_sku


def test_a_sku_that_another_variant_has_too_does_not_make_it_the_same_goods() -> None:
    listed(MADU, GAMIS)
    make("variant_20")
    assert find_product_list([Line(variant_unique_id="variant_11", sku="SAME")]) is None
    assert find_product_list([Line(variant_unique_id="of another business", sku="SAME")]) is None
    assert find_product_list([Line(sku="SAME")]) is None


def test_a_number_that_a_product_and_a_variant_have_means_the_product() -> None:
    listed(("7", "u-7", (("70", "variant_70", None),)), ("8", None, (("7", "variant_seven", None),)))
    wanted = make("7")
    of_the_product, of_the_other = lead_with(Line(variant_id="70")), lead_with(Line(variant_id="7"))
    assert find_product_list(of_the_product.lines) == wanted
    assert find_product_list(of_the_other.lines) is None
    assert find_product_list([Line(variant_unique_id="variant_seven")]) is None
    assert waiting_lead_ids(10) == [of_the_product.id]


def test_goods_that_are_no_longer_listed_are_known_all_the_same() -> None:
    listed(MADU)
    with transaction() as session:
        session.execute(update(CatalogueVariant).values(missing_since=builders.NOW))
    wanted = make("u-1")
    assert find_product_list([Line(variant_unique_id="variant_10")]) == wanted


def test_an_order_with_very_many_known_lines_is_matched_too() -> None:
    listed(("1", "u-1", tuple((str(number), f"variant_{number}", None) for number in range(10, 2000))))
    wanted = make("u-1")
    assert find_product_list([Line(variant_id=str(number)) for number in range(5000, 1990, -1)]) == wanted


# --- For a store, for chosen variants ---


def chosen(product_id: str, *variant_ids: str, **fields: object) -> ProductList:
    row = make(product_id, **fields)
    with transaction():
        row.variants = [ProductListVariant(variant_id=key) for key in variant_ids]
    return row


@pytest.mark.parametrize("store_name", ["Toko A", "Toko B", "toko a", None])
def test_a_list_of_a_store_takes_that_store_s_orders_only(store_name: str | None) -> None:
    of_the_store = make("variant_1", store_name="Toko A")
    lead = lead_with(Line(variant_unique_id="variant_1"), store_name=store_name)
    expected = of_the_store if store_name == "Toko A" else None
    assert find_product_list(lead.lines, store_name) == expected
    assert waiting_lead_ids(10) == ([lead.id] if expected else [])


def test_of_two_lists_for_the_same_goods_the_store_s_own_wins() -> None:
    for_all = make("variant_1")
    of_the_store = make("variant_1", store_name="Toko A")
    line = Line(variant_unique_id="variant_1")
    assert find_product_list([line], "Toko A") == of_the_store
    assert find_product_list([line], "Toko B") == find_product_list([line]) == for_all


def test_a_list_of_chosen_variants_takes_no_other_variant_and_no_name() -> None:
    listed(MADU, GAMIS)
    wanted = chosen("1", "variant_10", name="Madu")
    leads = [lead_with(line).id for line in LINES]
    fits = [lead_id for lead_id, line in zip(leads, LINES, strict=True) if find_product_list([line]) == wanted]
    assert [LINES[leads.index(lead_id)] for lead_id in fits] == [LINES[0], LINES[1], LINES[5], LINES[9]]
    assert waiting_lead_ids(50) == fits


def test_chosen_variants_come_before_their_whole_product() -> None:
    listed(MADU)
    whole, part = make("1"), chosen("1", "variant_11")
    assert find_product_list([Line(variant_unique_id="variant_11")]) == part
    assert find_product_list([Line(variant_unique_id="variant_10")]) == whole


def test_the_ranking_names_those_too_that_do_not_take_the_order() -> None:
    listed(MADU)
    off, of_a_store, whole = make("variant_10", active=False), make("10", store_name="Toko A"), make("1")
    ranked = [(m.product_list, m.way, m.takes("Toko B")) for m in rank([Line(variant_unique_id="variant_10")])]
    assert ranked == [(off, Way.ID, False), (of_a_store, Way.ID, False), (whole, Way.ID, True)]
