"""The ngrok helper against a stand-in agent and a stand-in ngrok, and the commands that the webhook guides show."""

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

import start_ngrok
from config import Config
from routes.dashboard import EVENTS_TO_TICK
from start_ngrok import LAST_URL_FILE, main, save_public_url
from tests.processes import (
    ROOT,
    SHARED_SECRET,
    Output,
    Server,
    environment,
    free_port,
    run_python,
    running,
    wait_until,
)
from tunnel import agent as ngrok_agent
from tunnel import process as ngrok_process
from tunnel.agent import AGENTS_TRIED, Target
from tunnel.process import hints, stop
from tunnel.texts import TEXTS, printable

URL = "https://toko-madu.ngrok-free.dev"
OTHER_URL = "https://toko-lain.ngrok-free.dev"
WEBHOOK_URL = f"{URL}/webhook/scalev"
GUIDES = ("WEBHOOK_TESTING.md", "WEBHOOK_TESTING.id.md")


def tunnel(url: str, upstream: str) -> dict[str, Any]:
    """As ngrok's agent lists it (https://ngrok.com/docs/agent/api/#list-tunnels)."""
    return {
        "name": "command_line",
        "uri": "/api/tunnels/command_line",
        "public_url": url,
        "proto": url.partition(":")[0],
        "config": {"addr": upstream, "inspect": True},
        "metrics": {"conns": {"count": 0}, "http": {"count": 0}},
    }


