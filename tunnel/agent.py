"""What runs on this computer: the program, ngrok's agents and the addresses that they serve."""

import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests

from tunnel.texts import Voice, printable

AGENT = "http://127.0.0.1:4040"  # ngrok's default; it takes the next free port when this one is taken
AGENTS_TRIED = 4
ANSWER_SECONDS = 3.0
CONNECT_SECONDS = 0.5  # all on this computer; Windows would try a closed port for two seconds

_REACHED_AS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (names of addresses, nothing is bound here)
_LOCAL = {"localhost", "127.0.0.1", "::1", *_REACHED_AS}
HTTPS_ADDRESS = re.compile(r"https://[a-z0-9.-]+(:[0-9]+)?", re.IGNORECASE)


class Trouble(Exception):
    """What ends the helper with exit code 1: the name of a text and its values."""

    def __init__(self, name: str, **values: object) -> None:
        super().__init__(name)
        self.name = name
        self.values = values


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


def is_agent_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme == "http" and bool(parts.hostname and parts.port) and parts.path in {"", "/"}
    except ValueError:
        return False


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
    ours = [row for row in tunnels if HTTPS_ADDRESS.fullmatch(row.url) and target.is_meant_by(row.upstream)]
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
