"""What the ngrok helper says, in both languages."""

import sys
from typing import IO

LANGUAGES = ("id", "en")
# Plain ASCII, because a Windows console may know nothing else.
TEXTS: dict[str, tuple[str, str]] = {
    "help": (
        "Memberi komputer ini alamat https lewat ngrok, supaya ScaleV bisa mengirim webhook ke sini.",
        "Gives this computer an https address by ngrok, so that ScaleV can send its webhooks here.",
    ),
    "help_port": ("port aplikasi; tanpa ini: PORT dari .env", "the program's port; without it: PORT of .env"),
    "help_agent": ("alamat antarmuka ngrok, bawaan %(default)s", "ngrok's own interface, %(default)s if not given"),
    "help_save": ("simpan alamatnya sebagai PUBLIC_URL di .env", "save the address as PUBLIC_URL in .env"),
    "help_once": (
        "hanya tampilkan alamat ngrok yang sedang berjalan, lalu selesai",
        "only show the address of an ngrok that runs already, then end",
    ),
    "help_lang": ("bahasa: id atau en", "language: id or en"),
    "bad_port": ("port harus angka 1 sampai 65535", "a port is a whole number from 1 to 65535"),
    "bad_agent": (
        "alamat ngrok harus seperti http://127.0.0.1:4040",
        "ngrok's interface is an address like http://127.0.0.1:4040",
    ),
    "bad_config": ("Konfigurasi: {reason}", "Configuration: {reason}"),
    "program_answers": ("Aplikasi menjawab di {url}.", "The program answers at {url}."),
    "program_silent": (
        "PERHATIAN: aplikasi belum menjawab di {url}.\n"
        "  Jalankan di jendela lain: make run (tanpa make: python app.py)\n"
        "  Kalau aplikasi memakai port lain, ulangi dengan --port ANGKA.",
        "WARNING: the program does not answer at {url} yet.\n"
        "  Start it in another window: make run (without make: python app.py)\n"
        "  If it uses another port, run this again with --port NUMBER.",
    ),
    "program_other": (
        "PERHATIAN: yang menjawab di {url} bukan aplikasi ini.\n"
        "  Hentikan program itu, atau pilih port lain: tulis PORT=5050 di .env, lalu jalankan ulang aplikasi.",
        "WARNING: what answers at {url} is another program.\n"
        "  Stop that one, or choose another port: write PORT=5050 in .env and start the program again.",
    ),
    "found": ("ngrok sudah berjalan ({agent}).", "ngrok runs already ({agent})."),
    "starting": ("Menjalankan: ngrok http {upstream} ...", "Starting: ngrok http {upstream} ..."),
    "others": (
        "ngrok di {agent} sudah berjalan, tetapi tidak punya alamat https yang menuju {url}:",
        "ngrok at {agent} runs already, but has no https address that leads to {url}:",
    ),
    "agent_silent": (
        "Ada yang berjalan di {agent}, tetapi tidak menjawab. Tutup ngrok itu lalu coba lagi, atau pakai --agent kalau "
        "antarmuka ngrok ada di alamat lain.",
        "Something runs at {agent} but does not answer. Close that ngrok and try again, or use --agent if ngrok's "
        "interface is at another address.",
    ),
    "agent_garbage": (
        "Jawaban dari {agent} bukan jawaban ngrok. Mungkin program lain memakai port itu: tutup program itu, atau "
        "pakai --agent kalau antarmuka ngrok ada di alamat lain.",
        "The answer from {agent} is not ngrok's. Perhaps another program uses that port: close it, or use --agent if "
        "ngrok's interface is at another address.",
    ),
    "not_running": (
        "Tidak ada ngrok yang menuju {url}. Jalankan tanpa --once supaya ngrok dijalankan.",
        "No ngrok leads to {url}. Run this without --once to have it started.",
    ),
    "not_installed": (
        "ngrok belum terpasang di komputer ini.\n"
        "  1. Pasang:   {command}\n"
        "     (cara lain: https://ngrok.com/download)\n"
        "  2. Buat akun gratis: https://dashboard.ngrok.com/signup\n"
        "  3. Salin authtoken dari https://dashboard.ngrok.com/get-started/your-authtoken lalu jalankan:\n"
        "     ngrok config add-authtoken TOKEN_ANDA\n"
        "  4. Buka jendela baru dan ulangi: python start_ngrok.py",
        "ngrok is not installed on this computer.\n"
        "  1. Install it:   {command}\n"
        "     (other ways: https://ngrok.com/download)\n"
        "  2. Make a free account: https://dashboard.ngrok.com/signup\n"
        "  3. Copy the authtoken from https://dashboard.ngrok.com/get-started/your-authtoken and run:\n"
        "     ngrok config add-authtoken YOUR_TOKEN\n"
        "  4. Open a new window and run again: python start_ngrok.py",
    ),
    "cannot_start": ("ngrok tidak bisa dijalankan: {reason}", "ngrok can't be started: {reason}"),
    "failed": (
        "ngrok berhenti sebelum alamatnya ada. Katanya:\n{words}",
        "ngrok ended before it had an address. It said:\n{words}",
    ),
    "slow": (
        "ngrok tidak memberi alamat dalam {seconds:.0f} detik. Periksa sambungan internet. Katanya:\n{words}",
        "ngrok gave no address within {seconds:.0f} seconds. Check the internet connection. It said:\n{words}",
    ),
    "lost": (
        "Alamat ngrok sudah tidak ada; webhook tidak sampai lagi. Jalankan lagi: python start_ngrok.py",
        "The ngrok address is gone; webhooks no longer arrive. Run again: python start_ngrok.py",
    ),
    "hint_token": (
        "  Artinya authtoken belum dipasang atau salah. Salin dari\n"
        "  https://dashboard.ngrok.com/get-started/your-authtoken lalu jalankan: ngrok config add-authtoken TOKEN_ANDA",
        "  That means: the authtoken is missing or wrong. Copy it from\n"
        "  https://dashboard.ngrok.com/get-started/your-authtoken and run: ngrok config add-authtoken YOUR_TOKEN",
    ),
    "hint_busy": (
        "  Artinya ngrok lain memakai alamat Anda. Hentikan ngrok itu (di komputer mana pun), lalu coba lagi.",
        "  That means: another ngrok uses your address. Stop that one (on whichever computer), then try again.",
    ),
    "address": ("\nAlamat webhook untuk ScaleV:\n\n    {url}\n", "\nWebhook address for ScaleV:\n\n    {url}\n"),
    "changed": (
        "PERHATIAN: alamatnya berubah. Dulu {old}\n  Ganti alamat di ScaleV, kalau tidak webhook tidak sampai.\n",
        "WARNING: the address has changed. It was {old}\n  Change it at ScaleV, or webhooks will not arrive.\n",
    ),
    "paste": (
        "Tempel di ScaleV: Settings > Developers > Webhooks, lalu centang event ini:",
        "Paste it at ScaleV: Settings > Developers > Webhooks, and tick these events:",
    ),
    "test_event": (
        "Simpan di sana dalam keadaan aktif: ScaleV langsung mengirim webhook uji (business.test_event).\n"
        "Signing Secret dari halaman itu harus sama dengan yang ada di halaman Pengaturan aplikasi.\n",
        "Save there with the switch on: ScaleV at once sends a test webhook (business.test_event).\n"
        "The Signing Secret on that page must be the one on the program's Settings page.\n",
    ),
    "free_plan": (
        "ngrok gratis: satu alamat tetap (nama.ngrok-free.dev) yang tidak berubah; 20.000 permintaan sebulan; browser\n"
        "melihat halaman peringatan lebih dulu, webhook tidak. Cukup untuk mencoba, bukan untuk toko yang berjalan.",
        "Free ngrok: one fixed address (name.ngrok-free.dev) that stays the same; 20,000 requests a month; browsers\n"
        "see a warning page first, webhooks do not. Enough for trying out, not for a running shop.",
    ),
    "proxy_hint": (
        "Saran: tulis TRUSTED_PROXIES=1 di .env selama memakai ngrok, supaya aplikasi tahu alamat asli pengunjung.",
        "Advice: write TRUSTED_PROXIES=1 in .env while you use ngrok, so that the program knows visitors' addresses.",
    ),
    "save_hint": (
        "Supaya halaman Pengaturan menampilkan alamat ini: python start_ngrok.py --save",
        "To have the Settings page show this address: python start_ngrok.py --save",
    ),
    "saved": (
        "PUBLIC_URL={url} disimpan di .env. Jalankan ulang aplikasi supaya dipakai.\n"
        "  Dengan https, cookie menjadi Secure: buka aplikasi lewat alamat itu atau http://localhost:{port}.",
        "PUBLIC_URL={url} is saved in .env. Start the program again to have it used.\n"
        "  With https, cookies become Secure: open the pages by that address or by http://localhost:{port}.",
    ),
    "environment_wins": (
        "PERHATIAN: variabel lingkungan PUBLIC_URL berisi lain dan mengalahkan .env. Hapus variabel itu.",
        "WARNING: the environment variable PUBLIC_URL says something else and wins over .env. Remove that variable.",
    ),
    "running": (
        "Biarkan jendela ini terbuka. Berhenti dengan Ctrl-C.\n",
        "Keep this window open. Stop with Ctrl-C.\n",
    ),
    "stopped": (
        "\nSelesai. ngrok yang dijalankan skrip ini sudah dihentikan; yang berjalan sebelumnya dibiarkan.",
        "\nDone. An ngrok that this script started is stopped; one that ran before was left running.",
    ),
}


class Voice:
    """Speaks one of the two languages."""

    def __init__(self, language: str) -> None:
        self._column = LANGUAGES.index(language)

    def text(self, name: str, **values: object) -> str:
        text = TEXTS[name][self._column]
        return text.format(**values) if values else text

    def say(self, name: str, **values: object) -> None:
        self.write(self.text(name, **values))

    def write(self, line: str, stream: IO[str] | None = None) -> None:
        stream = stream or sys.stdout
        stream.write(f"{line}\n")
        stream.flush()  # a window of an editor shows nothing until then

    def complain(self, name: str, **values: object) -> None:
        self.write(self.text(name, **values), sys.stderr)


def printable(text: str) -> str:
    """Return foreign text as any console can show it, without control characters."""
    return "".join(char if char in "\n" or " " <= char <= "~" else "?" for char in text.expandtabs())
