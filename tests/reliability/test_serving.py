"""The server under slow, greedy, malformed and leaving clients: no error of its own, flat memory.

Five seconds in `make test`, five minutes in `make soak`.
"""

import asyncio
import http.client
import io
import random
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.apps.conftest import model  # noqa: F401
from tests.conftest import save_scene
from tests.reliability.counts import SOAK, count
from tests.serving import form

SECONDS = count(5, 300)
MALFORMED = count(60, 300)

SERVER = """
import sys, time
import numpy as np
from visus.apps.inference.loading import load_model
from visus.apps.live.serve.server import PageServer
from visus.tasks.options import Session
from visus.vision.frames import Frame

model = load_model(sys.argv[1], workers=3)
server = PageServer("0", {"m": Session(model)}, moving=True)
print(server.url, flush=True)
noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
noise = noise.repeat(8, 0).repeat(8, 1)
for i in range(10**9):
    server.show(Frame(noise, "camera", i, i / 25, time.perf_counter()), np.roll(noise, i))
    time.sleep(1 / 25)
"""

HEAD = "{} HTTP/1.1\r\nHost: localhost\r\n"


class Load:
    """Clients of all kinds, until the time is over.

    Attributes:
        statuses: Number of answers by kind of client and status; 0 for a closed connection.
        health: Seconds of each answer of /health.
        memory: Resident megabytes of the server, twice a second.
    """

    def __init__(self, process, port, image):
        self.process, self.port, self.image = process, port, image
        self.large = _large_tiff()
        self.statuses, self.health, self.memory = Counter(), [], []
        self.end = time.monotonic() + SECONDS

    async def run(self):
        """Run all clients."""
        kinds = [(self.normal, 16), (self.slow_body, 32), (self.slow_head, 8), (self.watcher, 64)]
        kinds += [(self.too_large, 2), (self.chunked, 2), (self.parts, 2), (self.tiff, 2)]
        kinds += [(self.malformed, 2), (self.leaving, 4)]
        clients = [self.repeat(kind) for kind, clients in kinds for _ in range(clients)]
        health = asyncio.to_thread(self.check_health)
        await asyncio.gather(*clients, health, self.watch_memory())

    async def repeat(self, client):
        """A client that opens a connection after the other."""
        number = 0
        while time.monotonic() < self.end:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            status = 0
            try:
                status = await client(reader, writer, number)
            except (ConnectionError, asyncio.IncompleteReadError):
                # The server has closed the connection of a client that does harm.
                pass
            finally:
                writer.close()
            if status is not None:
                self.statuses[client.__name__, status] += 1
            number += 1

    async def normal(self, reader, writer, number):
        """An image, one after the other."""
        while time.monotonic() < self.end:
            _post(writer, self.image)
            status = await _status(reader)
            self.statuses["normal", status] += 1
        return None

    async def slow_body(self, reader, writer, number):
        """A byte a second."""
        writer.write((HEAD.format("POST /predict") + "Content-Length: 9999\r\n\r\n").encode())
        while time.monotonic() < self.end and not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(1)
        return None

    async def slow_head(self, reader, writer, number):
        """A byte a second, before the request is complete."""
        for byte in b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: 1":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(1)
            if time.monotonic() > self.end:
                break
        return None

    async def watcher(self, reader, writer, number):
        """Some frames, or none of them read."""
        writer.write((HEAD.format("GET /stream") + "\r\n").encode())
        await asyncio.sleep(random.random())
        status = await _status(reader, body=False)
        if number % 2:
            for _ in range(random.randint(1, 20)):
                await reader.read(65536)
        return status

    async def too_large(self, reader, writer, number):
        """25 MB."""
        _post(writer, bytes(25 * 2**20))
        status = await _status(reader)
        await asyncio.sleep(0.5)
        return status

    async def chunked(self, reader, writer, number):
        """An image in pieces, or far too much."""
        writer.write((HEAD.format("POST /predict") + "Transfer-Encoding: chunked\r\n\r\n").encode())
        data = self.image if number % 2 else bytes(22 * 2**20)
        size = 999 if number % 2 else 2**20
        for start in range(0, len(data), size):
            chunk = data[start : start + size]
            writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        return await _status(reader)

    async def parts(self, reader, writer, number):
        """A form with many parts, or with an image."""
        body, kind = form(fields=5000) if number % 2 else form(self.image, fields=3)
        _post(writer, body, f"Content-Type: {kind}\r\n")
        return await _status(reader)

    async def tiff(self, reader, writer, number):
        """An image that takes long to decode."""
        _post(writer, self.large)
        return await _status(reader)

    async def malformed(self, reader, writer, number):
        """No HTTP."""
        if number >= MALFORMED // 2:
            await asyncio.sleep(0.2)
        seed = random.Random(number)
        request = bytearray(HEAD.format("POST /predict?name=a").encode() + b"A: b\r\n\r\n")
        for _ in range(seed.randint(1, 8)):
            request[seed.randrange(len(request))] = seed.randrange(256)
        if number % 3 == 0:
            request = bytearray(seed.randbytes(seed.randrange(1, 3000)))
        writer.write(bytes(request))
        writer.write_eof()
        await reader.read()
        return None

    async def leaving(self, reader, writer, number):
        """A client that does not wait for the answer."""
        _post(writer, self.image)
        await asyncio.sleep(random.random() / 100)
        writer.close()
        await asyncio.sleep(0.1)
        return None

    def check_health(self):
        """How long /health takes; in a thread, as the other clients keep each other waiting."""
        client = http.client.HTTPConnection("127.0.0.1", self.port)
        while time.monotonic() < self.end:
            start = time.perf_counter()
            client.request("GET", "/health")
            assert client.getresponse().read()
            self.health.append(time.perf_counter() - start)
            time.sleep(0.05)
        client.close()

    async def watch_memory(self):
        """The resident memory of the server."""
        while time.monotonic() < self.end:
            status = Path(f"/proc/{self.process.pid}/status").read_text()
            self.memory.append(int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024)
            await asyncio.sleep(0.5)


