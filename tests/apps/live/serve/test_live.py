"""Live frames: the stream, its watchers, pause, threshold, figures, metrics, and the pages."""

import http.client
import io
import json
import re
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.apps.live.test_loop import write_video
from tests.conftest import PATIENCE, eventually, save_scene
from tests.serving import png, port, request, serve
from visus.apps.inference.combined import combine
from visus.apps.live.cameras import Camera
from visus.apps.live.loop import run_loop
from visus.apps.live.serve import connection, frames
from visus.apps.live.serve.bodies import MAX_BYTES
from visus.apps.live.sources.base import Source
from visus.apps.live.sources.files import ImageSource
from visus.vision.frames import Frame


@pytest.fixture
def live(model):
    """A server with frames."""
    with serve(model[0], moving=True) as server:
        yield server


class Camera30(Source):
    """Frames of 640 x 480 until it is stopped."""

    def __init__(self):
        super().__init__()
        self.stopped = threading.Event()

    def frames(self):
        noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
        number = 0
        while not self.stopped.wait(1 / 60):
            yield Frame(np.roll(noise, number), "camera", number, number / 60, time.perf_counter())
            number += 1


@pytest.fixture
def camera(live):
    """The source of frames that the server shows."""
    source = Camera30()
    network = live.sessions["m0"].model
    loop = threading.Thread(target=run_loop, args=([Camera(source, network, [live])],))
    loop.start()
    yield source
    source.stopped.set()
    if live.state()["paused"]:
        live.toggle_pause()
    loop.join(PATIENCE)
    assert not loop.is_alive()


def read_images(server, count):
    """The first images of the stream."""
    client = http.client.HTTPConnection("127.0.0.1", port(server), timeout=PATIENCE)
    client.request("GET", "/stream")
    answer = client.getresponse()
    images = []
    while len(images) < count:
        length = 0
        while (line := answer.readline().strip()) or not length:
            if line.lower().startswith(b"content-length"):
                length = int(line.split(b":")[1])
        images.append(np.asarray(Image.open(io.BytesIO(answer.read(length)))))
        answer.readline()
    client.close()
    return images


def test_the_stream_pauses_and_continues_while_images_are_answered(live, camera, workplace):
    images = read_images(live, 5)
    assert len({image.tobytes() for image in images}) == 5 and images[0].shape == (480, 640, 3)
    state = request(live, "GET", "/state")[1]
    assert state["moving"] and not state["paused"]
    before = live.frames.number
    for _ in range(5):
        assert request(live, "POST", "/predict", png(workplace))[0] == 200
    eventually(lambda: live.frames.number > before)
    assert request(live, "POST", "/pause")[1]["paused"]
    time.sleep(0.2)
    before = live.frames.number
    time.sleep(0.2)
    assert live.frames.number == before
    # Its last image is shown to new watchers, and images are answered.
    assert len(read_images(live, 1)) == 1
    assert request(live, "POST", "/predict", png(workplace))[0] == 200
    assert not request(live, "POST", "/pause")[1]["paused"]
    eventually(lambda: live.frames.number > before)


def test_a_pause_on_the_page_does_not_stop_what_cameras_are_watched_for(live):
    live.live = True
    image = np.zeros((4, 4, 3), np.uint8)
    live.show(Frame(image, "camera 0", 0, 0.0, 0.0), image)
    live.toggle_pause()
    for i in range(1, 4):
        live.show(Frame(image, "camera 0", i, i / 10, 0.0), image)
    assert live.frames.number == 1
    live.toggle_pause()
    live.show(Frame(image, "camera 0", 4, 0.4, 0.0), image)
    assert live.frames.number == 2


def test_an_image_stays_on_the_page_until_the_user_continues(live, workplace):
    source = ImageSource([save_scene(workplace / f"{i}.png", i) for i in range(2)])
    camera = Camera(source, live.sessions["m0"].model, [live], [live.watch])
    loop = threading.Thread(target=run_loop, args=([camera],))
    loop.start()
    for number in (1, 2):
        eventually(lambda: live.state()["paused"])
        assert live.frames.number == number
        assert live.state()["results"]["classes"]
        live.toggle_pause()
    loop.join(PATIENCE)
    assert not loop.is_alive()


