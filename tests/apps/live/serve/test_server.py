"""The page and what programs may ask: answers, limits, tokens, and other sites kept out."""

import http.client
import io
import json
import re
import signal
import socket
import threading
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.apps.live.test_loop import start, write_video
from tests.conftest import PATIENCE, eventually, save_scene
from visus.apps.inference.loading import load_model
from visus.apps.live.loop import run_loop
from visus.apps.live.serve.requests import MAX_BYTES, parse_address
from visus.apps.live.serve.server import PageServer
from visus.apps.live.sources.base import Source
from visus.apps.live.sources.files import ImageSource, VideoSource
from visus.apps.live.sources.streams import StreamSource
from visus.vision.errors import VisusError
from visus.vision.frames import Frame
from visus.vision.images import read_image


@pytest.fixture
def page(model):
    """A page for images that are sent, and what answers in its own thread."""
    server = PageServer("0", load_model(str(model[0])), moving=False)
    answering = threading.Thread(target=server.wait, daemon=True)
    answering.start()
    yield server
    server.close()


def port(server):
    return int(re.search(r":(\d+)/", server.url)[1])


def ask(server, method, path, body=None, **headers):
    """Status and JSON of a request."""
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=PATIENCE)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, names)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.getheader("Content-Type") == "application/json":
        return answer.status, json.loads(text)
    return answer.status, text


def png(path):
    return save_scene(path, 1).read_bytes()


def test_a_image_that_is_sent_gets_its_json_lines_object(page, model, workplace, visus):
    data = png(workplace / "a.png")
    status, entry = ask(page, "POST", "/predict?name=a.png", data)
    assert status == 200 and "drawn" not in entry
    assert visus("infer", model[0], "a.png", "--jsonl", "o.jsonl")[0] == 0
    assert entry == json.loads((workplace / "o.jsonl").read_text())
    status, entry = ask(page, "POST", "/predict?drawn=1", data)
    assert entry["source"] == "upload"
    assert entry["drawn"].startswith("data:image/jpeg;base64,")


def test_it_tells_its_health_and_its_page(page, model):
    status, facts = ask(page, "GET", "/health")
    assert status == 200
    assert facts["model"] == str(model[0]) and facts["task"] == "classification"
    status, html = ask(page, "GET", "/")
    assert status == 200 and b"Drop an image" in html and str(MAX_BYTES).encode() in html
    assert ask(page, "GET", "/nothing")[0] == 404
    assert ask(page, "GET", "/../pyproject.toml")[0] == 404


def test_what_is_no_image_or_too_large_is_refused_with_the_reason(page):
    status, entry = ask(page, "POST", "/predict", b"no image at all")
    assert status == 400 and "image" in entry["error"]
    status, entry = ask(page, "POST", "/predict", bytes(100 * 2**20))
    assert status == 413 and "100 MB is too large; 20 MB at most" in entry["error"]
    status, entry = ask(page, "POST", "/predict")
    assert status == 411 and "Content-Length" in entry["error"]
    # It still answers.
    assert ask(page, "GET", "/health")[0] == 200


def test_the_page_tells_of_a_camera_that_is_silent(page):
    page.figures = lambda: "25 frames/s"
    image = np.zeros((4, 4, 3), np.uint8)
    frame = Frame(image, "camera 0", 7, 1.0, 0.0)
    page.show(replace(frame, note="no image for 6 s"), image)
    assert ask(page, "GET", "/state")[1]["figures"] == "no image for 6 s"
    page.show(frame, image)
    assert ask(page, "GET", "/state")[1]["figures"] == "25 frames/s"


def test_a_client_that_goes_while_it_sends_is_no_error(page, capfd):
    with socket.create_connection(("127.0.0.1", port(page))) as client:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n"
        client.sendall(head + bytes(9))
    assert ask(page, "GET", "/health")[0] == 200
    eventually(lambda: not [one for one in threading.enumerate() if "process_request" in one.name])
    assert "Traceback" not in capfd.readouterr().err


def test_more_images_than_can_wait_are_refused(model, workplace, monkeypatch):
    monkeypatch.setattr("visus.apps.live.serve.requests._THINKING", 3.0)
    data = png(workplace / "a.png")
    # Nothing answers here, so that all that come wait.
    server = PageServer("0", load_model(str(model[0])), moving=False)
    try:
        statuses = []
        threads = [
            threading.Thread(
                target=lambda: statuses.append(ask(server, "POST", "/predict", data)[0])
            )
            for _ in range(12)
        ]
        for thread in threads:
            thread.start()
        eventually(lambda: len(statuses) >= 4)
        assert statuses == [503] * 4
        for thread in threads:
            thread.join()
        assert statuses == [503] * 12
    finally:
        server.close()


