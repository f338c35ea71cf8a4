"""Memory and latency of `visus live` on an endless stream with consumers ten times too slow.

python benchmarks/live_memory.py MODEL CLIP [MINUTES]

The clip is repeated as motion JPEG at 25 frames/s. The reader of the JSON Lines takes 2.5 lines/s,
and so does a browser that watches the page. Prints the resident memory each minute, and the
latencies.
"""

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path

import cv2

from visus.apps.live.sources.files import VideoSource

RATE = 25.0
SLOWER = 10
PORT = 8094


def main() -> None:
    """Run it, and print memory and latencies."""
    model, clip = sys.argv[1:3]
    minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 30.0
    camera = ThreadingHTTPServer(("127.0.0.1", 0), _camera(Path(clip)))
    threading.Thread(target=camera.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        stats = Path(folder) / "stats.json"
        source = f"http://127.0.0.1:{camera.server_address[1]}/"
        visus = str(Path(sys.executable).with_name("visus"))
        command = [visus, "live", model, source, "--jsonl", "-", "--serve", str(PORT)]
        command += ["--stats", str(stats)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as live:
            threading.Thread(target=_read_slowly, args=(live,), daemon=True).start()
            threading.Thread(target=_watch_slowly, daemon=True).start()
            megabytes = _watch(live.pid, minutes)
            live.send_signal(signal.SIGTERM)
            camera.shutdown()
            live.wait(30)
        print(json.dumps(json.loads(stats.read_text()), indent=1))
    # Buffers and caches fill in the first tenth.
    early = megabytes[len(megabytes) // 10]
    print(
        f"{minutes:g} minutes: {early:.1f} MB after a tenth, {megabytes[-1]:.1f} MB at the end, "
        f"{max(megabytes):.1f} MB at most: grown by {megabytes[-1] - early:.1f} MB"
    )


def _camera(clip: Path) -> type[BaseHTTPRequestHandler]:
    """A handler that sends the clip repeatedly, at its frame rate."""
    parts = []
    for frame in VideoSource(clip).frames():
        data = cv2.imencode(".jpg", frame.image[..., ::-1])[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        parts.append(head.encode() + data + b"\r\n")

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                for part in cycle(parts):
                    self.wfile.write(part)
                    time.sleep(1 / RATE)
            except OSError:
                return

        def log_message(self, format: str, *arguments: object) -> None:
            """Log nothing."""

    return Camera


def _read_slowly(live: "subprocess.Popen[bytes]") -> None:
    assert live.stdout is not None
    while live.stdout.readline():
        time.sleep(SLOWER / RATE)


def _watch_slowly() -> None:
    """Read as a browser on a slow connection: a tenth of the bytes of the camera."""
    time.sleep(10)
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/stream") as stream:
        while stream.read(4096):
            time.sleep(SLOWER / RATE / 10)


def _watch(process: int, minutes: float) -> list[float]:
    """Resident memory in MB, ten times a minute."""
    measured = []
    for sample in range(1, int(minutes * 10) + 1):
        time.sleep(6)
        status = Path(f"/proc/{process}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        measured.append(int(line.split()[1]) / 1024)
        if sample % 10 == 0:
            print(f"minute {sample // 10}: {measured[-1]:.1f} MB", flush=True)
    return measured


if __name__ == "__main__":
    main()