def test_the_page_shows_the_interruption_of_a_camera(live):
    live.figures = lambda: "25 frames/s"
    image = np.zeros((4, 4, 3), np.uint8)
    frame = Frame(image, "camera 0", 7, 1.0, 0.0)
    live.show(replace(frame, note="no image for 6 s"), image)
    assert request(live, "GET", "/state")[1]["figures"] == "no image for 6 s"
    live.show(frame, image)
    assert request(live, "GET", "/state")[1]["figures"] == "25 frames/s"


def test_watchers_come_and_go(live, camera, monkeypatch):
    monkeypatch.setattr(frames, "MAX_WATCHERS", 8)
    for _ in range(5):
        clients = []
        for _ in range(8):
            client = http.client.HTTPConnection("127.0.0.1", port(live), timeout=PATIENCE)
            client.request("GET", "/stream")
            assert client.getresponse().status == 200
            clients.append(client)
        status, entry = request(live, "GET", "/stream")
        assert status == 503 and "8 clients watch" in entry["error"]
        for client in clients:
            client.sock.close() if client.sock else client.close()
            client.close()
        del clients, client
        eventually(lambda: live.frames.watchers == 0)
    assert len(read_images(live, 2)) == 2


def test_an_image_is_encoded_once_for_all_and_only_if_somebody_watches(live, monkeypatch):
    encoded = []
    monkeypatch.setattr(frames, "to_jpeg", lambda pixels: encoded.append(1) or b"jpeg")
    image = np.zeros((4, 4, 3), np.uint8)
    for i in range(5):
        live.show(Frame(image, "camera", i, i / 10, 0.0), image)
    time.sleep(0.1)
    assert not encoded
    streams = [socket.create_connection(("127.0.0.1", port(live))) for _ in range(10)]
    for stream in streams:
        stream.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for stream in streams:
        received = b""
        while b"jpeg\r\n--frame" not in received:
            received += stream.recv(65536)
        stream.close()
    assert len(encoded) == 1


def test_a_watcher_that_does_not_read_holds_nobody_and_is_given_up(live, camera, monkeypatch):
    monkeypatch.setattr(connection, "STALL_SECONDS", 1.0)
    lazy = http.client.HTTPConnection("127.0.0.1", port(live), timeout=PATIENCE)
    lazy.request("GET", "/stream")
    eventually(lambda: live.frames.watchers == 1)
    assert len(read_images(live, 20)) == 20
    eventually(lambda: live.frames.watchers == 0)
    lazy.close()


def test_the_newest_image_arrives_in_time(live, camera):
    delays = []
    client = http.client.HTTPConnection("127.0.0.1", port(live), timeout=PATIENCE)
    client.request("GET", "/stream")
    answer = client.getresponse()
    while len(delays) < 40:
        if answer.readline().startswith(b"Content-Length"):
            # A slow reader gets the newest images too.
            time.sleep(0.05)
            delays.append(live.frames.number)
    client.close()
    assert delays[-1] - delays[0] > 60


def test_the_threshold_is_set_for_the_live_image_and_for_single_requests(live, monkeypatch):
    model = live.sessions["m0"].model
    assert request(live, "POST", "/threshold?value=0.3")[0] == 400
    monkeypatch.setattr("visus.apps.live.serve.app.threshold_of", lambda model: 0.5)
    assert request(live, "POST", "/threshold?value=0.3")[0] == 200
    assert model.metadata.options["threshold"] == 0.3
    for query in ("value=2", "value=x", "value=nan", ""):
        assert request(live, "POST", f"/threshold?{query}")[0] == 400


def test_metrics_are_those_of_prometheus(live, camera, workplace):
    from prometheus_client.parser import text_string_to_metric_families

    request(live, "POST", "/predict", png(workplace))
    request(live, "GET", "/secret")
    eventually(lambda: live.frames.number)
    text = request(live, "GET", "/metrics")[1].decode()
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["visus_requests_total", "/predict", "200", "POST"] == 1
    assert samples["visus_requests_total", "404", "other", "other"] == 1
    assert samples["visus_batch_images_sum", "m0"] == 1
    assert samples["visus_stage_seconds_count", "decode", "m0"] == 1
    assert samples["visus_live_frames",] > 0 and "secret" not in text


