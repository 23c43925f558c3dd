"""How ScaleV writes an order: in webhooks (facts/scalev.md section 1.4) and in REST answers (section 2.8)."""

from collections.abc import Collection
from decimal import Decimal
from typing import Any

from sandbox.catalogue import BUSINESS, BUSINESS_ID, SalesPerson, Store, Variant, make_unique_id, make_uuid
from sandbox.clock import format_time
from sandbox.orders import PAYMENT_STATUSES, STATUSES, Order

Body = dict[str, Any]
# Fields that a row of the order list has when `columns` is not given (section 2.7).
DEFAULT_COLUMNS = frozenset(
    {
        "id",
        "order_id",
        "status",
        "payment_status",
        "is_probably_spam",
        "customer",
        "store",
        "gross_revenue",
        "net_revenue",
        "created_at",
        "last_updated_at",
        *(f"{status}_time" for status in STATUSES),
        *(f"{status}_time" for status in PAYMENT_STATUSES),
    }
)
_BANK = {"code": "bca", "name": "Bank Central Asia"}


def write_money(amount: Decimal) -> str:
    """Money is a decimal string in webhooks and at order level."""
    return f"{amount:.2f}"


def write_ids(order: Order) -> Body:
    return {
        "id": order.uuid,
        "payment_link_id": None,
        "is_from_payment_link": False,
        "order_id": order.order_id,
    }


def write_stamps(order: Order) -> Body:
    return {
        "created_at": format_time(order.created_at),
        "last_updated_at": format_time(order.last_updated_at),
    }


def write_status_times(order: Order) -> Body:
    return {f"{status}_time": format_time(order.times.get(status)) for status in STATUSES}


def write_payment_times(order: Order) -> Body:
    return {f"{status}_time": format_time(order.times.get(status)) for status in PAYMENT_STATUSES}


def write_deleted(order: Order) -> Body:
    """`order.deleted`: ids only."""
    return write_ids(order) | write_stamps(order)


def write_status_change(order: Order) -> Body:
    """`order.status_changed`: no lines, no money, no payment status."""
    return write_ids(order) | {"status": order.status} | write_status_times(order) | write_stamps(order)


def write_payment(order: Order) -> Body:
    """`order.payment_status_changed`: the payment block."""
    return write_ids(order) | {
        "business": BUSINESS,
        "is_probably_spam": order.is_spam,
        "mark_as_spam_by": order.marked_as_spam_by,
        **write_stamps(order),
        "payment_status": order.payment_status,
        "payment_account_id": 77 if order.method == "bank_transfer" else None,
        **_write_account(order),
        "transferproof_url": "",
        **_write_gateway(order),
        **write_payment_times(order),
        "transfer_time": None,
        "payment_status_history": _write_payment_history(order, "at"),
    }


def write_payment_with_customer(order: Order) -> Body:
    """`payment.received` and `payment.failed`, whose documented bodies also name the customer."""
    return write_payment(order) | {"customer": _write_customer(order)}


def write_full_order(order: Order) -> Body:
    """`order.created`, `updated`, `epayment_created` and `spam_created`. The store has a name and no id."""
    return write_ids(order) | {
        "secret_slug": make_unique_id("slug", order.uuid)[5:],
        "status": order.status,
        "is_probably_spam": order.is_spam,
        "mark_as_spam_by": order.marked_as_spam_by,
        **write_status_times(order),
        "payment_status": order.payment_status,
        **write_payment_times(order),
        "business": BUSINESS,
        "store": {"name": order.store.name},
        **_write_account(order),
        "transferproof_url": "",
        "transfer_time": None,
        **(_write_gateway(order) if order.is_epayment else {}),
        **_write_amounts(order),
        "customer_id": order.buyer.id,
        "destination_address": _write_address(order) | {"email": order.buyer.email},
        **_write_shipping(order),
        "notes": order.notes,
        "tags": [],
        "orderlines": [_write_webhook_line(order, variant, quantity) for variant, quantity in order.lines],
        **write_stamps(order),
    }


