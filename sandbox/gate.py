"""What every vendor call passes on its way in and out: the failure switches and the call log."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Response, g, request
from werkzeug.datastructures import MultiDict

from sandbox.clock import read_clock
from sandbox.state import LoggedCall, Sandbox, get_sandbox
from sandbox.switches import MODES, Call, Switch

# Modes that a view looks at itself, because they depend on what it finds.
VIEW_MODES = frozenset({"already_exists"})
HTML_PAGE = "<!doctype html><html><head><title>Sandbox</title></head><body><h1>{}</h1></body></html>"
SECRET_FIELDS = frozenset({"api_token"})


@dataclass(frozen=True)
class Gate:
    """`refuse` makes the vendor's own answer for the modes that are not common to both."""

    vendor: str
    refuse: Callable[[Switch], Response]
    describe_call: Callable[[], Call]

    def enter(self) -> Response | None:
        """Before the view: wait if told to be slow, then misbehave if told to."""
        sandbox, call = get_sandbox(), self.describe_call()
        g.switch = None
        with sandbox.lock:
            slow = sandbox.switchboard.take(call, {"slow"})
            g.switch = sandbox.switchboard.take(call, _modes_for(call))
        if slow:
            time.sleep(slow.seconds)
        g.slow = slow
        return self._misbehave(g.switch) if g.switch else None

    def leave(self, response: Response) -> Response:
        """After the view: log the call, and close the socket if told to drop the answer."""
        switch: Switch | None = g.get("switch")
        is_dropped = switch is not None and switch.mode in ("drop", "drop_after")
        named = switch or g.get("slow")
        _log_call(get_sandbox(), self.vendor, None if is_dropped else response.status_code, named)
        if is_dropped:
            _close_socket()
        return response

    def _misbehave(self, switch: Switch) -> Response | None:
        """The answer of a switch, or None when the view shall do its work all the same."""
        match switch.mode:
            case "html":
                return make_page("Maintenance", 200)
            case "redirect":
                response = make_page("Moved Permanently", 301)
                response.headers["Location"] = f"/{self.vendor}/"
                return response
            case "rate_limit":
                response = Response("Too Many Requests", 429, content_type="text/plain")
                if switch.retry_after is not None:
                    response.headers["Retry-After"] = str(switch.retry_after)
                return response
            case "server_error":
                return Response("Internal Server Error", 500, content_type="text/plain")
            case "drop":
                return Response(status=500)
            case "drop_after":
                return None
            case _:
                return self.refuse(switch)


def make_page(title: str, status: int) -> Response:
    return Response(HTML_PAGE.format(title), status, content_type="text/html; charset=utf-8")


def take_switch(call: Call, mode: str) -> Switch | None:
    """For a view: use up a switch of its own modes."""
    sandbox = get_sandbox()
    with sandbox.lock:
        return sandbox.switchboard.take(call, {mode})


def _modes_for(call: Call) -> frozenset[str]:
    modes = MODES[call.vendor] - VIEW_MODES - {"slow"}
    # Reading the lists costs nothing, so an empty account can still do it.
    return modes - {"no_credits"} if call.path.endswith("/viewlist") else modes


def _log_call(sandbox: Sandbox, vendor: str, status: int | None, switch: Switch | None) -> None:
    with sandbox.lock:
        sandbox.calls.append(
            LoggedCall(
                id=next(sandbox.call_ids),
                vendor=vendor,
                method=request.method,
                path=request.path,
                query=_redact(request.args),
                form=_redact(request.form),
                at=read_clock().isoformat(),
                status=status,
                switch=switch.mode if switch else None,
            )
        )


def _redact(fields: MultiDict[str, str]) -> dict[str, str]:
    return {name: "***" if name in SECRET_FIELDS else value for name, value in fields.items()}


def _close_socket() -> None:
    """Hang up for real: werkzeug puts the connection in the environ, and its later write then fails quietly."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.shutdown(socket.SHUT_RDWR)
