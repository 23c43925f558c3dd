"""An ngrok that the helper starts itself, and stops in the end."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from tunnel.agent import Target, Trouble, Tunnel, agents_from, look
from tunnel.texts import printable

START_SECONDS = 30.0
STOP_SECONDS = 5.0
INSTALL_COMMANDS = {
    "win32": "winget install ngrok -s msstore",
    "darwin": "brew install ngrok",
    "linux": "sudo snap install ngrok",
}


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


def hints(words: str) -> list[str]:
    """Return what ngrok's own words mean, for the two failures that everybody meets (https://ngrok.com/docs/errors)."""
    if "authtoken" in words or "ERR_NGROK_4018" in words:
        return ["hint_token"]
    return ["hint_busy"] if re.search(r"ERR_NGROK_(108|334)\b", words) else []
