"""What the make-believe business sells, who sells it, and the mail lists it owns."""

import base64
import hashlib
import uuid
from dataclasses import dataclass, field
from decimal import Decimal

BUSINESS: dict[str, object] = {"username": "tokomadu", "client_id": "7c0a2c1e-5d4b-4f0b-8a43-1c9e6f1b2a10"}
BUSINESS_ID = 71
BIG_EXTRA = 60


def make_unique_id(prefix: str, name: str) -> str:
    """`prefix_` + 24 url-safe Base64 characters, always the same for one name (facts/scalev.md section 4)."""
    digest = hashlib.sha256(f"{prefix}:{name}".encode()).digest()
    return f"{prefix}_{base64.urlsafe_b64encode(digest)[:24].decode()}"


def make_uuid(name: str) -> str:
    """A uuid that is always the same for one name."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.sandbox.invalid"))


@dataclass(frozen=True, slots=True)
class Store:
    id: int
    name: str

    @property
    def unique_id(self) -> str:
        return make_unique_id("store", self.name)


@dataclass(frozen=True, slots=True)
class SalesPerson:
    """`user_id` is what an order's handler carries; the row and the business user have ids of their own."""

    user_id: int
    name: str
    email: str
    phone: str
    store_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    id: int
    unique_id: str
    product_id: int
    fullname: str
    option: str | None
    sku: str | None
    price: Decimal
    cogs: Decimal
    weight: int


