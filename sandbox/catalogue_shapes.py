"""How ScaleV's REST API writes products, variants, bundles and sales people (facts/scalev.md sections 2.4 to 2.6)."""

from typing import Any

from sandbox.catalogue import BUSINESS, BUSINESS_ID, Bundle, Product, SalesPerson, Variant, make_unique_id, make_uuid
from sandbox.shapes import write_handler

Body = dict[str, Any]
_OPENED = "2026-01-05T03:00:00Z"


def write_store_product(product: Product) -> Body:
    """A row of `/v3/stores/{id}/products`: its variants carry sku and price."""
    return _write_product_head(product) | {
        "public_name": product.name,
        "variant_count": len(product.variants),
        "is_visible": True,
        "variants": [_write_variant_head(product, variant) | _write_prices(variant) for variant in product.variants],
    }


def write_product(product: Product) -> Body:
    """A row of `/v3/products`: its variants show no sku and no price."""
    return _write_product_head(product) | {
        "is_inventory": product.is_physical,
        "is_multiple": len(product.variants) > 1,
        "created_at": _OPENED,
        "last_updated_at": _OPENED,
        "business": BUSINESS | {"id": BUSINESS_ID},
        "variants": [_write_variant_head(product, variant) for variant in product.variants],
    }


def write_variant(product: Product, variant: Variant) -> Body:
    return (
        _write_variant_head(product, variant)
        | _write_prices(variant)
        | {
            "cogs": int(variant.cogs),
            "reseller_price": int(variant.price),
            "metadata": {},
            "product": {
                "id": product.id,
                "uuid": make_uuid(product.name),
                "name": product.name,
                "display": product.name,
                "item_type": product.item_type,
                "business": BUSINESS | {"id": BUSINESS_ID},
            },
        }
    )


def write_bundle_row(bundle: Bundle) -> Body:
    return {
        "id": bundle.id,
        "name": bundle.name,
        "public_name": bundle.name,
        "display": bundle.name,
        "custom_id": None,
        "variants_count": len(bundle.lines),
    }


def write_bundle(bundle: Bundle, products: dict[int, Product], store_name: str) -> Body:
    """`/v3/bundles/{id}`: the lines with their variants, and the one price option."""
    return write_bundle_row(bundle) | {
        "bundlelines": [
            {
                "id": bundle.id * 10 + number,
                "quantity": quantity,
                "subtotal": int(variant.price * quantity),
                "variant": write_variant(products[variant.product_id], variant),
            }
            for number, (variant, quantity) in enumerate(bundle.lines)
        ],
        "bundle_price_options": [
            {
                "id": bundle.id + 100,
                "unique_id": make_unique_id("bundle_price_option", bundle.name),
                "name": bundle.name,
                "price": int(bundle.price),
                "slug": "paket-sehat",
                "stores": [{"id": bundle.store_id, "name": store_name}],
            }
        ],
    }


def write_sales_person(person: SalesPerson) -> Body:
    """Three ids: the row, the business user, and the user, which alone equals an order's `handler.id`."""
    return {
        "id": person.user_id + 20_000,
        "percentage": 100,
        "weekly_schedule": None,
        "business_user": {
            "id": person.user_id + 10_000,
            "business_phone": person.phone,
            "role": {"id": 3, "name": "CS"},
            "user": write_handler(person),
        },
    }


def _write_product_head(product: Product) -> Body:
    return {
        "id": product.id,
        "uuid": make_uuid(product.name),
        "name": product.name,
        "display": product.name,
        "item_type": product.item_type,
        "images": [],
        "labels": [],
        "option1_name": "Pilihan" if product.variants[0].option else None,
        "option2_name": None,
        "option3_name": None,
    }


def _write_variant_head(product: Product, variant: Variant) -> Body:
    return {
        "id": variant.id,
        "unique_id": variant.unique_id,
        "uuid": make_uuid(variant.fullname),
        "name": variant.option or product.name,
        "fullname": variant.fullname,
        "product_name": product.name,
        "item_type": product.item_type,
        "pricing_type": "one_time",
        "is_checked": True,
        "weight": variant.weight,
    }


def _write_prices(variant: Variant) -> Body:
    return {
        "sku": variant.sku,
        "price": int(variant.price),
        "option1_value": variant.option,
        "option2_value": None,
        "option3_value": None,
        "available_qty": 100,
    }
