"""`python app.py`: the address comes first."""

import contextlib
from collections.abc import Iterator

import pytest
from flask import Flask
from waitress import create_server

import server
from tests.processes import free_port


@contextlib.contextmanager
def listening(port: int) -> Iterator[None]:
    web = create_server(Flask("first"), host="127.0.0.1", port=port)
    try:
        yield
    finally:
        web.close()


def test_a_second_listener_is_found_out_by_the_probe_that_windows_needs() -> None:
    port = free_port()
    with listening(port), pytest.raises(OSError, match="Address already in use"):
        server.refuse_second_listener("127.0.0.1", port)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_probe_leaves_a_free_address_free(host: str) -> None:
    port = free_port()
    server.refuse_second_listener(host, port)
    with listening(port):
        pass
