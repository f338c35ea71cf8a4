"""Throughput and latency of `visus serve` with 32 clients, against the runtime alone, in turn.

python benchmarks/serving.py

The same images, JPEGs, are computed by the network alone (already decoded and resized), by the
model in threads of this process (decoding counted), and by the server for 32 clients that each send
an image as soon as the last one is answered. Another client requests /health all the time. Clients
and server share the cores.
"""

import http.client
import io
import re
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from visus.apps.export.onnx_file import export_onnx
from visus.apps.inference.backends import usable_workers
from visus.apps.inference.loading import load_model
from visus.apps.live.parallel import parallel_map
from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.task import DetectionTask
from visus.tasks.torch_network import torch_task
from visus.vision.images import read_image
from visus.vision.scenes import make_scene

CLIENTS = 32
ROUNDS = 5
IMAGES = 16
MINIMUM_SECONDS = 3.0


def main() -> None:
    """Print a table for a fast and for a slow network."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        classifier, detector = folder / "classifier.onnx", folder / "detector.onnx"
        export_onnx(torch_task(load_model("imagenet"), "export").cpu(), classifier)
        info = DetectionInfo(
            image_size=(288, 384), class_names=("object",), in_channels=3, resize_mode="letterbox"
        )
        task = DetectionTask(data_info=info, backbone="tf_efficientnet_lite0", pretrained=True)
        export_onnx(task.eval(), detector)
        for path, sizes in ((classifier, ((224, 224), (480, 640))), (detector, ((480, 640),))):
            for size in sizes:
                compare(path, size)


def compare(path: Path, size: tuple[int, int]) -> None:
    """Print the rates, their ratios and the latencies of one model.

    Args:
        path: The exported model.
        size: (height, width) of the images in pixels.
    """
    images = [_jpeg(make_scene(seed, size, (3, 8)).image) for seed in range(IMAGES)]
    model = load_model(str(path), workers=usable_workers())
    batches = [model.preprocess(read_image(image))[0] for image in images]
    command = [str(Path(sys.executable).with_name("visus")), "serve", str(path), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        port = int(re.findall(r":(\d+)/", server.stderr.readline())[0])
        latencies: list[float] = []
        health: list[float] = []
        calls: dict[str, Callable[[], float]] = {
            "network alone": lambda: _in_threads(model.run, batches),
            "decoding and prediction": lambda: _in_threads(
                lambda image: model.predict(read_image(image)), images
            ),
            f"served, {CLIENTS} clients": lambda: _serve(port, images, latencies, health),
        }
        rates: dict[str, list[float]] = {name: [] for name in calls}
        for call in calls.values():
            call()
        latencies.clear()
        health.clear()
        for _ in range(ROUNDS):
            for name, call in calls.items():
                rates[name].append(call())
    finally:
        server.terminate()
        server.wait()
    height, width = size
    kilobytes = sum(map(len, images)) / len(images) / 1024
    print(f"\n{model.metadata.task}, JPEGs of {width} x {height}, {kilobytes:.0f} KB")
    served = rates[f"served, {CLIENTS} clients"]
    for name, measured in rates.items():
        ratio = statistics.median(s / m for s, m in zip(served, measured, strict=True))
        print(f"{name:<24} {statistics.median(measured):8.1f} images/s   served / this {ratio:.2f}")
    levels = np.percentile(1000 * np.array(latencies), [50, 95, 99])
    print("latency p50 {:.0f} ms, p95 {:.0f} ms, p99 {:.0f} ms".format(*levels), end="; ")
    print(f"/health: at most {1000 * max(health):.0f} ms of {len(health)}")


def _in_threads(function: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Calls per second, on all cores."""
    start, count = time.perf_counter(), 0
    while (seconds := time.perf_counter() - start) < MINIMUM_SECONDS:
        count += sum(1 for _ in parallel_map(function, iter(list(items) * 4), usable_workers()))
    return count / seconds


def _serve(
    port: int, images: Sequence[bytes], latencies: list[float], health: list[float]
) -> float:
    """Answers per second to all clients."""
    requests = [_request(image) for image in images]
    end = time.perf_counter() + MINIMUM_SECONDS
    checking = threading.Thread(target=_check_health, args=(port, health, end))
    checking.start()
    count, start = 0, time.perf_counter()
    # One thread for all clients, which leaves the cores to the server.
    with selectors.DefaultSelector() as selector:
        for number in range(CLIENTS):
            client = _Client(port, requests[number % len(requests)])
            selector.register(client.connection, selectors.EVENT_READ, client)
        while (now := time.perf_counter()) < end:
            for key, _ in selector.select(end - now):
                if key.data.receive():
                    latencies.append(time.perf_counter() - key.data.started)
                    key.data.send(requests[count % len(requests)])
                    count += 1
        seconds = time.perf_counter() - start
        for key in list(selector.get_map().values()):
            key.data.connection.close()
    checking.join()
    return count / seconds


def _request(image: bytes) -> bytes:
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(image)}\r\n\r\n"
    return head.encode() + image


class _Client:
    """A client that sends a request when the last one is answered."""

    def __init__(self, port: int, request: bytes) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.send(request)

    def send(self, request: bytes) -> None:
        self._received = b""
        self.started = time.perf_counter()
        self.connection.sendall(request)

    def receive(self) -> bool:
        """Receive what is there; returns whether the answer is complete."""
        self._received += self.connection.recv(2**16)
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator:
            return False
        assert head.startswith(b"HTTP/1.1 200"), head
        (length,) = re.findall(rb"content-length: (\d+)", head)
        return len(body) >= int(length)


def _check_health(port: int, health: list[float], end: float) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    while (start := time.perf_counter()) < end:
        connection.request("GET", "/health")
        assert connection.getresponse().read()
        health.append(time.perf_counter() - start)
        time.sleep(0.05)
    connection.close()


def _jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
