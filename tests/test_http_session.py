"""One HTTP call over real local sockets: bounded in time and size, one exception type, nothing secret in its text."""

import gzip
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services import http_session
from services.clock import utc_now
from services.errors import VendorUnreachable
from services.http_session import HttpSession, retry_after

TOKEN = "0123456789abcdef0123456789abcdef"


def read_request(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65536)
    head, _, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    while len(body) < int(length.group(1) if length else 0):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


class RawServer:
    """A server that answers each connection with a function of its own, so it can misbehave below HTTP."""

    def __init__(self, speak: Callable[[socket.socket], None], reads_first: bool) -> None:
        self.requests: list[bytes] = []
        self._reads_first = reads_first
        self._speak = speak
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, suppress(OSError):
                    if self._reads_first:
                        self.requests.append(read_request(connection))
                    self._speak(connection)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def server(speak: Callable[[socket.socket], None], reads_first: bool = True) -> Iterator[RawServer]:
    running = RawServer(speak, reads_first)
    try:
        yield running
    finally:
        running.close()


def reply(body: bytes, *head: str, status: str = "200 OK") -> Callable[[socket.socket], None]:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *head]
    return lambda connection: connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)


def drip(prefix: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def speak(connection: socket.socket) -> None:
        connection.sendall(prefix)
        for _ in range(200):
            time.sleep(0.05)
            connection.sendall(piece)

    return speak


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a self-signed certificate for 127.0.0.1, valid for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = utc_now()
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_file, certificate_file = folder / "key.pem", folder / "certificate.pem"
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return key_file, certificate_file


def get(url: str, **options: float) -> http_session.Answer:
    return HttpSession("1.2", **options).send("Mailketing", "GET", url)


def test_an_answer_carries_status_text_headers_and_duration():
    with server(reply(b'{"a":1}', "Retry-After: 7", status="429 Slow Down")) as running:
        answer = get(running.url)
    assert (answer.status, answer.text) == (429, '{"a":1}')
    assert answer.headers["retry-after"] == "7"
    assert 0 <= answer.duration_ms < 5000


def test_the_request_names_the_program_and_sends_the_form():
    with server(reply(b"")) as running:
        HttpSession("1.2").send("Mailketing", "POST", running.url + "/x", form={"email": "a b@example.com"})
    head, _, body = running.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /x HTTP/1.1")
    assert b"User-Agent: ScaleVxMailketing/1.2" in head
    assert b"application/x-www-form-urlencoded" in head
    assert body == b"email=a+b%40example.com"


def test_a_redirect_is_returned_and_not_followed():
    with server(reply(b"elsewhere")) as target:
        with server(reply(b"", f"Location: {target.url}/", status="301 Moved")) as running:
            assert get(running.url).status == 301
        assert target.requests == []


def test_bytes_that_are_no_utf8_become_replacement_characters():
    with server(reply(b"ok \xff\xfe", "Content-Type: text/html; charset=latin-1")) as running:
        assert get(running.url).text == "ok \ufffd\ufffd"


def test_a_byte_order_mark_is_dropped():
    with server(reply(b"\xef\xbb\xbf{}")) as running:
        assert get(running.url).text == "{}"


def test_a_huge_answer_is_refused():
    with (
        server(reply(b"x" * (http_session.MAX_BYTES + 1))) as running,
        pytest.raises(VendorUnreachable, match="larger"),
    ):
        get(running.url)


def test_an_answer_of_just_the_limit_is_read():
    with server(reply(b"x" * http_session.MAX_BYTES)) as running:
        assert len(get(running.url).text) == http_session.MAX_BYTES


def test_a_huge_answer_in_a_small_parcel_is_refused():
    parcel = gzip.compress(b"x" * (4 * http_session.MAX_BYTES))
    with server(reply(parcel, "Content-Encoding: gzip")) as running, pytest.raises(VendorUnreachable, match="larger"):
        get(running.url)


def test_a_server_that_says_nothing_is_given_up():
    with (
        server(lambda connection: time.sleep(1)) as running,
        pytest.raises(VendorUnreachable, match="no answer in time"),
    ):
        get(running.url, read_seconds=0.2)


@pytest.mark.parametrize(
    ("prefix", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        (b"", b"H"),
    ],
    ids=["body", "body without length", "chunks", "headers", "status line"],
)
def test_a_server_that_drips_is_cut_off_at_the_total_time(prefix, piece):
    started = time.monotonic()
    with server(drip(prefix, piece)) as running, pytest.raises(VendorUnreachable, match=r"within 0.4 seconds"):
        get(running.url, read_seconds=5, total_seconds=0.4)
    assert time.monotonic() - started < 3


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", b"no http at all\r\n\r\n"])
def test_a_connection_that_breaks_off_is_one_kind_of_trouble(said):
    with server(lambda connection: connection.sendall(said)) as running, pytest.raises(VendorUnreachable) as caught:
        get(running.url)
    assert caught.value.retryable
    assert caught.value.vendor == "Mailketing"


def test_nobody_listening_is_the_same_trouble():
    with server(reply(b"")) as running:
        url = running.url
    with pytest.raises(VendorUnreachable, match="no connection"):
        get(url)


@pytest.mark.parametrize(
    "url", ["", "no-url", "http://", "ftp://127.0.0.1/", "http://127.0.0.1:99999/", "http://[::1/"]
)
def test_an_address_that_is_none_is_the_same_trouble(url):
    with pytest.raises(VendorUnreachable):
        get(url)


@pytest.mark.parametrize("ending", ["", "\n", "\u2026"])
def test_no_exception_or_log_record_shows_the_token(ending, caplog):
    caplog.set_level(logging.DEBUG)
    with server(lambda connection: None) as running, pytest.raises(VendorUnreachable) as caught:
        HttpSession().send(
            "ScaleV",
            "POST",
            running.url,
            headers={"Authorization": "Bearer " + TOKEN + ending},
            form={"api_token": TOKEN},
        )
    seen: BaseException | None = caught.value
    while seen is not None:
        assert TOKEN not in str(seen) + repr(seen)
        seen = seen.__cause__ or seen.__context__
    assert all(TOKEN not in record.getMessage() for record in caplog.records)


def test_netrc_does_not_replace_our_authorization(tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with server(reply(b"{}")) as running:
        HttpSession().send("ScaleV", "GET", running.url, headers={"Authorization": "Bearer mine"})
    assert b"Authorization: Bearer mine\r\n" in running.requests[0]


def test_a_proxy_from_the_environment_is_used_and_watched(monkeypatch):
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    started = time.monotonic()
    with server(drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x")) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(VendorUnreachable, match="within"):
            get("http://vendor.invalid/x", total_seconds=0.4)
    assert time.monotonic() - started < 3
    assert proxy.requests[0].startswith(b"GET http://vendor.invalid/x ")


def test_cookies_are_not_carried_to_the_next_call():
    with server(reply(b"{}", "Set-Cookie: a=b; Path=/")) as running:
        session = HttpSession()
        session.send("ScaleV", "GET", running.url)
        session.send("ScaleV", "GET", running.url)
    assert b"Cookie" not in running.requests[1]


def test_the_repr_of_an_answer_shows_no_body():
    with server(reply(b"budi@gmail.com", "X-Note: budi")) as running:
        assert "budi" not in repr(get(running.url))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("30", 30),
        (" 1.5 ", 1.5),
        ("999999", 86400),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("1e9", None),
        ("nan", None),
        ("\u0663", None),
        ("Mon, 99 Foo 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after_in_seconds(value, seconds):
    assert retry_after({"Retry-After": value}) == seconds


def test_retry_after_as_a_date_counts_from_now(monkeypatch):
    now = datetime(2026, 8, 2, 3, 0, tzinfo=UTC)
    monkeypatch.setattr(http_session, "utc_now", lambda: now)
    dates = {minutes: format_datetime(now + timedelta(minutes=minutes), usegmt=True) for minutes in (-1, 2, 9999)}
    assert retry_after({"Retry-After": dates[2]}) == 120
    assert retry_after({"Retry-After": dates[-1]}) == 0
    assert retry_after({"Retry-After": dates[9999]}) == 86400
    assert retry_after({"Retry-After": "Sun, 02 Aug 2026 03:01:00 -0000"}) is None
    assert retry_after({}) is None


def test_a_server_that_drips_over_tls_is_cut_off_too(tmp_path, monkeypatch):
    key, certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def speak(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            read_request(secured)
            drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x")(secured)

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    started = time.monotonic()
    with server(speak, reads_first=False) as running, pytest.raises(VendorUnreachable, match="within"):
        get(running.url.replace("http:", "https:"), read_seconds=5, total_seconds=0.5)
    assert time.monotonic() - started < 3


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path, monkeypatch):
    key, certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)

    def speak(connection: socket.socket) -> None:
        context.wrap_socket(connection, server_side=True).close()

    with server(speak, reads_first=False) as running, pytest.raises(VendorUnreachable, match="TLS"):
        get(running.url.replace("http:", "https:"))