def test_the_openapi_document_describes_every_path(live):
    document = request(live, "GET", "/openapi.json")[1]
    assert document["openapi"] == "3.1.0" and "security" not in document
    for path, methods in document["paths"].items():
        for method in methods:
            if path != "/stream":
                status, _ = request(live, method.upper(), path)
                assert status not in (404, 405, 500), path
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert "multipart/form-data" in body


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_need_no_other_file_and_allow_no_other_script(live, path):
    status, html = request(live, "GET", path)
    assert status == 200 and b"STYLE" not in html and b"SCRIPT" not in html
    assert not re.search(rb'(src|href)="(?!/|data:,)', html)
    assert not re.search(rb"<[^>]+ (on\w+|style)=", html)
    client = http.client.HTTPConnection("127.0.0.1", port(live))
    client.request("GET", path)
    policy = client.getresponse().getheader("Content-Security-Policy")
    assert "unsafe" not in policy and "default-src 'none'" in policy
    assert path == "/docs" or str(MAX_BYTES).encode() in html
    client.close()


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
@pytest.mark.parametrize("size", ["1280,800", "390,844"])
def test_the_page_shows_model_results_and_speed_in_a_browser(live, workplace, size):
    live.figures = lambda: "25.0 frames/s  latency 40 predict 30 draw 3 show 1 ms  dropped 2"
    image = np.zeros((48, 64, 3), np.uint8)
    frame = Frame(image, "camera", 1, 0.1, 0.0)
    live.watch(frame, live.sessions["m0"].model.predict(image))
    live.show(frame, image)
    command = [
        "chromium",
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={workplace}",
    ]
    command += [f"--window-size={size}", "--virtual-time-budget=3000", "--dump-dom", live.url]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE).stdout
    assert '<h1 id="model">m0</h1>' in dom
    assert "<td>Prediction</td><td>30 ms</td>" in dom and "<td>Frames dropped</td><td>2</td>" in dom
    assert '<canvas id="stream"' in dom and 'width="64" height="48"' in dom
    for label in live.sessions["m0"].model.metadata.class_names[:1]:
        assert f"<td>{label}</td>" in dom


def test_a_video_is_written_while_it_is_served(visus, model, workplace):
    write_video(workplace / "v.avi")
    arguments = ("--serve", "0", "--video", "o.mp4", "--stats", "r.json")
    code, _, err = visus("live", model[0], "v.avi", *arguments)
    assert code == 0 and "http://localhost:" in err
    assert cv2.VideoCapture("o.mp4").get(cv2.CAP_PROP_FRAME_COUNT) == 20
    assert json.loads((workplace / "r.json").read_text())


def test_clients_do_not_learn_where_the_files_of_models_lie(model):
    with serve(model[0], model[0], moving=True) as server:
        first, second = (session.model for session in server.sessions.values())
        both = combine([first, second])
        image = np.zeros((48, 64, 3), np.uint8)
        frame = Frame(image, "camera", 0, 0.0, time.perf_counter())
        server.watch(frame, both.predict(image))
        (other,) = server.state()["results"]["and"]
        assert other["model"] == "m1" and str(model[0]) not in json.dumps(server.state())


def test_a_stream_begins_with_the_newest_image(live):
    live.live = True
    for value in (10, 200):
        image = np.full((32, 32, 3), value, np.uint8)
        # One that was published while nobody watched is encoded for the next client.
        live.show(Frame(image, "camera", 0, 0.0, time.perf_counter()), image)
        (first,) = read_images(live, 1)
        assert abs(int(first[0, 0, 0]) - value) < 5
        eventually(lambda: live.frames.watchers == 0)


def test_methods_that_nobody_offers_are_counted_together(live):
    for i in range(5):
        assert request(live, f"M{i}", "/health")[0] == 405
    text = live.metrics.text().decode()
    assert 'method="other"' in text and "M1" not in text


def test_drawn_is_zero_or_one(page, workplace):
    status, answer = request(page, "POST", "/predict?drawn=true", png(workplace))
    assert status == 400 and "drawn 'true' is neither 0 nor 1" in answer["error"]