def write_rest_order(order: Order) -> Body:
    """`GET /v3/orders/{id}`: e-mail only in `customer`, numbers in lines, `variant` as an integer."""
    return write_ids(order) | {
        "secret_slug": make_unique_id("slug", order.uuid)[5:],
        "status": order.status,
        "payment_status": order.payment_status,
        "is_probably_spam": order.is_spam,
        "mark_as_spam_by": order.marked_as_spam_by,
        **write_status_times(order),
        **write_payment_times(order),
        "payment_status_history": _write_payment_history(order, "time"),
        "customer": _write_customer(order) | write_stamps(order),
        "destination_address": {"id": order.legacy_id} | _write_address(order),
        "handler": write_handler(order.handler) if order.handler else None,
        "handler_phone": order.handler.phone if order.handler else None,
        "advertiser": None,
        "store": write_store(order.store),
        "business": BUSINESS | {"id": BUSINESS_ID, "email": "halo@tokomadu.example"},
        **_write_account(order),
        **_write_gateway(order),
        "transferproof_url": "",
        "transfer_time": None,
        **_write_amounts(order),
        "orderlines": [_write_rest_line(order, variant, quantity) for variant, quantity in order.lines],
        **_write_shipping(order),
        "metadata": {},
        "notes": order.notes,
        "tags": [],
        "platform": "scalev",
        "external_id": None,
        **write_stamps(order),
    }


def write_order_row(order: Order, columns: Collection[str]) -> Body:
    """A row of the order list; never with `orderlines`, and with the handler only if `columns` asks for it."""
    wanted = ({"id", "order_id"} | set(columns)) if columns else DEFAULT_COLUMNS
    return {name: value for name, value in write_rest_order(order).items() if name in wanted - {"orderlines"}}


def write_store(store: Store) -> Body:
    return {
        "id": store.id,
        "unique_id": store.unique_id,
        "uuid": make_uuid(store.name),
        "name": store.name,
        "logo": None,
        "business_id": BUSINESS_ID,
        "custom_domain": None,
        "payment_methods": ["bank_transfer", "cod", "qris", "va_bca"],
    }


def write_handler(person: SalesPerson) -> Body:
    return {
        "id": person.user_id,
        "fullname": person.name,
        "email": person.email,
        "phone": person.phone,
        "avatar": None,
        "aff_code": None,
    }


def _write_customer(order: Order) -> Body:
    buyer = order.buyer
    return {"id": buyer.id, "name": buyer.name, "email": buyer.email, "phone": buyer.phone, "status": "active"}


def _write_account(order: Order) -> Body:
    is_transfer = order.method == "bank_transfer"
    return {
        "epayment_provider": "midtrans" if order.is_epayment else None,
        "payment_method": order.method,
        "financial_entity": _BANK if is_transfer else None,
        "payment_account_holder": "CV Madu Hutan Lestari" if is_transfer else None,
        "payment_account_number": "0123456789" if is_transfer else None,
    }


def _write_gateway(order: Order) -> Body:
    """The shape of these depends on the provider (facts/scalev.md section 5.29)."""
    if not order.is_epayment:
        return {"pg_payment_info": None, "pg_reference_id": None, "pg_paid_info": None}
    is_paid = order.payment_status in ("paid", "settled")
    return {
        "pg_payment_info": {"qr_string": "000201..."} if order.method == "qris" else {"va_number": "8808000000"},
        "pg_reference_id": f"INV-{order.legacy_id}",
        "pg_paid_info": {"amount": write_money(order.gross_revenue)} if is_paid else None,
    }


def _write_payment_history(order: Order, time_name: str) -> list[Body]:
    """Newest first. Webhooks call the moment `at`, the REST answer `time` (section 2.8)."""
    cashier = {"avatar": "", "email": "kasir@example.com", "name": "Kasir"}
    return [
        {time_name: format_time(change.at), "by": cashier, "status": change.status} for change in order.payment_history
    ]