def _post(writer, body, headers=""):
    length = f"Content-Length: {len(body)}\r\n\r\n"
    writer.write((HEAD.format("POST /predict") + headers + length).encode() + body)


async def _status(reader, body=True):
    head = await reader.readuntil(b"\r\n\r\n")
    if body:
        await reader.readexactly(int(re.search(rb"content-length: (\d+)", head.lower())[1]))
    return int(head.split()[1])


def _large_tiff():
    """20 megapixels of 16 bits, which take seconds to decode."""
    grey = np.random.default_rng(0).integers(0, 2, (4000, 5000), np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "TIFF", compression="tiff_adobe_deflate")
    return buffer.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process from /proc")
def test_no_client_harms_another_and_memory_stays(model, workplace):  # noqa: F811
    image = save_scene(workplace / "a.png", 1).read_bytes()
    # Without this folder in its path, whose `apps` are those of the tests.
    command = [sys.executable, "-P", "-c", SERVER, str(model[0])]
    with (
        open("errors.txt", "w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        try:
            port = int(re.search(r":(\d+)/", process.stdout.readline())[1])
            load = Load(process, port, image)
            asyncio.run(load.run())
            assert process.poll() is None
        finally:
            process.kill()
    statuses = load.statuses
    print(
        statuses,
        np.percentile(load.health, [50, 95, 99, 100]),
        load.memory[:: max(1, len(load.memory) // 10)],
    )
    assert Path("errors.txt").read_text() == ""
    assert not [each for each in statuses if each[1] == 500]
    assert statuses["normal", 200] > 2 * SECONDS
    # An image is refused when others fill the queue, and never by slow clients alone.
    assert statuses["normal", 503] < statuses["normal", 200] / 10
    assert {status for kind, status in statuses if kind == "normal"} <= {200, 503}
    assert {status for kind, status in statuses if kind == "too_large"} == {413}
    assert {status for kind, status in statuses if kind == "chunked"} <= {200, 413, 503}
    assert {status for kind, status in statuses if kind == "parts"} <= {200, 400, 503}
    assert {status for kind, status in statuses if kind == "watcher"} <= {200}
    assert {status for kind, status in statuses if kind == "tiff"} <= {200, 503}
    # Other tests run beside this one; benchmarks/serving.py measures the longest time.
    assert np.median(load.health) < 0.2
    if SOAK:
        quarter = len(load.memory) // 4
        early, later = load.memory[quarter : 2 * quarter], load.memory[-quarter:]
        assert np.median(later) < 1.1 * np.median(early)
