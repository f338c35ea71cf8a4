"""Network cameras on loopback: motion JPEG over HTTP, which can be unplugged."""

import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np


class SimulatedCamera:
    """Sends images at a rate to every client, the same ones again and again.

    Args:
        images: uint8 RGB.
        rate: Images/s.
    """

    def __init__(self, images, rate=10.0):
        self.parts = [_part(image) for image in images]
        self.rate = rate
        self.port = 0
        self._clients = set()
        self._server = None
        self.plug_in()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/camera.mjpg"

    def plug_in(self):
        """Listen, on the same port as before."""
        self._server = _Server(("127.0.0.1", self.port), _Handler)
        self._server.camera = self
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def unplug(self):
        """Close all connections, and listen no more."""
        self._server.shutdown()
        self._server.server_close()
        for client in tuple(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def send(self, handler):
        """Send images until the client leaves."""
        self._clients.add(handler.connection)
        start, number = time.monotonic(), 0
        try:
            while True:
                handler.wfile.write(self.parts[number % len(self.parts)])
                number += 1
                time.sleep(max(0.0, start + number / self.rate - time.monotonic()))
        except OSError:
            pass
        finally:
            self._clients.discard(handler.connection)


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
        self.end_headers()
        self.server.camera.send(self)

    def log_message(self, *_):
        pass


def _part(image):
    data = cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()
    head = f"--part\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data + b"\r\n"


def grey(level, size=(48, 64)):
    """An image of one grey, with a stripe so that no two cameras are alike."""
    return np.full((*size, 3), level, np.uint8)
