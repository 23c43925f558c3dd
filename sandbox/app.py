"""Puts the stand-ins together: the Flask program, and a real server for it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from sandbox import control, mailketing, pages, scalev, scalev_legacy
from sandbox.state import Sandbox


def create_app(sandbox: Sandbox) -> Flask:
    """The two vendors, the control API and the demo page over one state."""
    app = Flask(__name__)
    app.extensions["sandbox"] = sandbox
    app.json.ensure_ascii = False  # type: ignore[attr-defined]  # the default provider has it
    # ScaleV's keys have an order that reads well; alphabetical would scatter it.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    for module in (scalev_legacy, scalev, mailketing, control, pages):
        app.register_blueprint(module.bp)
    return app


class _Handler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: `GET /_control/calls` is the log."""


def build_server(sandbox: Sandbox, host: str = "127.0.0.1", port: int = 0) -> BaseWSGIServer:
    """A listening server, one thread per connection; port 0 picks a free one. Raises OSError if it is taken."""
    # make_server ends the program on a taken port, so bind first and let the caller decide. It copies the descriptor.
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    with listener:
        port = listener.getsockname()[1]
        return make_server(
            host, port, create_app(sandbox), threaded=True, request_handler=_Handler, fd=listener.fileno()
        )


@contextmanager
def serve_in_thread(sandbox: Sandbox) -> Iterator[str]:
    """Serve on a free loopback port for the length of a `with`; gives the base address."""
    server = build_server(sandbox)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
