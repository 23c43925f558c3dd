"""How long a webhook takes, next to a bare Flask route that only verifies and stores: `python bench/webhook.py`.

Prints two tables, paced and saturated, and ends with 1 when a limit is broken. See bench/README.md.
"""

import argparse
import json
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # run as a script, only bench/ itself would be found

from tests import processes  # noqa: E402
from tests.processes import MAILKETING_TOKEN, SHARED_SECRET, Program, Sandbox, Server, order_created, sign  # noqa: E402

CLIENTS = 8
REQUESTS = 2000
WARM_UP = 200
PACED_REQUESTS = 400
PACE_SECONDS = 0.2  # between the requests of one client, when they keep a pace
BODY_BYTES = 4096
PRODUCT_LISTS = 20
MEDIAN_LIMIT_MS, P95_LIMIT_MS = 25.0, 100.0


@dataclass(frozen=True)
class Figures:
    """What one run measured; times in milliseconds."""

    median: float
    p95: float
    slowest: float
    per_second: float

    @property
    def breaks_a_limit(self) -> bool:
        return self.median > MEDIAN_LIMIT_MS or self.p95 > P95_LIMIT_MS


@dataclass(frozen=True)
class Measured:
    """One server at a pace, and without a rest."""

    paced: Figures
    saturated: Figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--drive", nargs=2, metavar=("PORT", "FILE"), help="(own use) send a file of requests")
    parser.add_argument("--pace", type=float, default=0.0, help="(own use) seconds between a client's requests")
    parser.add_argument("--bare", nargs=2, metavar=("PORT", "FILE"), help="(own use) serve the bare route")
    options = parser.parse_args()
    if options.drive:
        print(json.dumps(drive(int(options.drive[0]), Path(options.drive[1]), options.pace)))
        return 0
    if options.bare:
        serve_bare(int(options.bare[0]), options.bare[1])
        return 0
    return compare(options.requests)


def compare(requests: int) -> int:
    """Measure the bare route and the program one after the other, each at a pace and then without a rest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with bare_route(folder) as (bare, port):
            bare_figures, bare_memory = measure(port, folder, requests), peak_memory(bare)
        with program(folder) as app:
            figures, memory = measure(app.port, folder, requests), peak_memory(app)
            accepted = app.rows("select count(*) from webhook_events where status = 'processed'")[0][0]
    sent = requests + WARM_UP + PACED_REQUESTS
    assert accepted == sent, f"{accepted} of {sent} events were processed"
    print(f"Signed orders of {BODY_BYTES} bytes, {CLIENTS} parallel clients")
    print(f"Limits: median {MEDIAN_LIMIT_MS:.0f} ms, p95 {P95_LIMIT_MS:.0f} ms")
    print_table(f"Paced, {CLIENTS / PACE_SECONDS:.0f} orders a second", figures.paced, bare_figures.paced)
    print_table(f"Saturated, {requests} orders as fast as they are answered", figures.saturated, bare_figures.saturated)
    if memory and bare_memory:
        print(f"{'peak memory MB':20}{memory:>10.1f}{bare_memory:>12.1f}{memory / bare_memory:>8.2f}")
    return int(any(each.breaks_a_limit for each in (figures.paced, figures.saturated)))


@contextmanager
def program(folder: Path) -> Iterator[Program]:
    """The program with everything switched on: jobs, product lists, both vendors, deliveries on their way."""
    sandbox = Sandbox(folder / "sandbox.log")
    try:
        variables = {
            **sandbox.variables,
            "SCALEV_WEBHOOK_SECRET": SHARED_SECRET,
            "MAILKETING_API_KEY": MAILKETING_TOKEN,
            "SCALEV_API_KEY": processes.SCALEV_KEY,
            "LOG_LEVEL": "INFO",
        }
        run = processes.run_flask(folder / "app", "db", "upgrade", **variables)
        assert run.code == 0, run.err
        add_product_lists(folder / "app")
        with processes.running(folder / "app", **{**variables, "SCHEDULER_ENABLED": "1"}) as app:
            yield app
    finally:
        sandbox.stop()


def add_product_lists(instance: Path) -> None:
    for number in range(PRODUCT_LISTS):
        product_id = processes.VARIANT if number == 0 else f"variant_{number}"
        processes.write(
            instance,
            "insert into product_lists (name, product_id, follow_up_list_id, closing_list_id, not_closing_list_id,"
            " active, created_at, updated_at) values (?, ?, ?, ?, ?, 1, ?, ?)",
            f"Produk {number}",
            product_id,
            *(processes.LIST_FOLLOW_UP, processes.LIST_CLOSING, processes.LIST_NOT_CLOSING),
            *["2026-01-01 00:00:00.000000"] * 2,
        )


@contextmanager
def bare_route(folder: Path) -> Iterator[tuple[Server, int]]:
    port = processes.free_port()
    arguments = [__file__, "--bare", str(port), str(folder / "bare.db")]
    server = Server(arguments, folder / "bare.log")
    try:
        processes.wait_until(lambda: accepts(port), "the bare route", log=lambda: server.log)
        yield server, port
    finally:
        server.stop()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def serve_bare(port: int, database: str) -> None:
    """The least that keeps the promise of a 200: verify, store, commit; same server, threads and SQLite settings."""
    import flask
    import waitress

    from database import SQLITE_PRAGMAS
    from server import THREADS
    from services.signatures import HEADER, find_secret

    app = flask.Flask("bare")
    local = threading.local()

    def connection() -> sqlite3.Connection:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(database, isolation_level=None)
            for pragma in SQLITE_PRAGMAS:
                local.connection.execute(f"PRAGMA {pragma}")
        return local.connection

    connection().execute("create table events (id integer primary key, key text unique, body blob, at text)")

    @app.post("/webhook/scalev")
    def receive() -> flask.Response:
        body = flask.request.get_data()
        if find_secret({"current": SHARED_SECRET}, body, flask.request.headers.get(HEADER)) is None:
            return flask.Response(status=401)
        key = json.loads(body)["unique_id"]
        database = connection()
        database.execute("BEGIN IMMEDIATE")
        database.execute("insert into events (key, body, at) values (?, ?, datetime('now'))", (key, body))
        database.execute("COMMIT")
        return flask.jsonify(status="accepted")

    waitress.serve(app, host="127.0.0.1", port=port, threads=THREADS)


def measure(port: int, folder: Path, requests: int) -> Measured:
    """Drive a server from a process of its own, after a warm-up; every answer must be a 200."""
    drive_apart(port, write_requests(folder, WARM_UP, port))
    paced = figures_of(*drive_apart(port, write_requests(folder, PACED_REQUESTS, port), PACE_SECONDS))
    return Measured(paced, figures_of(*drive_apart(port, write_requests(folder, requests, port))))


def figures_of(seconds: float, times: list[float]) -> Figures:
    times = sorted(times)
    median, p95 = statistics.median(times) * 1000, times[int(len(times) * 0.95)] * 1000
    return Figures(median, p95, times[-1] * 1000, len(times) / seconds)


def drive_apart(port: int, file: Path, pace: float = 0.0) -> tuple[float, list[float]]:
    command = [sys.executable, __file__, "--drive", str(port), str(file), "--pace", str(pace)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    return answer["seconds"], answer["times"]


def write_requests(folder: Path, number: int, port: int) -> Path:
    """Whole HTTP requests, made and signed beforehand, so that the driver takes as little of the machine as it can."""
    file = folder / "requests"
    with file.open("wb") as output:
        for _ in range(number):
            body = fill(order_created())
            head = (
                f"POST /webhook/scalev HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
                f"X-Scalev-Hmac-Sha256: {sign(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            whole = head.encode() + body
            output.write(len(whole).to_bytes(4, "big") + whole)
    return file


def fill(order: dict[str, object]) -> bytes:
    """The order as JSON of 4 kB: ScaleV's bodies are about as long."""
    bare = len(json.dumps(order))
    data = order["data"]
    assert isinstance(data, dict)
    data["notes"] = "x" * max(0, BODY_BYTES - bare)
    return json.dumps(order).encode()


