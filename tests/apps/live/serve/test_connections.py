"""Clients that are slow, gone or many: nobody holds anybody else."""

import http.client
import socket
import threading
import time

import pytest

from tests.conftest import PATIENCE, eventually
from tests.serving import png, port, request
from visus.apps.live.serve import connection


@pytest.fixture
def clients(page):
    """Opens connections, and closes them at the end."""
    opened = []

    def connect(data=b""):
        client = socket.create_connection(("127.0.0.1", port(page)), timeout=PATIENCE)
        client.sendall(data)
        opened.append(client)
        return client

    yield connect
    for client in opened:
        client.close()


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n"


def test_clients_that_send_slowly_take_no_place(page, clients, workplace):
    for _ in range(40):
        clients(HEAD + b"Content-Length: 9999\r\n\r\n" + b"x")
        clients(b"GET /hea")
    for _ in range(16):
        assert request(page, "POST", "/predict", png(workplace))[0] == 200
    assert page.batcher.waiting == 0


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET /health", b"HTTP/1.1 408 "),
        (HEAD + b"Content-Length: 99\r\n\r\nx", b"HTTP/1.1 408 "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n", b"HTTP/1.1 408 "),
        # It was answered, but the rest of its body never comes.
        (HEAD + b"Content-Type: text/plain\r\nContent-Length: 99\r\n\r\nx", b"HTTP/1.1 415 "),
    ],
)
def test_a_request_has_a_deadline(page, clients, monkeypatch, sent, answer):
    monkeypatch.setattr(connection, "RECEIVE_SECONDS", 0.5)
    client = clients(sent)
    start, received = time.monotonic(), b""
    while chunk := client.recv(65536):
        received += chunk
        if sent:
            # A byte now and then does not help.
            time.sleep(0.1)
    assert received.startswith(answer) and received.count(b"HTTP/1.1") == bool(answer)
    assert 0.3 < time.monotonic() - start
    assert request(page, "GET", "/health")[0] == 200


def test_one_byte_a_moment_does_not_move_the_deadline(page, clients, monkeypatch):
    monkeypatch.setattr(connection, "RECEIVE_SECONDS", 0.5)
    client = clients(HEAD + b"Content-Length: 9999\r\n\r\n")
    start = time.monotonic()
    try:
        while time.monotonic() - start < PATIENCE:
            client.sendall(b"x")
            time.sleep(0.05)
    except ConnectionError:
        pass
    assert time.monotonic() - start < PATIENCE / 2


def test_a_connection_takes_several_requests(page, workplace):
    client = http.client.HTTPConnection("127.0.0.1", port(page), timeout=PATIENCE)
    for body in (png(workplace), b"no image", bytes(25 * 2**20), png(workplace)):
        client.request("POST", "/predict", body)
        answer = client.getresponse()
        answer.read()
    assert answer.status == 200
    client.close()


def test_a_client_may_ask_before_it_sends(page, clients):
    client = clients(HEAD + b"Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 413 ")
    client = clients(HEAD + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
    client.sendall(b"abcd")
    assert client.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_a_client_that_disconnects_while_it_sends_is_no_error(page, clients, capfd):
    clients(HEAD + b"Content-Length: 9999\r\n\r\n" + bytes(9)).close()
    assert request(page, "GET", "/health")[0] == 200
    eventually(lambda: not page._server.server_state.tasks)
    assert capfd.readouterr().err == ""


def test_beyond_the_limit_the_slowest_request_is_given_up(page, clients, monkeypatch):
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 5)
    slow = [clients(b"GET /hea") for _ in range(5)]
    eventually(lambda: len(page._server.server_state.connections) == 5)
    assert request(page, "GET", "/health")[0] == 200
    assert slow[0].recv(65536).startswith(b"HTTP/1.1 408 ")


def test_pages_are_answered_while_images_are_computed(page, workplace, monkeypatch):
    finish = threading.Event()
    predict = page.sessions["m0"].model.predict_batch
    wait = lambda images: (finish.wait(PATIENCE), predict(images))[1]  # noqa: E731
    monkeypatch.setattr(page.sessions["m0"].model, "predict_batch", wait)
    threads = [
        threading.Thread(target=request, args=(page, "POST", "/predict", png(workplace)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: page.batcher.waiting)
    for path in ("/", "/docs", "/health", "/metrics", "/models", "/state"):
        assert request(page, "GET", path)[0] == 200
    finish.set()
    for thread in threads:
        thread.join()