class Machine:
    """This computer as the helper finds it: an ngrok agent and the program (one server, other paths), and `.env`."""

    def __init__(self, folder: Path, server: HTTPServer, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.port = server.port
        self.agent = f"http://127.0.0.1:{server.port}"
        self.dotenv = folder / ".env"
        self.last_url_file = folder / "instance" / LAST_URL_FILE
        self.tunnels: list[Any] = []
        self.later: list[list[Any]] = []  # what the agent lists from its second answer on, one list for each answer
        self.agent_answer: Response | None = None
        self.program_answer = Response('{"status": "ok", "outbox": {}}', content_type="application/json")
        self._capsys = capsys
        server.expect_request("/api/tunnels").respond_with_handler(self._list_tunnels)
        server.expect_request("/healthz").respond_with_handler(lambda _: self.program_answer)
        self.write()

    def _list_tunnels(self, _request: Request) -> Response:
        listing, self.tunnels = self.tunnels, self.later.pop(0) if self.later else self.tunnels
        return self.agent_answer or Response(json.dumps({"tunnels": listing}), content_type="application/json")

    def write(self, *lines: str) -> None:
        """Make `.env`."""
        self.dotenv.write_text(
            "\n".join([f"PORT={self.port}", f"INSTANCE_PATH={self.folder / 'instance'}", *lines, ""])
        )

    def ours(self, url: str = URL) -> dict[str, Any]:
        return tunnel(url, f"http://localhost:{self.port}")

    def run(self, *arguments: str, lang: str = "en") -> Output:
        code = main(["--agent", self.agent, "--lang", lang, *arguments])
        said = self._capsys.readouterr()
        return Output(code, said.out, said.err)

    def once(self, *arguments: str, lang: str = "en") -> Output:
        return self.run("--once", *arguments, lang=lang)


@pytest.fixture
def machine(
    tmp_path: Path, httpserver: HTTPServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Machine:
    """Nothing set in the environment, no ngrok on PATH, the test's own `.env`, and no waiting."""
    for name in Config.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(start_ngrok, "ENV_FILE", tmp_path / ".env")
    monkeypatch.setattr(start_ngrok, "POLL_SECONDS", 0.01)
    return Machine(tmp_path, httpserver, capsys)


# --- An ngrok that runs already ------------------------------------------------------------------------------------


def test_the_address_to_paste_and_the_events_to_tick_are_shown(machine: Machine) -> None:
    machine.tunnels = [machine.ours()]
    done = machine.once()
    assert done.code == 0
    assert f"    {WEBHOOK_URL}\n" in done.out
    assert "Settings > Developers > Webhooks" in done.out
    assert [line.strip() for line in done.out.splitlines() if re.match(r" {4}(order|payment)\.", line)] == [
        *EVENTS_TO_TICK
    ]
    assert f"The program answers at http://127.0.0.1:{machine.port}." in done.out
    assert machine.last_url_file.read_text() == f"{URL}\n"


def test_the_limits_of_free_ngrok_are_told(machine: Machine) -> None:
    machine.tunnels = [machine.ours()]
    out = machine.once().out
    for fact in ("one fixed address", "20,000 requests a month", "a warning page first, webhooks do not"):
        assert fact in out


def test_it_speaks_indonesian_unless_asked_otherwise(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.tunnels = [machine.ours()]
    assert main(["--once", "--agent", machine.agent]) == 0
    assert "Alamat webhook untuk ScaleV" in capsys.readouterr().out


@pytest.mark.parametrize(
    "upstream",
    [
        "http://localhost:5000",
        "http://127.0.0.1:5000",
        "http://[::1]:5000",
        "http://0.0.0.0:5000",
        "http://LOCALHOST:5000/",
        "localhost:5000",
        "5000",
    ],
)
def test_a_tunnel_to_the_program_is_known_however_ngrok_writes_it(upstream: str) -> None:
    assert Target("127.0.0.1", 5000).is_meant_by(upstream)


@pytest.mark.parametrize(
    "upstream",
    [
        "http://localhost:50000",
        "http://localhost:15000",
        "http://localhost",
        "http://localhost:80/5000",
        "http://192.168.1.7:5000",
        "https://localhost:5000",
        "tcp://localhost:5000",
        "file:///5000",
        "http://localhost:fivethousand",
        "http://[::1:5000",
        "50001",
        "",
    ],
)
def test_a_tunnel_to_another_place_is_not_taken_for_ours(upstream: str) -> None:
    assert not Target("127.0.0.1", 5000).is_meant_by(upstream)


def test_a_program_on_an_address_of_the_network_is_reached_there() -> None:
    target = Target("192.168.1.7", 5000)
    assert target.is_meant_by("http://192.168.1.7:5000")
    assert not target.is_meant_by("http://localhost:5000")
    assert target.upstream == "192.168.1.7:5000"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:5000"),
        ("0.0.0.0", "http://127.0.0.1:5000"),  # noqa: S104 (nothing is bound)
        ("localhost", "http://localhost:5000"),
        ("::", "http://[::1]:5000"),
    ],
)
def test_a_program_that_listens_everywhere_is_asked_on_this_computer(host: str, url: str) -> None:
    assert Target(host, 5000).url == url
    assert Target(host, 5000).upstream == "5000"


def test_of_several_tunnels_the_https_one_to_our_port_is_taken(machine: Machine) -> None:
    machine.tunnels = [
        tunnel("https://another-port.ngrok-free.dev", "http://localhost:1"),
        machine.ours("http://plain.ngrok-free.dev"),
        tunnel("tcp://0.tcp.ngrok.io:12345", f"localhost:{machine.port}"),
        machine.ours(),
    ]
    assert WEBHOOK_URL in machine.once().out


def test_of_several_addresses_for_our_port_the_one_shown_last_time_is_taken(machine: Machine) -> None:
    machine.tunnels = [machine.ours(OTHER_URL)]
    machine.once()
    machine.tunnels = [machine.ours(), machine.ours(OTHER_URL)]
    out = machine.once().out
    assert f"{OTHER_URL}/webhook/scalev" in out
    assert "WARNING" not in out


def test_tunnels_to_other_ports_are_named_and_left_alone(machine: Machine) -> None:
    machine.tunnels = [tunnel(OTHER_URL, "http://localhost:1"), machine.ours("http://plain.ngrok-free.dev")]
    done = machine.once()
    assert done.code == 1
    assert f"    {OTHER_URL} -> http://localhost:1\n" in done.out
    assert "webhook/scalev" not in done.out
    assert "without --once" in done.err


def test_an_agent_without_tunnels_is_told_too(machine: Machine) -> None:
    done = machine.once()
    assert (done.code, "has no https address" in done.out) == (1, True)


def test_entries_that_make_no_sense_are_passed_over(machine: Machine) -> None:
    odd = [None, "text", {}, {"public_url": URL}, {"public_url": URL, "config": []}, tunnel(URL, "")]
    odd += [{"public_url": 5, "config": {"addr": 5}}]
    machine.tunnels = [*odd, machine.ours(OTHER_URL)]
    assert f"{OTHER_URL}/webhook/scalev" in machine.once().out


@pytest.mark.parametrize("url", [f"{URL}\nSECRET_KEY=x", f"{URL}/\x1b[2J", f"{URL} x", "https://", "https://a b"])
def test_an_address_that_could_harm_is_neither_shown_as_ours_nor_saved(machine: Machine, url: str) -> None:
    machine.tunnels = [machine.ours(url)]
    before = machine.dotenv.read_bytes()
    done = machine.once("--save")
    assert done.code == 1
    assert "\x1b" not in done.out
    assert machine.dotenv.read_bytes() == before


@pytest.mark.parametrize(
    "answer",
    [
        Response("<html>Welcome</html>", content_type="text/html"),
        Response(""),
        Response("[]", content_type="application/json"),
        Response('{"tunnels": {}}', content_type="application/json"),
        Response('{"status": "ok"}', content_type="application/json"),
        Response('{"tunnels": []}', status=500, content_type="application/json"),
        Response(status=302, headers={"Location": "/login"}),
    ],
    ids=["html", "empty", "list", "object", "other", "error", "redirect"],
)
def test_an_agent_that_answers_something_else_gives_one_clear_sentence(machine: Machine, answer: Response) -> None:
    machine.agent_answer = answer
    done = machine.once()
    assert done.code == 1
    assert done.err == f"The answer from {machine.agent} is not ngrok's. " + (
        "Perhaps another program uses that port: close it, or use --agent if ngrok's interface is at another address.\n"
    )


def test_an_agent_that_stays_silent_gives_one_clear_sentence(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrok_agent, "ANSWER_SECONDS", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        done = machine.once("--agent", f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert done.code == 1
    assert "but does not answer" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_proxy_in_the_environment_is_not_asked_for_what_is_on_this_computer(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    machine.tunnels = [machine.ours()]
    assert machine.once().code == 0


# --- The program itself --------------------------------------------------------------------------------------------


def test_a_program_that_does_not_run_is_told_and_the_address_shown_all_the_same(machine: Machine) -> None:
    port = free_port()
    machine.tunnels = [tunnel(URL, f"http://localhost:{port}")]
    done = machine.once("--port", str(port))
    assert done.code == 1
    assert "WARNING: the program does not answer" in done.out
    assert "python app.py" in done.out
    assert WEBHOOK_URL in done.out


@pytest.mark.parametrize("body", ["AirTunes", "[]", '{"status": "ok"}'])
def test_another_program_on_the_port_is_not_taken_for_ours(machine: Machine, body: str) -> None:
    machine.program_answer = Response(body, status=200)
    machine.tunnels = [machine.ours()]
    done = machine.once()
    assert (done.code, "is another program" in done.out) == (1, True)


def test_a_program_in_trouble_still_counts_as_running(machine: Machine) -> None:
    machine.program_answer = Response('{"status": "degraded", "outbox": {}}', 503, content_type="application/json")
    machine.tunnels = [machine.ours()]
    assert machine.once().code == 0


# --- What is remembered and saved ----------------------------------------------------------------------------------


def test_a_changed_address_is_warned_of_once(machine: Machine) -> None:
    machine.tunnels = [machine.ours(OTHER_URL)]
    assert "WARNING" not in machine.once().out
    machine.tunnels = [machine.ours()]
    assert f"WARNING: the address has changed. It was {OTHER_URL}\n" in machine.once().out
    assert "WARNING" not in machine.once().out


def test_a_spoilt_memory_is_no_address(machine: Machine) -> None:
    machine.last_url_file.parent.mkdir()
    machine.last_url_file.write_bytes(b"\xff\x00 not an address")
    machine.tunnels = [machine.ours()]
    assert "WARNING" not in machine.once().out


def test_the_address_is_saved_as_public_url_only_when_asked(machine: Machine) -> None:
    machine.tunnels = [machine.ours()]
    before = machine.dotenv.read_text()
    assert "start_ngrok.py --save" in machine.once().out
    assert machine.dotenv.read_text() == before
    out = machine.once("--save").out
    assert machine.dotenv.read_text() == f"{before}PUBLIC_URL={URL}\n"
    assert "cookies become Secure" in out
    assert f"http://localhost:{machine.port}" in out
    assert "--save" not in machine.once().out


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_saving_keeps_every_other_line_and_the_file_s_mode(machine: Machine, tmp_path: Path, line_end: str) -> None:
    lines = [
        "# mine",
        "",
        "PUBLIC_URL = 'https://old.example.com'",
        "#PUBLIC_URL=x",
        "MY_PUBLIC_URL=y",
        "A=b#c",
        "",
        "",
    ]
    machine.dotenv.write_bytes(line_end.join(lines).encode())
    machine.dotenv.chmod(0o640)
    save_public_url(URL)
    lines[2] = f"PUBLIC_URL={URL}"
    assert machine.dotenv.read_bytes() == line_end.join(lines).encode()
    assert stat.S_IMODE(machine.dotenv.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == [".env"]
    assert Config.from_env({}, machine.dotenv).public_url == URL


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("PORT=5000", f"PORT=5000\nPUBLIC_URL={URL}\n"),
        ("PORT=5000\r\nHOST=", f"PORT=5000\r\nHOST=\r\nPUBLIC_URL={URL}\r\n"),
        ("", f"PUBLIC_URL={URL}\n"),
        ("export PUBLIC_URL=x", f"export PUBLIC_URL={URL}"),
        ("PUBLIC_URL=\nPORT=1", f"PUBLIC_URL={URL}\nPORT=1"),
    ],
)
def test_the_address_gets_a_line_of_its_own(machine: Machine, before: str, after: str) -> None:
    machine.dotenv.write_bytes(before.encode())
    save_public_url(URL)
    assert machine.dotenv.read_bytes() == after.encode()


def test_an_env_file_that_is_a_link_stays_one(machine: Machine, tmp_path: Path) -> None:
    machine.dotenv.rename(tmp_path / "elsewhere.env")
    machine.dotenv.symlink_to(tmp_path / "elsewhere.env")
    save_public_url(URL)
    assert machine.dotenv.is_symlink()
    assert f"PUBLIC_URL={URL}" in (tmp_path / "elsewhere.env").read_text()


def test_a_new_env_file_is_readable_by_its_owner_only(machine: Machine) -> None:
    machine.dotenv.unlink()
    save_public_url(URL)
    assert machine.dotenv.read_text() == f"PUBLIC_URL={URL}\n"
    assert stat.S_IMODE(machine.dotenv.stat().st_mode) == 0o600


def test_an_environment_variable_that_wins_over_the_saved_address_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.tunnels = [machine.ours()]
    assert "environment variable" not in machine.once("--save").out
    monkeypatch.setenv("PUBLIC_URL", "")
    assert "environment variable PUBLIC_URL" in machine.once("--save").out


def test_trusted_proxies_is_advised_until_it_is_set(machine: Machine) -> None:
    machine.tunnels = [machine.ours()]
    assert "TRUSTED_PROXIES=1" in machine.once().out
    machine.write("TRUSTED_PROXIES=1")
    assert "TRUSTED_PROXIES" not in machine.once().out


def test_a_folder_that_cannot_be_written_ends_with_one_line(machine: Machine) -> None:
    machine.tunnels = [machine.ours()]
    (machine.folder / "instance").write_text("a file where the folder should be")
    done = machine.once()
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
    assert "instance" in done.err


def test_a_bad_value_in_env_ends_with_one_line_that_names_it(machine: Machine) -> None:
    machine.write("FOLLOW_UP_DAYS=lima")
    done = machine.once()
    assert (done.code, done.out) == (1, "")
    assert done.err == "Configuration: FOLLOW_UP_DAYS must be a whole number from 1 to 365.\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--port", "0"], "a port is a whole number"),
        (["--port", "65536"], "a port is a whole number"),
        (["--port", "lima"], "--port"),
        (["--agent", "4040"], "ngrok's interface is an address"),
        (["--agent", "https://127.0.0.1:4040"], "ngrok's interface is an address"),
        (["--agent", "http://127.0.0.1:4040/api"], "ngrok's interface is an address"),
        (["--agent", "http://127.0.0.1:99999"], "ngrok's interface is an address"),
        (["--agent", "http://[::1"], "ngrok's interface is an address"),
    ],
)
def test_wrong_usage_is_exit_code_two(machine: Machine, arguments: list[str], complaint: str) -> None:
    with pytest.raises(SystemExit) as caught:
        machine.once(*arguments)
    assert caught.value.code == 2
    assert complaint in machine._capsys.readouterr().err


