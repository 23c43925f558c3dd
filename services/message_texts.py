"""The WhatsApp texts: their variables, their defaults, filling them in and the link that opens them. Pure.

The texts are for Indonesian buyers, so money and dates in them are Indonesian whatever language the pages are in.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from urllib.parse import quote

from babel.dates import format_datetime
from babel.numbers import format_currency

from services.contacts import clean_text, split_name
from services.statuses import ChaseStep

MAX_TEXT_LENGTH = 1000
MAX_GREETING_LENGTH = 20
DEFAULT_GREETING = "Kak"
VARIABLES = (
    "nama_depan",
    "sapaan",
    "produk",
    "total",
    "bank",
    "nomor_rekening",
    "atas_nama",
    "batas_waktu",
    "nama_cs",
)
_ACCOUNT = """Total: {total}
Bank: {bank}
No. rekening: {nomor_rekening}
Atas nama: {atas_nama}"""
DEFAULTS = {
    ChaseStep.H0: f"""Halo {{sapaan}} {{nama_depan}}, terima kasih sudah memesan {{produk}} 🙏

Supaya segera kami proses, silakan selesaikan pembayarannya:
{_ACCOUNT}

Kalau sudah, kirim buktinya ke sini ya {{sapaan}}.

Salam, {{nama_cs}}""",
    ChaseStep.H1: f"""Halo {{sapaan}} {{nama_depan}}, pesanan {{produk}} masih kami simpan untuk {{sapaan}}.

{_ACCOUNT}

Ada kendala saat membayar? Balas saja di sini, kami bantu 😊

Salam, {{nama_cs}}""",
    ChaseStep.H3: f"""Halo {{sapaan}} {{nama_depan}}, kami mau mengingatkan pesanan {{produk}} yang belum dibayar.

{_ACCOUNT}

Masih mau dilanjutkan, {{sapaan}}? Cukup balas YA, nanti kami bantu.

Salam, {{nama_cs}}""",
    ChaseStep.H6: f"""Halo {{sapaan}} {{nama_depan}}, pesanan {{produk}} sebentar lagi kami tutup.

Batas waktu: {{batas_waktu}}
{_ACCOUNT}

Kalau ada pertanyaan atau mau ganti cara bayar, kabari kami ya {{sapaan}}.

Salam, {{nama_cs}}""",
    ChaseStep.LAST: f"""Halo {{sapaan}} {{nama_depan}}, ini pengingat terakhir untuk pesanan {{produk}}.

Batas waktu: {{batas_waktu}}
{_ACCOUNT}

Setelah itu pesanan kami tutup otomatis. Kalau masih berminat, balas pesan ini ya {{sapaan}} 🙏

Salam, {{nama_cs}}""",
}

_VARIABLE = re.compile(r"\{([^{}\n]*)\}")
_MAX_WORD = 40  # of a name
_MAX_VALUE = 120
# Longer addresses are cut off by some phones on their way into WhatsApp.
MAX_ENCODED = 4000
_CUT = quote("…")


def find_mistake(text: str) -> str | None:
    """Return the first piece of a text that looks like a variable but is none, None when all is well."""
    for found in _VARIABLE.finditer(text):
        if found[1] not in VARIABLES:
            return found[0]
    lone = re.search(r"[{}]\w{0,20}", _VARIABLE.sub("", text))
    return lone[0] if lone else None


def clean(text: str) -> str:
    """Return a typed text as it is stored: its lines kept, invisible characters dropped."""
    lines = [clean_text(line, MAX_TEXT_LENGTH) for line in text.splitlines()]
    return _without_gaps(lines)[:MAX_TEXT_LENGTH].rstrip()


def make_values(
    *,
    name: str | None,
    product: str | None,
    total: Decimal | None,
    bank: str | None,
    account_number: str | None,
    account_holder: str | None,
    due_at: datetime | None,
    cs_name: str | None,
    greeting: str,
) -> dict[str, str]:
    """Return what the variables stand for, "" for what is not known.

    Args:
        due_at: in the zone in which it is to be read; None when it is over or there is none.
        cs_name: who writes.
        others: as the order says them; buyers' text is hostile.
    """
    return {
        "nama_depan": _first_name(name),
        "sapaan": greeting,
        "produk": clean_text(product, _MAX_VALUE),
        "total": rupiah(total) if total else "",
        "bank": clean_text(bank, _MAX_VALUE),
        "nomor_rekening": clean_text(account_number, _MAX_VALUE),
        "atas_nama": clean_text(account_holder, _MAX_VALUE),
        "batas_waktu": _moment(due_at) if due_at else "",
        "nama_cs": clean_text(cs_name, _MAX_WORD),
    }


def render(text: str, values: Mapping[str, str]) -> str:
    """Fill a text in. A line whose variables are all empty is left out; values are never read for variables again."""
    return _without_gaps(_render_lines(text, values))


def chat_url(phone: str, text: str) -> str:
    """Return the address that opens WhatsApp with a text to look over and send.

    Args:
        phone: E.164 digits without plus.
        text: cut at its end when the address became too long otherwise.
    """
    return f"https://wa.me/{quote(phone, safe='')}?text={_encode(text)}"


def rupiah(amount: Decimal) -> str:
    """Return an amount as everybody in Indonesia writes it: Rp149.724."""
    return format_currency(amount, "IDR", format="¤#,##0", currency_digits=False, locale="id_ID")


def _first_name(name: str | None) -> str:
    first = split_name(name)[0][:_MAX_WORD]
    return first.title() if first.islower() or first.isupper() else first


def _moment(at: datetime) -> str:
    zone = at.tzname() or ""
    written = format_datetime(at, "EEEE, d MMMM 'pukul' HH.mm", locale="id")
    return f"{written} {zone}" if zone.isalpha() else written


def _render_lines(text: str, values: Mapping[str, str]) -> Iterator[str]:
    for line in text.splitlines():
        found = [values.get(name, "") for name in _VARIABLE.findall(line)]
        if any(found) or not found:
            filled = _VARIABLE.sub(lambda match: values.get(match[1], ""), line)
            yield filled if all(found) else _close_gaps(filled)


def _close_gaps(line: str) -> str:
    """Take out the blanks that an empty value leaves behind."""
    return re.sub(r" +([,.;:!?])", r"\1", re.sub(r" {2,}", " ", line)).strip()


def _without_gaps(lines: Iterator[str] | list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _encode(text: str) -> str:
    pieces = [quote(char, safe="", errors="replace") for char in text]
    if sum(map(len, pieces)) <= MAX_ENCODED:
        return "".join(pieces)
    room, kept = MAX_ENCODED - len(_CUT), list[str]()
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            break
        kept.append(piece)
    return "".join(kept) + _CUT
