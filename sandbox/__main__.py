"""`python -m sandbox`: serve until SIGTERM or Ctrl-C."""

import argparse
import signal
import sys
from types import FrameType

from sandbox.app import build_server
from sandbox.state import Sandbox, Settings
from sandbox.texts import LANGUAGES
from sandbox.webhooks import Target


def read_port(text: str) -> int:
    """Raises ArgumentTypeError, which argparse turns into a usage line."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="A stand-in for ScaleV and Mailketing.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=read_port, default=5051, help="0 picks a free one")
    parser.add_argument("--webhook-url", help="where webhooks go, e.g. http://127.0.0.1:5000/webhook/scalev")
    parser.add_argument("--webhook-secret", default=defaults.webhook.secret)
    parser.add_argument("--scalev-key", default=defaults.scalev_key)
    parser.add_argument("--mailketing-token", default=defaults.mailketing_token)
    parser.add_argument(
        "--lang",
        choices=LANGUAGES,
        default=defaults.lang,
        help="for browsers that ask for neither",
    )
    parser.add_argument("--big", action="store_true", help="a catalogue that needs several pages")
    return parser.parse_args(arguments)


def stop(signal_number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> int:
    options = read_arguments()
    target = Target(options.webhook_url, options.webhook_secret)
    settings = Settings(options.scalev_key, options.mailketing_token, target, options.lang, options.big)
    try:
        server = build_server(Sandbox(settings), options.host, options.port)
    except OSError as error:
        sys.stderr.write(f"sandbox cannot listen on {options.host}:{options.port}: {error.strerror}\n")
        return 1
    signal.signal(signal.SIGTERM, stop)
    host = f"[{options.host}]" if ":" in options.host else options.host
    sys.stdout.write(f"sandbox listening on http://{host}:{server.port}\n")
    sys.stdout.flush()
    # werkzeug returns quietly on Ctrl-C and closes the socket in either case.
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