@pytest.mark.parametrize(("lang", "word"), [("id", "bahasa"), ("en", "language")])
def test_the_help_is_in_the_language_that_was_asked_for(
    lang: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--help", "--lang", lang])
    assert word in capsys.readouterr().out


# --- Watching ------------------------------------------------------------------------------------------------------


def test_an_address_that_changes_meanwhile_is_shown_with_a_warning(machine: Machine) -> None:
    machine.tunnels = [machine.ours(OTHER_URL)]
    machine.later = [[machine.ours()], []]
    out = machine.run().out
    assert out.index(f"{OTHER_URL}/webhook/scalev") < out.index(WEBHOOK_URL)
    assert f"It was {OTHER_URL}" in out
    assert out.count("Keep this window open") == 1


def test_a_short_gap_is_no_loss_and_a_long_one_ends_the_watch(machine: Machine) -> None:
    machine.tunnels = here = [machine.ours()]
    machine.later = [[], [], here, [], []]
    machine.later += [here, []]
    done = machine.run()
    assert done.code == 1
    assert "The ngrok address is gone" in done.err
    assert machine.later == []


# --- Starting ngrok ------------------------------------------------------------------------------------------------

# A stand-in for the ngrok command: serves the agent's interface, or fails as ngrok does. It notes how it was called
# and how it ended.
STAND_IN = """#!{python}
import http.server, json, os, pathlib, signal, sys

notes = pathlib.Path({notes!r})
notes.write_text(json.dumps(dict(pid=os.getpid(), argv=sys.argv[1:], ended=None)))

def end(number, _frame):
    notes.write_text(json.dumps(dict(pid=os.getpid(), argv=sys.argv[1:], ended=number)))
    os._exit(0)

signal.signal(signal.SIGTERM, end)
print("t=2026-11-22T10:00:00+0700 lvl=info msg=\\"open config file\\"", flush=True)
{behaviour}
"""
SERVE = """
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(tunnels=[dict(public_url={url!r}, proto="https", config=dict(addr={upstream!r}))]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass

http.server.HTTPServer(("127.0.0.1", {port}), Handler).serve_forever()
"""
WAIT = "signal.pause()"


class StandIn:
    """The `ngrok` on a test's PATH."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self._notes = folder / "ngrok.json"

    def install(self, behaviour: str) -> None:
        self.bin.mkdir()
        file = self.bin / "ngrok"
        file.write_text(STAND_IN.format(python=sys.executable, notes=str(self._notes), behaviour=behaviour))
        file.chmod(0o755)

    def fail(self, *lines: str) -> None:
        self.install("".join(f"print({line!r}, file=sys.stderr)\n" for line in lines) + "sys.exit(1)")

    def serve(self, agent_port: int, program_port: int) -> None:
        self.install(SERVE.format(url=URL, upstream=f"http://localhost:{program_port}", port=agent_port))

    @property
    def notes(self) -> dict[str, Any]:
        notes: dict[str, Any] = json.loads(self._notes.read_text())
        return notes

    @property
    def is_running(self) -> bool:
        try:
            os.kill(self.notes["pid"], 0)
        except ProcessLookupError:
            return False
        return True


@pytest.fixture
def ngrok(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


@pytest.mark.parametrize(
    ("system", "command"),
    [
        ("win32", "winget install ngrok -s msstore"),
        ("darwin", "brew install ngrok"),
        ("linux", "sudo snap install ngrok"),
        ("freebsd14", "https://ngrok.com/download"),
    ],
)
@pytest.mark.parametrize("lang", ["id", "en"])
def test_without_ngrok_it_says_how_to_install_it_on_this_system(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, system: str, command: str, lang: str
) -> None:
    agent = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(sys, "platform", system)
    done = machine.run("--agent", agent, lang=lang)
    monkeypatch.undo()
    assert done.code == 1
    assert command in done.err
    assert "ngrok config add-authtoken" in done.err


def test_ngrok_s_complaint_about_the_authtoken_is_shown_and_explained(machine: Machine, ngrok: StandIn) -> None:
    ngrok.fail("ERROR:  authentication failed: a verified account is needed.", "ERROR:  ERR_NGROK_4018")
    done = machine.run("--agent", f"http://127.0.0.1:{free_port()}")
    assert done.code == 1
    assert "    ERROR:  ERR_NGROK_4018\n" in done.err
    assert "open config file" not in done.err
    assert "ngrok config add-authtoken YOUR_TOKEN" in done.err


def test_an_address_in_use_elsewhere_is_explained(machine: Machine, ngrok: StandIn) -> None:
    ngrok.fail("ERROR:  failed to start tunnel: The endpoint is already online.", "ERROR:  ERR_NGROK_334")
    assert "another ngrok uses your address" in machine.run("--agent", f"http://127.0.0.1:{free_port()}").err


def test_an_ngrok_that_ends_without_an_error_line_leaves_its_last_lines(machine: Machine, ngrok: StandIn) -> None:
    ngrok.fail("unknown flag: --log", "caf\u00e9 \x1b[31mred\x1b[0m")
    err = machine.run("--agent", f"http://127.0.0.1:{free_port()}").err
    assert "    unknown flag: --log\n    caf? ?[31mred?[0m\n" in err


@pytest.mark.parametrize("words", ["ERR_NGROK_3340", "ERR_NGROK_8012", ""])
def test_other_words_of_ngrok_are_not_explained_wrongly(words: str) -> None:
    assert hints(words) == []


def test_an_ngrok_that_gets_no_address_is_ended_after_a_while(
    machine: Machine, ngrok: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ngrok_process, "START_SECONDS", 1.0)
    ngrok.install(WAIT)
    done = machine.run("--agent", f"http://127.0.0.1:{free_port()}")
    assert done.code == 1
    assert "gave no address within 1 seconds" in done.err
    assert "open config file" in done.err
    assert not ngrok.is_running


def test_an_ngrok_that_cannot_be_run_ends_with_one_line(machine: Machine, ngrok: StandIn) -> None:
    ngrok.install("")
    (ngrok.bin / "ngrok").write_bytes(b"\x7fELF of another machine")
    done = machine.run("--agent", f"http://127.0.0.1:{free_port()}")
    assert done.code == 1
    assert done.err == "ngrok can't be started: Exec format error\n"


def test_an_ngrok_that_dies_later_ends_the_watch(machine: Machine, ngrok: StandIn) -> None:
    port = free_port()
    serve = SERVE.format(url=URL, upstream=f"http://localhost:{machine.port}", port=port)
    ngrok.install(serve.replace("self.wfile.write(body.encode())", "self.wfile.write(body.encode()); os._exit(1)"))
    done = machine.run("--agent", f"http://127.0.0.1:{port}")
    assert done.code == 1
    assert WEBHOOK_URL in done.out
    assert "The ngrok address is gone" in done.err


def test_a_stubborn_ngrok_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrok_process, "STOP_SECONDS", 0.2)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        stop(process)
        assert process.returncode == -signal.SIGKILL


# --- a python without the packages -----------------------------------------------------------------------------------


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """The helper in a folder of its own."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("start_ngrok.py", "config.py"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "tunnel", folder / "tunnel")
    return folder


def start_without_packages(folder: Path, *arguments: str) -> Output:
    env = environment(folder / "instance")
    return run_python("-S", str(folder / "start_ngrok.py"), *arguments, env=env, cwd=folder)


def test_without_its_packages_it_says_in_one_line_what_to_do(bare_checkout: Path) -> None:
    done = start_without_packages(bare_checkout)
    assert done.code == 1
    assert "dotenv" in done.err and "make run" in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for .venv's python is a shell script")
def test_without_its_packages_it_goes_on_with_the_python_of_make_run(bare_checkout: Path) -> None:
    python = bare_checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    done = start_without_packages(bare_checkout, "--help", "--lang", "en")
    assert (done.code, done.err) == (0, "")
    assert "--save" in done.out


# --- Ctrl-C, in a process of its own --------------------------------------------------------------------------------


class Helper(Server):
    """`python start_ngrok.py` with a stand-in ngrok on its PATH."""

    def __init__(self, folder: Path, agent_port: int, program_port: int) -> None:
        env = environment(folder / "instance", PATH=str(folder / "bin"), PORT=str(program_port))
        arguments = ["start_ngrok.py", "--agent", f"http://127.0.0.1:{agent_port}", "--lang", "en"]
        super().__init__(arguments, folder / "helper.log", env)

    def wait_for(self, words: str) -> None:
        wait_until(lambda: words in self.log, words, log=lambda: self.log)


@pytest.fixture
def helpers() -> Iterator[list[Helper]]:
    """Those that a failed test leaves are ended."""
    started: list[Helper] = []
    yield started
    for helper in started:
        helper.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_ngrok_for_the_program_s_port_and_stops_it_on_ctrl_c(
    tmp_path: Path, ngrok: StandIn, helpers: list[Helper], httpserver: HTTPServer, number: signal.Signals
) -> None:
    httpserver.expect_request("/healthz").respond_with_json({"outbox": {}})
    agent_port = free_port()
    ngrok.serve(agent_port, httpserver.port)
    helper = Helper(tmp_path, agent_port, httpserver.port)
    helpers.append(helper)
    helper.wait_for("Stop with Ctrl-C")
    assert WEBHOOK_URL in helper.log
    assert ngrok.notes["argv"] == ["http", str(httpserver.port), "--log", "stdout"]
    helper.process.send_signal(number)
    assert helper.wait() == 0
    assert ngrok.notes["ended"] == signal.SIGTERM
    assert "Done." in helper.log
    assert "Traceback" not in helper.log


def test_an_ngrok_that_ran_before_is_left_running(tmp_path: Path, machine: Machine, helpers: list[Helper]) -> None:
    machine.tunnels = [machine.ours()]
    helper = Helper(tmp_path, machine.port, machine.port)
    helpers.append(helper)
    helper.wait_for("Stop with Ctrl-C")
    helper.process.send_signal(signal.SIGINT)
    assert helper.wait() == 0
    assert "one that ran before was left running" in helper.log
    assert "Traceback" not in helper.log


def test_ctrl_c_while_ngrok_is_still_starting_stops_it_too(
    tmp_path: Path, ngrok: StandIn, helpers: list[Helper]
) -> None:
    ngrok.install(WAIT)
    helper = Helper(tmp_path, free_port(), free_port())
    helpers.append(helper)
    wait_until(lambda: ngrok._notes.exists() and ngrok._notes.read_text(), "ngrok", log=lambda: helper.log)
    helper.process.send_signal(signal.SIGINT)
    assert helper.wait() == 0
    assert not ngrok.is_running
    assert "Traceback" not in helper.log


def test_an_agent_on_the_next_port_is_found_because_ngrok_moves_there(
    tmp_path: Path, ngrok: StandIn, helpers: list[Helper], machine: Machine
) -> None:
    machine.tunnels = [tunnel(OTHER_URL, "http://localhost:1")]
    next_port = next(port for port in range(machine.port + 1, machine.port + AGENTS_TRIED) if is_free(port))
    ngrok.serve(next_port, machine.port)
    helper = Helper(tmp_path, machine.port, machine.port)
    helpers.append(helper)
    helper.wait_for("Stop with Ctrl-C")
    assert WEBHOOK_URL in helper.log


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


# --- Words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_both_languages_say_the_same_in_letters_that_every_console_has(name: str) -> None:
    indonesian, english = TEXTS[name]
    assert (indonesian + english).isascii()
    assert indonesian != english
    fields = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in (indonesian, english)]
    assert fields[0] == fields[1] or name.startswith("help_")
    assert indonesian.count("\n") == english.count("\n")


