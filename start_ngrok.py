"""Give this computer an https address by ngrok, so that ScaleV can send its webhooks here while you try the program.

`python start_ngrok.py` finds an ngrok that runs already, else starts one, and shows the address to paste into ScaleV.
It goes on until Ctrl-C. For trying out only: a shop that sells needs an address of its own (README).
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

try:
    import requests

    from config import BASE_DIR, Config, ConfigError
except ModuleNotFoundError as error:  # a python that lacks what `make run` has installed into .venv
    _folder = Path(__file__).resolve().parent / ".venv"
    _python = _folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if __name__ != "__main__":
        raise
    if Path(sys.prefix).resolve() == _folder or not _python.exists():
        sys.exit(
            f"Paket {error.name} belum terpasang. Jalankan dulu: make run, atau pip install -r requirements.txt"
            f" / The package {error.name} is missing. Run first: make run, or pip install -r requirements.txt"
        )
    if os.name != "nt":
        os.execv(_python, [str(_python), *sys.argv])  # noqa: S606 (ourselves)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other one, which ends in good order
    sys.exit(subprocess.call([str(_python), *sys.argv]))  # noqa: S603 (ourselves)

ENV_FILE = BASE_DIR / ".env"
LAST_URL_FILE = "ngrok_url.txt"  # in the instance folder
WEBHOOK_PATH = "/webhook/scalev"
# The same list as on the Settings page, which a test compares; importing it from there would load the whole program.
EVENTS_TO_TICK = (
    "order.created",
    "order.updated",
    "order.epayment_created",
    "order.payment_status_changed",
    "order.status_changed",
    "order.deleted",
    "order.spam_created",
    "payment.received",
)

AGENT = "http://127.0.0.1:4040"  # ngrok's default; it takes the next free port when this one is taken
AGENTS_TRIED = 4
ANSWER_SECONDS = 3.0
CONNECT_SECONDS = 0.5  # all on this computer; Windows would try a closed port for two seconds
START_SECONDS = 30.0
STOP_SECONDS = 5.0
POLL_SECONDS = 5.0
MISSES_ALLOWED = 3  # while ngrok reconnects, it lists no tunnel for a moment

_REACHED_AS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (names of addresses, nothing is bound here)
_LOCAL = {"localhost", "127.0.0.1", "::1", *_REACHED_AS}
_PUBLIC_URL_LINE = re.compile(rb"^([ \t]*(?:export[ \t]+)?PUBLIC_URL)[ \t]*=[^\r\n]*", re.MULTILINE)
_HTTPS_ADDRESS = re.compile(r"https://[a-z0-9.-]+(:[0-9]+)?", re.IGNORECASE)

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
INSTALL_COMMANDS = {
    "win32": "winget install ngrok -s msstore",
    "darwin": "brew install ngrok",
    "linux": "sudo snap install ngrok",
}


class Trouble(Exception):
    """What ends the helper with exit code 1: the name of a text and its values."""

    def __init__(self, name: str, **values: object) -> None:
        super().__init__(name)
        self.name = name
        self.values = values


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


@dataclass(frozen=True, slots=True)
class Target:
    """Where the program listens on this computer."""

    host: str
    port: int

    @property
    def url(self) -> str:
        host = _REACHED_AS.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def upstream(self) -> str:
        """What ngrok is told: the port alone where it means this computer."""
        return str(self.port) if self.host in _LOCAL else self.url.removeprefix("http://")

    def is_meant_by(self, upstream: str) -> bool:
        """Whether a tunnel's end (`http://localhost:5000`, `localhost:5000` or `5000`) is the program."""
        text = f"localhost:{upstream}" if upstream.isdigit() else upstream
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            port = parts.port or 80
        except ValueError:
            return False
        hosts = _LOCAL if self.host in _LOCAL else {self.host}
        return parts.scheme == "http" and port == self.port and parts.hostname in hosts


@dataclass(frozen=True, slots=True)
class Tunnel:
    """One address that an agent serves, where it leads, and the agent that said so."""

    url: str
    upstream: str
    agent: str


