"""The demo page's words, in Indonesian and English."""

_TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Sandbox ScaleV & Mailketing", "ScaleV & Mailketing sandbox"),
    "intro": (
        "Ini bukan ScaleV dan bukan Mailketing. Halaman ini hanya tiruan di komputer Anda untuk mencoba aplikasi: "
        "pembeli, pesanan, dan daftar email di sini tidak nyata, dan tidak ada email yang terkirim.",
        "This is neither ScaleV nor Mailketing. It is a stand-in on your own computer for trying the app: the buyers, "
        "orders and mail lists here are not real, and no mail is ever sent.",
    ),
    "steps": (
        "Buat pesanan, lihat webhook-nya tiba di aplikasi, lalu bayar atau biarkan lewat 7 hari.",
        "Make an order, watch its webhook reach the app, then pay it or let it grow older than 7 days.",
    ),
    "expiry": (
        "Supaya pesanan kedaluwarsa: centang “Berumur 8 hari” saat membuatnya dan biarkan tidak dibayar. Aplikasi "
        "memindahkannya ke Tidak Closing pada pengecekan berikutnya; di demo setiap menit.",
        "To see an order expire: tick “8 days old” when you make it and leave it unpaid. The app moves it to Not "
        "closing at its next check; in the demo that is every minute.",
    ),
    "open_app": ("Buka aplikasi", "Open the app"),
    "no_webhook": (
        "Alamat webhook belum diatur, jadi tidak ada yang dikirim ke aplikasi.",
        "No webhook address is set, so nothing is sent to the app.",
    ),
    "webhook_to": ("Webhook dikirim ke", "Webhooks go to"),
    "new_order": ("Buat pesanan", "Make an order"),
    "name": ("Nama pembeli", "Buyer's name"),
    "email": ("Email (boleh kosong)", "E-mail (may be empty)"),
    "product": ("Produk", "Product"),
    "method": ("Cara bayar", "Payment method"),
    "old": ("Berumur 8 hari", "8 days old"),
    "create": ("Buat pesanan", "Make the order"),
    "samples": ("Isi dengan contoh 30 hari", "Fill with 30 days of examples"),
    "test_event": ("Kirim webhook uji", "Send the test webhook"),
    "orders": ("Pesanan terbaru", "Recent orders"),
    "no_orders": ("Belum ada pesanan.", "No orders yet."),
    "order": ("Pesanan", "Order"),
    "buyer": ("Pembeli", "Buyer"),
    "status": ("Status", "Status"),
    "actions": ("Tindakan", "Actions"),
    "pay": ("Bayar", "Pay"),
    "settle": ("Settle", "Settle"),
    "cancel": ("Batalkan", "Cancel"),
    "ship": ("Kirim", "Ship"),
    "complete": ("Selesai", "Complete"),
    "delete": ("Hapus", "Delete"),
    "spam": ("Spam", "Spam"),
    "unspam": ("Bukan spam", "Not spam"),
    "is_spam": ("spam", "spam"),
    "without_email": ("tanpa email", "no e-mail"),
    "events": ("Webhook terakhir", "Latest webhooks"),
    "no_events": ("Belum ada webhook.", "No webhooks yet."),
    "not_sent": ("tidak dikirim", "not sent"),
    "no_answer": ("tidak ada jawaban", "no answer"),
    "answered": ("dijawab", "answered"),
    "resend": ("Kirim ulang yang terakhir", "Send the last one again"),
    "lists": ("Daftar Mailketing", "Mailketing lists"),
    "empty_list": ("Belum ada pelanggan.", "No subscribers yet."),
    "subscribers": ("pelanggan", "subscribers"),
    "times": ("kali", "times"),
    "switches": ("Saklar gangguan", "Failure switches"),
    "switches_help": (
        "Buat ScaleV atau Mailketing tiruan ini gagal, untuk melihat bagaimana aplikasi menghadapinya.",
        "Make this stand-in fail, to see how the app copes.",
    ),
    "mode": ("Gangguan", "Failure"),
    "how_often": ("Berapa kali (kosong = terus)", "How many times (empty = always)"),
    "turn_on": ("Nyalakan", "Turn on"),
    "turn_off": ("Matikan semua", "Turn all off"),
    "all_well": ("Semua berjalan normal.", "Everything works normally."),
    "left": ("sisa", "left"),
    "draft": ("belum memilih (draft)", "not chosen yet (draft)"),
    "problem": ("Tidak bisa", "Not possible"),
}
LANGUAGES = ("id", "en")


def translate(name: str, lang: str) -> str:
    """The text in Indonesian or English. Raises KeyError for a text that does not exist."""
    return _TEXTS[name][LANGUAGES.index(lang)]
