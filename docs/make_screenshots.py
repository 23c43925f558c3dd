"""Takes the README's pictures: `python docs/make_screenshots.py`.

Starts the demo on free ports in a folder of its own, logs in with Debian's Chromium and overwrites `docs/screenshots/`.
"""

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "screenshots"
CHROMIUM = "/usr/bin/chromium"
EMAIL, PASSWORD = "demo@example.com", "demo-demo"  # as the demo prints them
READY = "Sample data is in"
START_SECONDS = 120
MAX_BYTES = 150_000

DESK = {"width": 1200, "height": 760}
WIDE = {"width": 1280, "height": 560}
PHONE = {"width": 390, "height": 760}


@dataclass(frozen=True, slots=True)
class Picture:
    """One file: a page in one language, size and light; `link` is what to press there first."""

    name: str
    path: str
    size: dict[str, int]
    scheme: Literal["light", "dark"]
    language: str = "id"
    link: str | None = None


PICTURES = (
    Picture("dashboard.en", "/", DESK, "light", "en"),
    Picture("dashboard.id", "/", DESK, "light"),
    Picture("leads-dark", "/leads?status=follow_up", WIDE, "dark"),
    Picture("lead-phone", "/leads?status=not_closing", PHONE, "light", link="main a[href^='/leads/']"),
)


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    with demo() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for picture in PICTURES:
            take(browser, url, picture)
        browser.close()


@contextmanager
def demo() -> Iterator[str]:
    """Run the demo until the pictures are taken; yield its address once its sample data is there."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"INSTANCE_PATH": folder, "PORT": str(port), "HOST": "127.0.0.1"}
        command = [sys.executable, "app.py", "--demo"]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603
        watchdog = threading.Timer(START_SECONDS, process.kill)
        watchdog.start()
        try:
            if not any(READY in line for line in process.stdout or ()):
                raise SystemExit("The demo did not start.")
            watchdog.cancel()
            yield f"http://127.0.0.1:{port}"
        finally:
            watchdog.cancel()
            process.terminate()
            process.wait(timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def take(browser: Browser, url: str, picture: Picture) -> None:
    """Take one picture in a browser context of its own, so that neither language nor session is left over."""
    context = browser.new_context(
        viewport={"width": picture.size["width"], "height": picture.size["height"]},
        color_scheme=picture.scheme,
        locale="en-GB" if picture.language == "en" else "id-ID",
        timezone_id="Asia/Jakarta",
        reduced_motion="reduce",
    )
    context.add_cookies([{"name": "language", "value": picture.language, "url": url}])
    page = context.new_page()
    log_in(page, url)
    page.goto(url + picture.path)
    if picture.link:
        page.locator(picture.link).first.click()
        page.wait_for_load_state("networkidle")
    file = TARGET / f"{picture.name}.png"
    page.screenshot(path=file)
    context.close()
    if file.stat().st_size > MAX_BYTES:
        raise SystemExit(f"{file.name} has {file.stat().st_size} bytes; make its page shorter or its size smaller.")
    sys.stdout.write(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} kB\n")


def log_in(page: Page, url: str) -> None:
    page.goto(f"{url}/login")
    page.fill("[name=email]", EMAIL)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{url}/")


if __name__ == "__main__":
    main()