def test_every_text_is_used() -> None:
    files = ("start_ngrok.py", "tunnel/agent.py", "tunnel/process.py")
    source = "".join((ROOT / file).read_text() for file in files)
    assert [name for name in TEXTS if f'"{name}"' not in source] == []


def test_foreign_text_is_shown_without_control_characters() -> None:
    assert printable("a\tb\x1b[2J\u202e\nc") == "a       b?[2J?\nc"


def test_the_events_are_those_of_the_settings_page() -> None:
    assert start_ngrok.EVENTS_TO_TICK == EVENTS_TO_TICK


# --- The guides ----------------------------------------------------------------------------------------------------


def guide(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, kind: str) -> list[str]:
    """The commands that a guide shows."""
    return re.findall(rf"^ *```{kind}\n(.*?)^ *```$", text, re.DOTALL | re.MULTILINE)


needs_tools = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("bash", "curl", "openssl")) and not os.environ.get("REQUIRE_ALL"),
    reason="bash, curl or openssl is not installed",
)


@needs_tools
@pytest.mark.parametrize("name", GUIDES)
def test_the_guide_s_commands_do_what_it_says(tmp_path: Path, name: str) -> None:
    with running(tmp_path / "instance", SCALEV_WEBHOOK_SECRET=SHARED_SECRET) as program:
        script = "\n".join(blocks(guide(name), "bash"))
        script = script.replace("SIGNING_SECRET", SHARED_SECRET).replace("localhost:5000", f"localhost:{program.port}")
        env = environment(tmp_path)
        done = subprocess.run(
            ["bash", "-eu", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        found = program.rows("select status, order_id like 'TEST%', email from leads")
    first, *answers = done.stdout.splitlines()
    assert "webhook address for ScaleV" in first
    assert [json.loads(answer)["status"] for answer in answers] == ["accepted", "duplicate", "accepted", "error"]
    assert found == [("closing", 1, "test.buyer@example.com")]


def test_the_guides_show_the_same_commands() -> None:
    english, indonesian = (guide(name) for name in GUIDES)
    for kind in ("bash", "powershell"):
        assert blocks(english, kind) == blocks(indonesian, kind) != []


@pytest.mark.parametrize("name", GUIDES)
def test_powershell_sends_the_same_bodies_as_bash(name: str) -> None:
    text = guide(name)
    in_bash = re.findall(r"<<END\n(.*?)\nEND$", "\n".join(blocks(text, "bash")), re.DOTALL | re.MULTILINE)
    in_powershell = re.findall(r'@"\n(.*?)\n"@$', "\n".join(blocks(text, "powershell")), re.DOTALL | re.MULTILINE)
    assert [body.replace("$Now", "$NOW") for body in in_powershell] == [
        body.replace("$ORDER", "$Order").replace("${ORDER}", "${Order}") for body in in_bash
    ]
    assert len(in_bash) == 2


@pytest.mark.parametrize("name", GUIDES)
def test_the_guide_lists_the_events_and_its_links_lead_somewhere(name: str) -> None:
    text = guide(name)
    assert tuple(re.findall(r"^- `(\S+)`$", text, re.MULTILINE)) == EVENTS_TO_TICK
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
    assert all((ROOT / path).is_file() for path in re.findall(r"\]\(([^)#:]+)\)", text))


@pytest.mark.parametrize("name", GUIDES)
def test_the_guide_knows_each_trouble_by_what_the_reader_sees(name: str) -> None:
    table = guide(name).rpartition("|---|---|---|\n")[2]
    for sign in ("401", "503", "404", "400", "413", "502", "ERR_NGROK_3200", "ERR_NGROK_8012", "--save"):
        assert sign in table