def test_few_of_those_that_wait_are_held_decoded(model, workplace, monkeypatch):
    decoded = []

    def read(data):
        decoded.append(data)
        return read_image(data)

    monkeypatch.setattr("visus.apps.live.serve.requests.read_image", read)
    data = png(workplace / "a.png")
    server = PageServer("0", load_model(str(model[0])), moving=False)
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(ask(server, "POST", "/predict", data)[0]))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: len(decoded) >= 2)
    time.sleep(0.3)
    assert len(decoded) == 2
    # As soon as the model has time, all of them get their answers.
    threading.Thread(target=server.wait, daemon=True).start()
    for thread in threads:
        thread.join()
    server.close()
    assert statuses == [200] * 8 and len(decoded) == 8


def test_a_prediction_that_fails_is_told(page, workplace, monkeypatch):
    def fail(image):
        raise VisusError("too dark; turn on the light")

    monkeypatch.setattr(page.model, "predict", fail)
    status, entry = ask(page, "POST", "/predict", png(workplace / "a.png"))
    assert status == 400 and entry["error"] == "too dark; turn on the light"


def test_a_model_that_breaks_on_a_image_goes_on_with_the_next(page, workplace, monkeypatch):
    data, predict = png(workplace / "a.png"), page.model.predict

    def fail(image):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(page.model, "predict", fail)
    status, entry = ask(page, "POST", "/predict", data)
    assert status == 500 and "RuntimeError: out of memory" in entry["error"]
    monkeypatch.setattr(page.model, "predict", predict)
    assert ask(page, "POST", "/predict", data)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_other_sites_cannot_reach_it_through_the_browser(page, workplace, headers):
    for method, path in (("GET", "/state"), ("GET", "/stream"), ("POST", "/pause")):
        status, entry = ask(page, method, path, **headers)
        assert status == 403 and "error" in entry


def test_from_elsewhere_only_with_the_token(model, monkeypatch):
    monkeypatch.setenv("VISUS_TOKEN", "s3cret")
    server = PageServer("0.0.0.0:0", load_model(str(model[0])), moving=False)
    try:
        # It is reached by the machine's name, and a token that the user keeps is not printed.
        assert server.url.endswith("/?token=$VISUS_TOKEN") and "0.0.0.0" not in server.url
        for path in ("/", "/health", "/stream", "/?token=wrong", "/health?token=s3cret"):
            assert ask(server, "GET", path)[0] == 401
        assert ask(server, "POST", "/predict", b"x")[0] == 401
        assert ask(server, "GET", "/health", Authorization="Bearer s3cret")[0] == 200
        assert ask(server, "GET", "/health", Authorization="Bearer wrong")[0] == 401
        assert ask(server, "GET", "/?token=s3cret")[0] == 200
        assert ask(server, "GET", "/health", Cookie="a=b; visus=s3cret")[0] == 200
    finally:
        server.close()


def test_a_token_is_made_where_none_is_given(model, monkeypatch):
    monkeypatch.delenv("VISUS_TOKEN", raising=False)
    servers = [PageServer("0.0.0.0:0", load_model(str(model[0])), moving=False) for _ in range(2)]
    tokens = {server.token for server in servers}
    assert all(server.url.endswith(f"/?token={server.token}") for server in servers)
    assert len(tokens) == 2 and all(len(token) > 16 for token in tokens)
    for server in servers:
        server.close()


@pytest.mark.parametrize("text", ["", "x", "99999", "host:", "1.2.3.4:x"])
def test_addresses_that_are_none(text):
    with pytest.raises(VisusError, match="--serve"):
        parse_address(text)


def test_a_port_that_is_taken_is_named(page, model):
    with pytest.raises(VisusError, match="cannot listen there"):
        PageServer(str(port(page)), load_model(str(model[0])), moving=False)


