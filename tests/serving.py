"""Servers of visus on a free port, and requests to them, well-formed and not."""

import http.client
import json
import socket
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.conftest import PATIENCE, save_scene
from visus.apps.inference.loading import load_model
from visus.apps.live.serve.server import PageServer
from visus.tasks.options import Session


@contextmanager
def serve(*paths, address="0", moving=False, **options):
    """A server of models by the names m0, m1..."""
    sessions = {f"m{i}": Session(load_model(str(path))) for i, path in enumerate(paths)}
    server = PageServer(address, sessions, moving=moving, **options)
    try:
        yield server
    finally:
        server.close()


def port(server):
    return urlsplit(server.url).port


def request(server, method, path, body=None, **headers):
    """Status and JSON, or bytes, of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=PATIENCE)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if text and answer.getheader("Content-Type") == "application/json":
        return answer.status, json.loads(text)
    return answer.status, text


def raw(server, data):
    """All that is received after bytes were sent, until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port(server)), timeout=PATIENCE) as client:
        client.sendall(data)
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    return received


def png(folder):
    """The bytes of a small image."""
    return save_scene(folder / "a.png", 1).read_bytes()


def form(*files, fields=0):
    """The body of a form, and its Content-Type."""
    head = "--edge\r\nContent-Disposition: form-data; name="
    parts = [f'{head}"f{i}"\r\n\r\nvalue\r\n'.encode() for i in range(fields)]
    for data in files:
        named = f'{head}"file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        parts.append(named.encode() + data + b"\r\n")
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"