@dataclass(frozen=True, slots=True)
class Ngrok:
    """An ngrok that we started; its output goes to a file, because nobody reads a pipe while we wait."""

    process: "subprocess.Popen[bytes]"
    log: IO[bytes]

    def last_words(self) -> str:
        """Stop it and return its error lines, else its last lines. It shares the file's position while it runs."""
        stop(self.process)
        self.log.seek(0)
        lines = [line for line in printable(self.log.read().decode(errors="replace")).splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")]
        return "\n".join(f"    {line.rstrip()}" for line in errors or lines[-3:])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the helper.

    Returns:
        0 when the address was shown and the program answers, also after Ctrl-C; 1 when something stands in the way.
    """
    options = read_options(arguments)
    voice = Voice(options.lang)
    try:
        config = Config.from_env(dotenv=ENV_FILE)
        return run(options, config, voice)
    except ConfigError as error:
        voice.complain("bad_config", reason=error)
    except Trouble as trouble:
        voice.complain(trouble.name, **trouble.values)
        for hint in hints(str(trouble.values.get("words", ""))):
            voice.complain(hint)
    except OSError as error:  # .env or the instance folder can't be read or written
        voice.write(printable(str(error)), sys.stderr)
    except KeyboardInterrupt:
        voice.say("stopped")
        return 0
    return 1


def read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line; the language first, so that the help is in it."""
    language = argparse.ArgumentParser(add_help=False)
    language.add_argument("--lang", choices=LANGUAGES, default=LANGUAGES[0])
    voice = Voice(language.parse_known_args(arguments)[0].lang)
    parser = argparse.ArgumentParser(description=voice.text("help"))
    parser.add_argument("--port", type=int, help=voice.text("help_port"))
    parser.add_argument("--agent", default=AGENT, help=voice.text("help_agent"))
    parser.add_argument("--save", action="store_true", help=voice.text("help_save"))
    parser.add_argument("--once", action="store_true", help=voice.text("help_once"))
    parser.add_argument("--lang", choices=LANGUAGES, default=LANGUAGES[0], help=voice.text("help_lang"))
    options = parser.parse_args(arguments)
    if options.port is not None and not 1 <= options.port <= 65535:
        parser.error(voice.text("bad_port"))
    if not is_agent_address(options.agent):
        parser.error(voice.text("bad_agent"))
    return options


def is_agent_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme == "http" and bool(parts.hostname and parts.port) and parts.path in {"", "/"}
    except ValueError:
        return False


def run(options: argparse.Namespace, config: Config, voice: Voice) -> int:
    """Find or start ngrok, show its address, and watch it until Ctrl-C.

    Raises:
        Trouble: there is no address, or no longer.
        KeyboardInterrupt: Ctrl-C; an ngrok that was started here is stopped by then.
    """
    target = Target(config.host, options.port or config.port)
    program_answers = check_program(target, voice)
    show = Display(options.save, config, target, voice)
    tunnel = find_running(options.agent, target, show.last_url(), voice)
    if tunnel is not None:
        show(tunnel)
        if not options.once:
            watch(tunnel, target, show, lambda: True)
    elif options.once:
        raise Trouble("not_running", url=target.url)
    else:
        run_own(options.agent, target, show)
    return 0 if program_answers else 1


def run_own(agent: str, target: Target, show: "Display") -> None:
    """Start ngrok, show its address, and stop it in the end, whatever that is."""
    binary = find_binary()
    show.voice.say("starting", upstream=target.upstream)
    with running_ngrok(binary, target) as ngrok:
        tunnel = wait_for_tunnel(ngrok, agent, target, show.last_url())
        show(tunnel)
        watch(tunnel, target, show, lambda: ngrok.process.poll() is None)


def check_program(target: Target, voice: Voice) -> bool:
    """Say whether the program answers, and what to do when it doesn't."""
    try:
        answer = get(f"{target.url}/healthz").json()
    except ValueError:  # not JSON: it is one of requests' exceptions too, so it comes first
        answer = None
    except requests.RequestException:
        voice.say("program_silent", url=target.url)
        return False
    is_ours = isinstance(answer, dict) and "outbox" in answer
    voice.say("program_answers" if is_ours else "program_other", url=target.url)
    return is_ours


def find_running(agent: str, target: Target, last_url: str | None, voice: Voice) -> Tunnel | None:
    """Return the tunnel to the program that an agent has already; say so when it has others only."""
    tunnels = tunnels_at(agent)
    if tunnels is None:
        return None
    tunnel = choose(tunnels, target, last_url)
    if tunnel is not None:
        voice.say("found", agent=agent)
        return tunnel
    voice.say("others", agent=agent, url=target.url)
    for line in [printable(f"    {other.url} -> {other.upstream}") for other in tunnels] or ["    -"]:
        voice.write(line)
    return None


def tunnels_at(agent: str) -> list[Tunnel] | None:
    """Return an agent's tunnels, None when nothing listens there.

    Raises:
        Trouble: something listens that does not answer, or not as ngrok does
            (https://ngrok.com/docs/agent/api/#list-tunnels).
    """
    if not listens(agent):
        return None
    try:
        answer = get(f"{agent.rstrip('/')}/api/tunnels")
        document = answer.json() if answer.ok else None
    except ValueError:
        document = None
    except requests.RequestException as error:
        raise Trouble("agent_silent", agent=agent) from error
    rows = document.get("tunnels") if isinstance(document, dict) else None
    if not isinstance(rows, list):
        raise Trouble("agent_garbage", agent=agent)
    return [tunnel for row in rows if (tunnel := read_tunnel(row, agent))]


def read_tunnel(row: object, agent: str) -> Tunnel | None:
    """Read one entry of the agent's list; entries of kinds we don't know are passed over."""
    if not isinstance(row, dict):
        return None
    settings = row.get("config")
    url, upstream = row.get("public_url"), settings.get("addr") if isinstance(settings, dict) else None
    return Tunnel(url, upstream, agent) if isinstance(url, str) and isinstance(upstream, str) else None


def choose(tunnels: Sequence[Tunnel], target: Target, last_url: str | None) -> Tunnel | None:
    """Return the https tunnel that leads to the program; of several the one shown last time."""
    ours = [row for row in tunnels if _HTTPS_ADDRESS.fullmatch(row.url) and target.is_meant_by(row.upstream)]
    return next((row for row in ours if row.url == last_url), ours[0] if ours else None)


def listens(address: str) -> bool:
    """Whether anything accepts connections there."""
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def get(url: str) -> requests.Response:
    """Ask something on this computer, past any proxy that the environment names."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=ANSWER_SECONDS, allow_redirects=False)


def find_binary() -> str:
    """Return where ngrok is installed.

    Raises:
        Trouble: nowhere; with what to do on this system.
    """
    binary = shutil.which("ngrok")
    if binary is None:
        raise Trouble("not_installed", command=INSTALL_COMMANDS.get(sys.platform, INSTALL_COMMANDS["linux"]))
    return binary


@contextlib.contextmanager
def running_ngrok(binary: str, target: Target) -> Iterator[Ngrok]:
    """Run `ngrok http`, until the block ends."""
    with tempfile.TemporaryFile() as log:
        command = [binary, "http", target.upstream, "--log", "stdout"]
        try:
            process = subprocess.Popen(  # noqa: S603 (the user's own ngrok, with a checked port)
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise Trouble("cannot_start", reason=error.strerror) from error
        try:
            yield Ngrok(process, log)
        finally:
            stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End ngrok, in good order if it will."""
    if os.name != "nt":  # there terminate() is a kill, and Ctrl-C has reached ngrok already
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        process.kill()
        process.wait()


def wait_for_tunnel(ngrok: Ngrok, agent: str, target: Target, last_url: str | None) -> Tunnel:
    """Wait until the ngrok that was just started has its address.

    Raises:
        Trouble: it ended, or took too long; with what it said.
    """
    deadline = time.monotonic() + START_SECONDS
    while ngrok.process.poll() is None and time.monotonic() < deadline:
        for address in agents_from(agent):
            tunnel = look(address, target, last_url)
            if tunnel is not None:
                return tunnel
        time.sleep(0.2)
    name = "slow" if ngrok.process.poll() is None else "failed"
    raise Trouble(name, words=ngrok.last_words(), seconds=START_SECONDS)


def agents_from(first: str) -> list[str]:
    """Return where an agent may be: it takes the next free port when another holds the first."""
    parts = urlsplit(first)
    port = parts.port or 80
    return [f"http://{parts.netloc.rpartition(':')[0]}:{port + step}" for step in range(AGENTS_TRIED)]


def look(agent: str, target: Target, last_url: str | None) -> Tunnel | None:
    """Return the tunnel to the program at one agent; none also when the agent makes no sense now."""
    try:
        return choose(tunnels_at(agent) or [], target, last_url)
    except Trouble:
        return None


def watch(tunnel: Tunnel, target: Target, show: "Display", is_running: Callable[[], bool]) -> None:
    """Watch until Ctrl-C; show the address again when it changes.

    Raises:
        Trouble: the tunnel is gone for good.
    """
    show.voice.say("running")
    misses = 0
    while misses < MISSES_ALLOWED and is_running():
        time.sleep(POLL_SECONDS)
        current = look(tunnel.agent, target, tunnel.url)
        misses = 0 if current else misses + 1
        if current is not None and current.url != tunnel.url:
            tunnel = current
            show(tunnel)
    raise Trouble("lost")


@dataclass(frozen=True, slots=True)
class Display:
    """Shows an address and what to do with it, and remembers it for the next time."""

    saves: bool
    config: Config
    target: Target
    voice: Voice

    def __call__(self, tunnel: Tunnel) -> None:
        say = self.voice.say
        last_url = self.last_url()
        say("address", url=tunnel.url + WEBHOOK_PATH)
        if last_url not in {None, tunnel.url}:
            say("changed", old=last_url)
        say("paste")
        for name in EVENTS_TO_TICK:
            self.voice.write(f"    {name}")
        say("test_event")
        say("free_plan")
        if not self.config.trusted_proxies:
            say("proxy_hint")
        self._save_or_advise(tunnel.url)
        self._remember(tunnel.url)

    def last_url(self) -> str | None:
        """Return the address shown last time."""
        try:
            text = self._file.read_text(encoding="ascii", errors="replace").strip()
        except FileNotFoundError:
            return None
        return text if _HTTPS_ADDRESS.fullmatch(text) else None

    def _save_or_advise(self, url: str) -> None:
        if self.saves:
            save_public_url(url)
            self.voice.say("saved", url=url, port=self.target.port)
            if Config.from_env(dotenv=ENV_FILE).public_url != url:
                self.voice.say("environment_wins")
        elif self.config.public_url != url:
            self.voice.say("save_hint")

    def _remember(self, url: str) -> None:
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file.write_text(f"{url}\n", encoding="ascii")

    @property
    def _file(self) -> Path:
        return self.config.instance_path / LAST_URL_FILE


def save_public_url(url: str) -> None:
    """Write PUBLIC_URL into `.env`; other lines and the file's mode stay, a new file is for its owner only."""
    path = ENV_FILE.resolve()  # the file itself where `.env` is a link
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(with_public_url(path.read_bytes() if path.exists() else b"", url.encode("ascii")))
        if path.exists():
            shutil.copymode(path, draft)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def with_public_url(content: bytes, url: bytes) -> bytes:
    """Return the content of a `.env` file with this PUBLIC_URL, in the place of an older one or at the end."""
    changed, found = _PUBLIC_URL_LINE.subn(lambda match: match[1] + b"=" + url, content)
    if found:
        return changed
    line_end = b"\r\n" if b"\r\n" in content else b"\n"
    before = content if content.endswith(b"\n") or not content else content + line_end
    return before + b"PUBLIC_URL=" + url + line_end


def hints(words: str) -> list[str]:
    """Return what ngrok's own words mean, for the two failures that everybody meets (https://ngrok.com/docs/errors)."""
    if "authtoken" in words or "ERR_NGROK_4018" in words:
        return ["hint_token"]
    return ["hint_busy"] if re.search(r"ERR_NGROK_(108|334)\b", words) else []


def printable(text: str) -> str:
    """Return foreign text as any console can show it, without control characters."""
    return "".join(char if char in "\n" or " " <= char <= "~" else "?" for char in text.expandtabs())


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us with Ctrl-C switched off
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