class Endless(Source):
    """Frames that grow brighter until somebody has seen enough."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.enough = threading.Event()

    def frames(self):
        while not self.enough.is_set():
            yield from VideoSource(self.path).frames()


def read_images(server, count):
    """The first images of the stream."""
    connection = http.client.HTTPConnection("127.0.0.1", port(server), timeout=PATIENCE)
    connection.request("GET", "/stream")
    answer = connection.getresponse()
    images = []
    while len(images) < count:
        length = 0
        while (line := answer.readline().strip()) or not length:
            if line.lower().startswith(b"content-length"):
                length = int(line.split(b":")[1])
        images.append(np.asarray(Image.open(io.BytesIO(answer.read(length)))))
        answer.readline()
    connection.close()
    return images


def stands_still(server):
    before, _ = server.next_jpeg(0)
    time.sleep(0.3)
    return server.next_jpeg(0)[0] == before


def test_the_image_moves_pauses_and_goes_on_while_images_are_answered(model, workplace):
    source = Endless(write_video(workplace / "v.avi"))
    network = load_model(str(model[0]))
    server = PageServer("0", network, moving=True)
    loop = threading.Thread(target=run_loop, args=(network, source, [server]))
    loop.start()
    try:
        images = read_images(server, 5)
        assert len({image.tobytes() for image in images}) > 1
        assert images[0].shape == (48, 64, 3)
        assert ask(server, "GET", "/state")[1] == {"figures": "", "paused": False, "moving": True}
        assert ask(server, "POST", "/pause")[1]["paused"]
        eventually(lambda: stands_still(server))
        first, _ = server.next_jpeg(0)
        assert ask(server, "POST", "/predict", png(workplace / "a.png"))[0] == 200
        assert not ask(server, "POST", "/pause")[1]["paused"]
        assert server.next_jpeg(first)[0] > first
        assert ask(server, "POST", "/predict", png(workplace / "a.png"))[0] == 200
    finally:
        source.enough.set()
        if server.state()["paused"]:
            server.toggle_pause()
        loop.join(PATIENCE)
    assert not loop.is_alive()


def test_a_image_stays_on_the_page_until_it_is_told_to_go_on(model, workplace):
    source = ImageSource([save_scene(workplace / f"{i}.png", i) for i in range(2)])
    network = load_model(str(model[0]))
    server = PageServer("0", network, moving=True)
    loop = threading.Thread(target=run_loop, args=(network, source, [server]))
    loop.start()
    for number in (1, 2):
        assert server.next_jpeg(number - 1)[0] == number
        eventually(lambda: server.state()["paused"])
        server.toggle_pause()
    loop.join(PATIENCE)
    assert not loop.is_alive()


def test_browsers_that_do_not_read_hold_nobody_up(model, workplace):
    frames = [np.random.default_rng(i).integers(0, 255, (480, 640, 3), np.uint8) for i in range(4)]

    class Camera:
        count = 0

        def isOpened(self):
            return True

        def get(self, _):
            return 30.0

        def read(self):
            time.sleep(0.002)
            self.count += 1
            return True, frames[self.count % 4]

        def release(self):
            pass

    source = StreamSource("camera", Camera, "")
    network = load_model(str(model[0]))
    server = PageServer("0", network, moving=True)
    stopped = threading.Event()

    class Until:
        def show(self, frame, drawn):
            return not stopped.is_set()

        def close(self):
            pass

    loop = threading.Thread(target=run_loop, args=(network, source, [server, Until()]))
    loop.start()
    try:
        lazy = http.client.HTTPConnection("127.0.0.1", port(server), timeout=PATIENCE)
        lazy.request("GET", "/stream")
        # More than the buffers of a connection hold.
        eventually(lambda: server.next_jpeg(0)[0] > 30)
        assert ask(server, "GET", "/health")[0] == 200
        lazy.close()
    finally:
        stopped.set()
        loop.join(PATIENCE)
    assert not loop.is_alive()


def test_live_serves_without_a_source_until_ctrl_c(model, workplace):
    process = start("live", model[0], "--serve", "0")
    line = process.stderr.readline().decode()
    assert re.fullmatch(r"visus: http://localhost:\d+/\n", line)
    connection = http.client.HTTPConnection("localhost", int(re.search(r":(\d+)/", line)[1]))
    connection.request("POST", "/predict", png(workplace / "a.png"))
    assert json.loads(connection.getresponse().read())["width"] == 56
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "name a source"),
        (("--serve", "0", "--video", "v.mp4"), "--video needs a source"),
        (("--serve", "0", "--jsonl", "-"), "--jsonl needs a source"),
        (("--serve", "x"), "is no address"),
    ],
)
def test_arguments_that_need_a_source(visus, model, arguments, words):
    code, _, err = visus("live", model[0], *arguments)
    assert code == 2 and words in err


def test_a_video_is_written_while_it_is_served(visus, model, workplace):
    write_video(workplace / "v.avi")
    arguments = ("--serve", "0", "--video", "o.mp4", "--report", "r.json")
    code, _, err = visus("live", model[0], "v.avi", *arguments)
    assert code == 0 and "http://localhost:" in err
    assert cv2.VideoCapture("o.mp4").get(cv2.CAP_PROP_FRAME_COUNT) == 20