def _write_amounts(order: Order) -> Body:
    final_variants: dict[str, int] = {}
    for variant, quantity in order.lines:
        final_variants[variant.fullname] = final_variants.get(variant.fullname, 0) + quantity
    return {
        "final_variants": final_variants,
        "total_quantity": order.quantity,
        "gross_revenue": write_money(order.gross_revenue),
        "unique_code_discount": write_money(order.unique_code),
        "discount_code_discount": "0.00",
        "net_revenue": write_money(order.net_revenue),
        "product_price": write_money(order.product_price),
        "product_discount": write_money(order.product_discount),
        "other_income_name": "Biaya Lainnya",
        "other_income": "0.00",
        "payment_link_income": "0.00",
        "discount_rate": "0.00",
        "cogs": write_money(order.cogs),
        "shipping_cost": write_money(order.shipping_cost),
        "shipping_discount": "0.00",
        "payment_fee": "0.00",
    }


def _write_address(order: Order) -> Body:
    """A digital order's address has no street (section 1.4, last line)."""
    who = {"name": order.buyer.name, "phone": order.buyer.phone}
    if not order.is_physical:
        return who
    return who | {
        "address": "Jl. Kenanga No. 5 RT 02/03",
        "subdistrict": "Gubeng",
        "city": "Kota Surabaya",
        "province": "Jawa Timur",
        "postal_code": "60281",
        "notes": "",
    }


def _write_shipping(order: Order) -> Body:
    is_shipped = "shipped" in order.times
    courier = {"courier": {"name": "JNE", "code": "jne"}, "name": "Reguler", "code": "REG"}
    warehouse = {"name": "Gudang Utama", "unique_id": "warehouse_Hk2vU8sYb1Qe5Rt9Wm3Zx7Ac"}
    origin = {
        "address": "Jl. Raya Pasar 11",
        "subdistrict": "Kedawung",
        "city": "Kabupaten Cirebon",
        "province": "Jawa Barat",
        "postal_code": "45153",
    }
    return {
        "origin_address": origin if order.is_physical else None,
        "warehouse": warehouse if order.is_physical else None,
        "product_weight": order.weight,
        "weight_bump": 0,
        "total_weight": order.weight,
        "courier_service": courier if order.is_physical else None,
        "courier_aggregator_code": None,
        "rtsproof_url": None,
        "shipment_receipt": f"JNE{order.legacy_id}" if is_shipped else None,
        "shipment_status": None,
        "awb_status": "unavailable",
        "awb_ca_status": "unavailable",
    }


def _write_webhook_line(order: Order, variant: Variant, quantity: int) -> Body:
    return {
        "quantity": quantity,
        "is_inventory": order.is_physical,
        "weight": variant.weight,
        "product_name": variant.fullname,
        "variant_unique_id": variant.unique_id,
        "variant_sku": variant.sku,
        "variant_price": write_money(variant.price),
        "variant_cogs": write_money(variant.cogs),
        "product_price": write_money(variant.price * quantity),
        "discount": write_money(variant.price * quantity if order.is_free else Decimal(0)),
        "discount_code_discount": "0.00",
        "cogs": write_money(variant.cogs * quantity),
    }


def _write_rest_line(order: Order, variant: Variant, quantity: int) -> Body:
    """Prices in the catalogue are whole rupiah, so the numbers are integers."""
    return {
        "id": order.legacy_id * 10 + order.lines.index((variant, quantity)),
        "variant": variant.id,
        "variant_sku": variant.sku,
        "product_name": variant.fullname,
        "variant_option1_value": variant.option,
        "quantity": quantity,
        "variant_price": int(variant.price),
        "product_price": int(variant.price * quantity),
        "discount": int(variant.price * quantity) if order.is_free else 0,
        "discount_code_discount": 0,
        "item_type": "physical" if order.is_physical else "digital",
        "pricing_type": "one_time",
        "weight": variant.weight,
        "cogs": int(variant.cogs * quantity),
        "is_inventory": order.is_physical,
    }
