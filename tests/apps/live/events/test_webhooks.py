"""Webhooks: delivery in order, attempts with growing delays, and what could not be delivered."""

import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import eventually
from visus.apps.live.events.webhooks import Webhook, check_address
from visus.vision.errors import VisusError


@pytest.fixture
def server():
    """A server that keeps what it receives; answers the codes of `answers`, then 204."""
    received, answers = [], []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = answers.pop(0) if answers else 204
            received.append((time.monotonic(), code, self.headers["Content-Type"], body))
            self.send_response(code)
            if code == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    listening = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listening.server_port}/secret/hook?token=secret", received, answers
    listening.shutdown()
    listening.server_close()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("visus.apps.live.events.webhooks._FIRST_DELAY", 0.05)
    monkeypatch.setattr("visus.apps.live.events.webhooks._LONGEST_DELAY", 0.2)
    monkeypatch.setattr("visus.apps.live.events.webhooks._CLOSING_SECONDS", 1.0)


def test_events_are_posted_in_order(server, workplace):
    address, received, _ = server
    webhook = Webhook(address, Path("undelivered.jsonl"))
    for i in range(5):
        webhook.send({"event": i, "label": "Müller"})
    webhook.close()
    assert [json.loads(body)["event"] for *_, body in received] == list(range(5))
    assert received[0][2] == "application/json" and json.loads(received[0][3])["label"] == "Müller"
    assert not webhook.problems and not Path("undelivered.jsonl").exists()


def test_a_busy_server_is_asked_again_with_growing_delays(server, workplace, impatient, capsys):
    address, received, answers = server
    answers += [503, 500, 429, 503]
    webhook = Webhook(address, Path("undelivered.jsonl"))
    webhook.send({"event": 1})
    eventually(lambda: len(received) == 5)
    webhook.close()
    times = [moment for moment, *_ in received]
    delays = [after - before for before, after in pairwise(times)]
    assert delays[0] >= 0.04 and delays[1] >= 0.09 and delays[2] >= 0.19 and not webhook.problems
    printed = capsys.readouterr().err
    assert printed.count("answered 503 Service Unavailable; trying again") == 1
    assert "delivers again" in printed and "secret" not in printed


@pytest.mark.parametrize("code", [400, 404, 302])
def test_a_refused_event_is_kept_and_the_next_one_sent(server, workplace, code):
    address, received, answers = server
    answers.append(code)
    webhook = Webhook(address, Path("d/undelivered.jsonl"))
    webhook.send({"event": 1})
    webhook.send({"event": 2})
    webhook.close()
    assert [json.loads(body)["event"] for *_, body in received] == [1, 2]
    assert json.loads(Path("d/undelivered.jsonl").read_text()) == {"event": 1}
    (problem,) = webhook.problems
    assert "1 event could not be delivered; they are in d/undelivered.jsonl" in problem
    assert "secret" not in problem


def test_without_a_server_nothing_waits_and_nothing_is_lost(workplace, impatient, monkeypatch):
    monkeypatch.setattr("visus.apps.live.events.webhooks._QUEUED", 10)
    webhook = Webhook("http://127.0.0.1:9/", Path("undelivered.jsonl"))
    start = time.perf_counter()
    for i in range(50):
        webhook.send({"event": i})
    assert time.perf_counter() - start < 1
    webhook.close()
    assert time.perf_counter() - start < 5
    kept = [json.loads(line)["event"] for line in Path("undelivered.jsonl").open()]
    assert sorted(kept) == list(range(50))
    assert "50 events could not be delivered" in webhook.problems[0]


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_only_the_user_reads_undelivered_embeddings(workplace, impatient, private, mode):
    before = os.umask(0o022)
    try:
        webhook = Webhook("http://127.0.0.1:9/", Path("u.jsonl"), private)
        webhook.send({"event": 1})
        webhook.close()
    finally:
        os.umask(before)
    assert Path("u.jsonl").stat().st_mode & 0o777 == mode


def test_a_server_that_never_answers_does_not_hold_the_end(workplace, impatient):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        webhook = Webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/", Path("u.jsonl"))
        for i in range(3):
            webhook.send({"event": i})
        time.sleep(0.3)
        start = time.perf_counter()
        webhook.close()
        assert time.perf_counter() - start < 5
    kept = [json.loads(line)["event"] for line in Path("u.jsonl").open()]
    assert sorted(kept) == [0, 1, 2]


def test_events_that_cannot_even_be_kept_are_reported(workplace, impatient):
    Path("file").touch()
    webhook = Webhook("http://127.0.0.1:9/", Path("file/undelivered.jsonl"))
    webhook.send({"event": 1})
    webhook.close()
    assert "cannot be written" in webhook.problems[0] and "lost" in webhook.problems[0]


@pytest.mark.parametrize("address", ["example.com/x", "ftp://h/x", "http://", "http://h:x/", "h t"])
def test_other_addresses_are_refused(address):
    with pytest.raises(VisusError, match="write an address such as https://host/path"):
        check_address(address)


@pytest.mark.parametrize("address", ["http://h:x/hooks/secret", "http://h t/secret", "h/secret"])
def test_the_path_of_a_malformed_address_is_not_shown(address):
    with pytest.raises(VisusError, match="write an address such as") as caught:
        check_address(address)
    assert "secret" not in str(caught.value)


def test_an_event_is_delivered_or_kept_when_the_end_comes(workplace, impatient, monkeypatch):
    monkeypatch.setattr("visus.apps.live.events.webhooks._CLOSING_SECONDS", 0.05)
    webhook = Webhook("http://127.0.0.1:9/", Path("undelivered.jsonl"))
    slow = threading.Event()
    monkeypatch.setattr(webhook, "_post", lambda body: (slow.wait(5), ("", True))[1])
    for i in range(20):
        webhook.send({"event": i})
    webhook.close()
    slow.set()
    webhook._thread.join(5)
    kept = [
        json.loads(line)["event"] for line in Path("undelivered.jsonl").read_text().split("\n")[:-1]
    ]
    assert kept == list(range(20))


def test_an_address_is_ascii():
    with pytest.raises(VisusError, match="encode the address in ASCII, as %C3%A4"):
        check_address("https://host/\xe4")
