"""Latency, fairness and memory of `visus live` with several cameras.

python benchmarks/cameras.py MODEL [MINUTES] [CAMERAS] [RATE]

The cameras are motion JPEG of procedural scenes, 640 x 480, over HTTP on this machine. Prints the
resident memory each minute, then frames/s, dropped frames and latencies of each camera.
"""

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import cv2

from visus.vision.scenes import make_scene

_SIZE = (480, 640)
_SCENES = 50
_PORT = 8095


def main() -> None:
    """Run it, and print the figures."""
    model, minutes = sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    cameras = int(sys.argv[3]) if len(sys.argv) > 3 else 8
    rate = float(sys.argv[4]) if len(sys.argv) > 4 else 10.0
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), _camera(i, rate)) for i in range(cameras)]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    visus = str(Path(sys.executable).with_name("visus"))
    with tempfile.TemporaryDirectory() as name:
        stats = Path(name) / "stats.json"
        addresses = [
            f"http://127.0.0.1:{server.server_port}/{i}" for i, server in enumerate(servers)
        ]
        command = [visus, "live", model, *addresses, "--serve", str(_PORT), "--stats", str(stats)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as live:
            megabytes = _watch(live.pid, minutes)
            live.send_signal(signal.SIGTERM)
            code = live.wait(30)
        report = json.loads(stats.read_text())
        reports = report.get("cameras", {"the only one": report})
    print(f"{'camera':<14}{'frames/s':>9}{'dropped':>9}{'median':>9}{'p95':>8}{'p99':>8} ms")
    for camera, report in reports.items():
        latency = report["latency_ms"]
        print(
            f"{camera:<14}{report['frames_per_second']:>9.2f}{report['dropped']:>9}"
            f"{latency['median']:>9.1f}{latency['p95']:>8.1f}{latency['p99']:>8.1f}"
        )
    early = megabytes[len(megabytes) // 10]
    print(
        f"exit code {code}; memory {early:.1f} MB after a tenth, {megabytes[-1]:.1f} MB at the end"
        f", {max(megabytes):.1f} MB at most"
    )


def _camera(number: int, rate: float) -> type[BaseHTTPRequestHandler]:
    """A handler that sends scenes of its own at a rate."""
    parts = []
    for i in range(_SCENES):
        scene = make_scene(number * _SCENES + i, _SIZE, (2, 5)).image
        data = cv2.imencode(".jpg", scene[..., ::-1])[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        parts.append(head.encode() + data + b"\r\n")

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            start = time.perf_counter()
            try:
                for frame in count():
                    self.wfile.write(parts[frame % _SCENES])
                    time.sleep(max(0.0, start + (frame + 1) / rate - time.perf_counter()))
            except OSError:
                return

        def log_message(self, format: str, *arguments: object) -> None:
            """Log nothing."""

    return Camera


def _watch(process: int, minutes: float) -> list[float]:
    """Resident memory in MB, ten times a minute."""
    measured = []
    for sample in range(1, max(2, int(minutes * 10)) + 1):
        time.sleep(6)
        status = Path(f"/proc/{process}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        measured.append(int(line.split()[1]) / 1024)
        if sample % 10 == 0:
            print(f"minute {sample // 10}: {measured[-1]:.1f} MB", flush=True)
    return measured


if __name__ == "__main__":
    main()