def drive(port: int, file: Path, pace: float) -> dict[str, object]:
    """Send the requests over as many kept-alive connections as there are clients, each its own share; at a pace, the
    clients take turns evenly."""
    raw, requests = file.read_bytes(), []
    while raw:
        length = int.from_bytes(raw[:4], "big")
        requests.append(raw[4 : 4 + length])
        raw = raw[4 + length :]
    shares = [requests[number::CLIENTS] for number in range(CLIENTS)]
    times: list[list[float]] = [[] for _ in shares]
    threads = [
        threading.Thread(target=send_all, args=(port, share, results, pace, number * pace / CLIENTS))
        for number, (share, results) in enumerate(zip(shares, times, strict=True))
    ]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - begin
    measured = [each for results in times for each in results]
    assert len(measured) == len(requests), f"{len(requests) - len(measured)} requests were not answered with 200"
    return {"seconds": seconds, "times": measured}


def send_all(port: int, requests: list[bytes], times: list[float], pace: float, offset: float) -> None:
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.perf_counter() + offset
        for number, request in enumerate(requests):
            time.sleep(max(0.0, start + number * pace - time.perf_counter()))
            begin = time.perf_counter()
            connection.sendall(request)
            answer = read_answer(connection)
            assert answer.startswith(b"HTTP/1.1 200 "), answer
            times.append(time.perf_counter() - begin)


def read_answer(connection: socket.socket) -> bytes:
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += receive(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += receive(connection)
    return head + b"\r\n\r\n" + body


def receive(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    assert piece, "the server hung up"
    return piece


def peak_memory(server: Server) -> float | None:
    """The most memory that the process ever held, in MB; None where the system does not tell."""
    try:
        status = Path(f"/proc/{server.process.pid}/status").read_text()
    except FileNotFoundError:
        return None
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def print_table(title: str, figures: Figures, bare: Figures) -> None:
    print(f"\n{title}")
    print(f"{'':20}{'program':>10}{'bare route':>12}{'ratio':>8}")
    for label, attribute in (
        ("median ms", "median"),
        ("p95 ms", "p95"),
        ("slowest ms", "slowest"),
        ("requests/s", "per_second"),
    ):
        ours, theirs = getattr(figures, attribute), getattr(bare, attribute)
        print(f"{label:20}{ours:>10.1f}{theirs:>12.1f}{ours / theirs:>8.2f}")


if __name__ == "__main__":
    sys.exit(main())