@dataclass(frozen=True, slots=True)
class Product:
    id: int
    name: str
    item_type: str
    store_id: int
    variants: tuple[Variant, ...]

    @property
    def is_physical(self) -> bool:
        return self.item_type == "physical"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Webhooks show a bundle as its expanded variants only (facts/scalev.md section 4.6)."""

    id: int
    name: str
    store_id: int
    lines: tuple[tuple[Variant, int], ...]

    @property
    def price(self) -> Decimal:
        return sum((variant.price * quantity for variant, quantity in self.lines), Decimal(0))


@dataclass(frozen=True)
class Catalogue:
    stores: dict[int, Store]
    people: dict[int, SalesPerson]
    products: dict[int, Product]
    bundles: dict[int, Bundle]
    new_product: Product
    variants: dict[int, Variant] = field(default_factory=dict)

    def find_goods(self, name: str) -> tuple[Store, tuple[tuple[Variant, int], ...]]:
        """The store and lines for a variant's id, unique_id, sku or name, or a product's or bundle's id or name.

        A product means its first variant. Raises LookupError.
        """
        for variant in self.variants.values():
            if name in (str(variant.id), variant.unique_id, variant.sku, variant.fullname):
                return self.stores[self.products[variant.product_id].store_id], ((variant, 1),)
        for product in self.products.values():
            if name in (str(product.id), product.name):
                return self.stores[product.store_id], ((product.variants[0], 1),)
        for bundle in self.bundles.values():
            if name in (str(bundle.id), bundle.name):
                return self.stores[bundle.store_id], bundle.lines
        raise LookupError(f"no such product: {name}")

    def find_person(self, name: str) -> SalesPerson:
        """A sales person by user id, name or e-mail. Raises LookupError."""
        for person in self.people.values():
            if name in (str(person.user_id), person.name, person.email):
                return person
        raise LookupError(f"no such handler: {name}")

    def find_store(self, name: str) -> Store:
        """A store by id, unique_id or name. Raises LookupError."""
        for store in self.stores.values():
            if name in (str(store.id), store.unique_id, store.name):
                return store
        raise LookupError(f"no such store: {name}")

    def list_people(self, store_id: int) -> list[SalesPerson]:
        return [person for person in self.people.values() if store_id in person.store_ids]

    def list_goods(self) -> list[str]:
        """Every name that an order form offers."""
        return [v.fullname for v in self.variants.values()] + [b.name for b in self.bundles.values()]


# Option, sku, price, cost, weight in grams, and the unique id where the fixtures fix one.
_VariantSpec = tuple[str | None, str | None, int, int, int, str | None]
_MADU, _GAMIS = 501, 502
_PRODUCTS: tuple[tuple[str, str, int, tuple[_VariantSpec, ...]], ...] = (
    (
        "Madu Hutan",
        "physical",
        _MADU,
        (
            ("500 ml", "MH500", 125000, 65000, 600, "variant_Pq8-sLw2Zt5YvB1nKc4Xd_7E"),
            ("250 ml", "MH250", 69000, 35000, 320, None),
            ("1 liter", "MH1000", 235000, 125000, 1200, None),
        ),
    ),
    # An empty and a missing SKU are both seen in the wild (facts/scalev.md section 4.4).
    ("Propolis 30 ml", "physical", _MADU, ((None, "", 135000, 60000, 100, "variant_Zx9Wv8Ut7Sr6Qp5On4Ml3Kj2"),)),
    ("E-book Resep Madu", "digital", _MADU, ((None, None, 99000, 0, 0, "variant_Ab3-dEf9GhIjKlMnOpQrStUv"),)),
    ("Madu Klanceng 250 ml", "physical", _MADU, ((None, "MK250", 149000, 80000, 350, None),)),
    (
        "Kopi Gayo 200 g",
        "physical",
        _MADU,
        (("Biji", "KG200-B", 78000, 42000, 220, None), ("Bubuk", "KG200-P", 78000, 42000, 220, None)),
    ),
    (
        "Gamis Aisyah",
        "physical",
        _GAMIS,
        (
            ("M", "GA-M", 289000, 150000, 450, None),
            ("L", "GA-L", 289000, 150000, 460, None),
            ("XL", "GA-XL", 299000, 158000, 480, None),
        ),
    ),
    (
        "Hijab Segi Empat",
        "physical",
        _GAMIS,
        (("Hitam", "HS-HTM", 59000, 24000, 120, None), ("Krem", "HS-KRM", 59000, 24000, 120, None)),
    ),
    ("Kelas Online Jahit", "course", _GAMIS, ((None, "KLS-JHT", 199000, 0, 0, None),)),
    # The product that nobody has mapped to a list yet ("produk baru").
    ("Teh Telang 50 g", "physical", _MADU, ((None, "TT50", 45000, 18000, 70, None),)),
)
_PEOPLE = (
    (9001, "Rina Wulandari", (_MADU, _GAMIS)),
    (9002, "Dewi Lestari", (_MADU,)),
    (9003, "Bagus Pratama", (_MADU, _GAMIS)),
)
MAIL_LISTS = {
    41201: "Follow Up Madu",
    41202: "Pembeli Madu",
    41203: "Tidak Closing Madu",
    41204: "Pembeli Gamis",
    41205: "Tidak Closing Gamis",
}


def build_catalogue(big: bool = False) -> Catalogue:
    """The starting catalogue; `big` adds enough products, stores and people to need a third page of 25."""
    specs = list(_PRODUCTS)
    stores = {_MADU: Store(_MADU, "Toko Madu Hutan"), _GAMIS: Store(_GAMIS, "Rumah Gamis Aisyah")}
    people = {row[0]: _build_person(*row) for row in _PEOPLE}
    if big:
        for number in range(1, BIG_EXTRA + 1):
            sku = f"BX{number:03}"
            specs.append((f"Produk Contoh {number:03}", "physical", _MADU, ((None, sku, 50000, 20000, 100, None),)))
            stores[600 + number] = Store(600 + number, f"Toko Cabang {number:03}")
            people[9100 + number] = _build_person(9100 + number, f"Agen {number:03}", (_MADU,))
    products = _build_products(specs)
    madu, propolis = products[1001].variants[0], products[1002].variants[0]
    bundle = Bundle(3001, "Paket Sehat Madu + Propolis", _MADU, ((madu, 1), (propolis, 2)))
    variants = {variant.id: variant for product in products.values() for variant in product.variants}
    return Catalogue(stores, people, products, {bundle.id: bundle}, products[1000 + len(_PRODUCTS)], variants)


def _build_person(user_id: int, name: str, store_ids: tuple[int, ...]) -> SalesPerson:
    email = f"{name.split()[0].lower()}.{user_id}@tokomadu.example"
    return SalesPerson(user_id, name, email, f"62812000{user_id}", store_ids)


def _build_products(specs: list[tuple[str, str, int, tuple[_VariantSpec, ...]]]) -> dict[int, Product]:
    products = {}
    for number, (name, item_type, store_id, rows) in enumerate(specs, start=1):
        product_id = 1000 + number
        variants = tuple(
            _build_variant(product_id, name, 20000 + number * 10 + index, row) for index, row in enumerate(rows)
        )
        products[product_id] = Product(product_id, name, item_type, store_id, variants)
    return products


def _build_variant(product_id: int, name: str, variant_id: int, row: _VariantSpec) -> Variant:
    option, sku, price, cogs, weight, unique_id = row
    fullname = f"{name} {option}" if option else name
    unique_id = unique_id or make_unique_id("variant", fullname)
    return Variant(variant_id, unique_id, product_id, fullname, option, sku, Decimal(price), Decimal(cogs), weight)
