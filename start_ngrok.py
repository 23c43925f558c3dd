"""Give this computer an https address by ngrok, so that ScaleV can send its webhooks here while you try the program.

`python start_ngrok.py` finds an ngrok that runs already, else starts one, and shows the address to paste into ScaleV.
It goes on until Ctrl-C. For trying out only: a shop that sells needs an address of its own (README).
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

try:
    from config import BASE_DIR, Config, ConfigError
    from tunnel.agent import (
        AGENT,
        HTTPS_ADDRESS,
        Target,
        Trouble,
        Tunnel,
        check_program,
        find_running,
        is_agent_address,
        look,
    )
    from tunnel.process import find_binary, hints, running_ngrok, wait_for_tunnel
    from tunnel.texts import LANGUAGES, Voice, printable
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

POLL_SECONDS = 5.0
MISSES_ALLOWED = 3  # while ngrok reconnects, it lists no tunnel for a moment

_PUBLIC_URL_LINE = re.compile(rb"^([ \t]*(?:export[ \t]+)?PUBLIC_URL)[ \t]*=[^\r\n]*", re.MULTILINE)


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
        return text if HTTPS_ADDRESS.fullmatch(text) else None

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


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us with Ctrl-C switched off
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
