"""The inbox of unmapped products: what leads without a product list have ordered."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from models import Lead, OrderLine, transaction
from models_catalogue import CatalogueProduct, CatalogueVariant
from services import unmapped_queries
from services.unmapped_queries import UnmappedProduct
from tests import builders
from tests.builders import NOW

pytestmark = [pytest.mark.each_database, pytest.mark.usefixtures("app")]


def ordered(*lines: dict[str, Any], **fields: Any) -> Lead:
    lead = builders.make_lead(**{"gross_revenue": Decimal(50), "ordered_at": NOW, **fields})
    with transaction() as session:
        for line in lines:
            session.add(OrderLine(lead_id=lead.id, **line))
            session.flush()
    return lead


def test_nothing_is_unmapped_at_first() -> None:
    assert (unmapped_queries.unmapped_products(), unmapped_queries.count_unmapped()) == ([], 0)


def test_leads_are_grouped_by_product_with_money_and_the_newest_order() -> None:
    madu, kopi = {"product_name": "Madu", "variant_unique_id": "v1"}, {"product_name": "Kopi", "sku": "K"}
    ordered(kopi)
    ordered(madu)
    ordered(madu, kopi, ordered_at=NOW - timedelta(days=1))
    assert unmapped_queries.unmapped_products() == [
        UnmappedProduct("Madu", "v1", 2, Decimal(100), NOW),
        UnmappedProduct("Kopi", "K", 1, Decimal(50), NOW),
    ]
    assert unmapped_queries.count_unmapped() == 3


def test_variants_of_a_product_that_the_catalogue_knows_are_one() -> None:
    with transaction() as session:
        session.add(CatalogueProduct(scalev_id="1", name="Madu Hutan", seen_at=NOW))
        session.flush()
        for number in ("10", "11"):
            known = {"scalev_id": number, "unique_id": f"v{number}", "product_id": "1", "name": number, "seen_at": NOW}
            session.add(CatalogueVariant(**known))
    ordered({"product_name": "Madu 250", "variant_unique_id": "v10"})
    ordered({"product_name": "Madu 500", "variant_id": "11"})
    (product,) = unmapped_queries.unmapped_products()
    assert (product.name, product.product_id, product.leads, product.money) == ("Madu Hutan", "1", 2, Decimal(100))


def test_mapped_and_archived_leads_are_not_unmapped() -> None:
    ordered({"product_name": "Madu"}, product_list_id=builders.make_product_list().id)
    ordered({"product_name": "Madu"}, archived_at=NOW)
    assert (unmapped_queries.unmapped_products(), unmapped_queries.count_unmapped()) == ([], 0)
