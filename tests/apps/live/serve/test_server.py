"""The page and POST /predict: answers, limits, tokens, and requests from other sites."""

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
    """A server for images that are sent, which answers in a thread."""
    server = PageServer("0", load_model(str(model[0])), moving=False)
    answering = threading.Thread(target=server.wait, daemon=True)
    answering.start()
    yield server
    server.close()


def port(server):
    return int(re.search(r":(\d+)/", server.url)[1])


def request(server, method, path, body=None, **headers):
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


def test_an_image_that_is_sent_gets_its_json_lines_object(page, model, workplace, visus):
    data = png(workplace / "a.png")
    status, entry = request(page, "POST", "/predict?name=a.png", data)
    assert status == 200 and "drawn" not in entry
    assert visus("predict", model[0], "a.png", "--jsonl", "o.jsonl")[0] == 0
    assert entry == json.loads((workplace / "o.jsonl").read_text())
    status, entry = request(page, "POST", "/predict?drawn=1", data)
    assert entry["source"] == "upload"
    assert entry["drawn"].startswith("data:image/jpeg;base64,")


def test_it_answers_with_its_health_and_its_page(page, model):
    status, health = request(page, "GET", "/health")
    assert status == 200
    assert health["model"] == str(model[0]) and health["task"] == "classification"
    status, html = request(page, "GET", "/")
    assert status == 200 and b"Drop an image" in html and str(MAX_BYTES).encode() in html
    assert request(page, "GET", "/nothing")[0] == 404
    assert request(page, "GET", "/../pyproject.toml")[0] == 404


def test_other_data_and_large_images_are_refused_with_the_reason(page):
    status, entry = request(page, "POST", "/predict", b"no image at all")
    assert status == 400 and "image" in entry["error"]
    status, entry = request(page, "POST", "/predict", bytes(100 * 2**20))
    assert status == 413 and "100 MB is too large; 20 MB at most" in entry["error"]
    status, entry = request(page, "POST", "/predict")
    assert status == 411 and "Content-Length" in entry["error"]
    # The server still answers.
    assert request(page, "GET", "/health")[0] == 200


def test_the_page_shows_the_interruption_of_a_camera(page):
    page.figures = lambda: "25 frames/s"
    image = np.zeros((4, 4, 3), np.uint8)
    frame = Frame(image, "camera 0", 7, 1.0, 0.0)
    page.show(replace(frame, note="no image for 6 s"), image)
    assert request(page, "GET", "/state")[1]["figures"] == "no image for 6 s"
    page.show(frame, image)
    assert request(page, "GET", "/state")[1]["figures"] == "25 frames/s"


def test_a_client_that_disconnects_while_it_sends_is_no_error(page, capfd):
    with socket.create_connection(("127.0.0.1", port(page))) as client:
        head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n"
        client.sendall(head + bytes(9))
    assert request(page, "GET", "/health")[0] == 200
    eventually(lambda: not [one for one in threading.enumerate() if "process_request" in one.name])
    assert "Traceback" not in capfd.readouterr().err


def test_more_images_than_can_wait_are_refused(model, workplace, monkeypatch):
    monkeypatch.setattr("visus.apps.live.serve.requests._PREDICT_SECONDS", 3.0)
    data = png(workplace / "a.png")
    # Nothing answers here, so that all images wait.
    server = PageServer("0", load_model(str(model[0])), moving=False)
    try:
        statuses = []
        threads = [
            threading.Thread(
                target=lambda: statuses.append(request(server, "POST", "/predict", data)[0])
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


def test_few_of_the_waiting_images_are_decoded(model, workplace, monkeypatch):
    decoded = []

    def read(data):
        decoded.append(data)
        return read_image(data)

    monkeypatch.setattr("visus.apps.live.serve.requests.read_image", read)
    data = png(workplace / "a.png")
    server = PageServer("0", load_model(str(model[0])), moving=False)
    statuses = []
    threads = [
        threading.Thread(
            target=lambda: statuses.append(request(server, "POST", "/predict", data)[0])
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    eventually(lambda: len(decoded) >= 2)
    time.sleep(0.3)
    assert len(decoded) == 2
    # As soon as the model is available, all of them are answered.
    threading.Thread(target=server.wait, daemon=True).start()
    for thread in threads:
        thread.join()
    server.close()
    assert statuses == [200] * 8 and len(decoded) == 8


def test_a_prediction_that_fails_is_reported(page, workplace, monkeypatch):
    def fail(image):
        raise VisusError("too dark; turn on the light")

    monkeypatch.setattr(page.model, "predict", fail)
    status, entry = request(page, "POST", "/predict", png(workplace / "a.png"))
    assert status == 400 and entry["error"] == "too dark; turn on the light"


def test_a_lack_of_memory_is_no_fault_of_the_image(page, workplace, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load_prepare", lambda self: bytearray(2**62))
    status, entry = request(page, "POST", "/predict", png(workplace / "a.png"))
    assert status == 503 and "not enough memory" in entry["error"]


def test_after_a_failure_of_the_model_the_next_image_is_answered(page, workplace, monkeypatch):
    data, predict = png(workplace / "a.png"), page.model.predict

    def fail(image):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(page.model, "predict", fail)
    status, entry = request(page, "POST", "/predict", data)
    assert status == 500 and "RuntimeError: out of memory" in entry["error"]
    monkeypatch.setattr(page.model, "predict", predict)
    assert request(page, "POST", "/predict", data)[0] == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
    ],
)
def test_requests_from_other_sites_are_refused(page, workplace, headers):
    for method, path in (("GET", "/state"), ("GET", "/stream"), ("POST", "/pause")):
        status, entry = request(page, method, path, **headers)
        assert status == 403 and "error" in entry


def test_other_machines_need_the_token(model, monkeypatch):
    monkeypatch.setenv("VISUS_TOKEN", "s3cret")
    server = PageServer("0.0.0.0:0", load_model(str(model[0])), moving=False)
    try:
        # The URL has the machine's name; the user's own token is not printed.
        assert server.url.endswith("/?token=$VISUS_TOKEN") and "0.0.0.0" not in server.url
        for path in ("/", "/health", "/stream", "/?token=wrong", "/health?token=s3cret"):
            assert request(server, "GET", path)[0] == 401
        assert request(server, "POST", "/predict", b"x")[0] == 401
        assert request(server, "GET", "/health", Authorization="Bearer s3cret")[0] == 200
        assert request(server, "GET", "/health", Authorization="Bearer wrong")[0] == 401
        assert request(server, "GET", "/?token=s3cret")[0] == 200
        assert request(server, "GET", "/health", Cookie="a=b; visus=s3cret")[0] == 200
    finally:
        server.close()


def test_a_token_is_generated_where_none_is_given(model, monkeypatch):
    monkeypatch.delenv("VISUS_TOKEN", raising=False)
    servers = [PageServer("0.0.0.0:0", load_model(str(model[0])), moving=False) for _ in range(2)]
    tokens = {server.token for server in servers}
    assert all(server.url.endswith(f"/?token={server.token}") for server in servers)
    assert len(tokens) == 2 and all(len(token) > 16 for token in tokens)
    for server in servers:
        server.close()


@pytest.mark.parametrize("text", ["", "x", "99999", "host:", "1.2.3.4:x"])
def test_malformed_addresses(text):
    with pytest.raises(VisusError, match="is not an address to listen on"):
        parse_address(text)


def test_a_port_that_is_in_use_is_named(page, model):
    with pytest.raises(VisusError, match="cannot listen there"):
        PageServer(str(port(page)), load_model(str(model[0])), moving=False)


class Endless(Source):
    """Frames of growing brightness until it is stopped."""

    def __init__(self, path):
        super().__init__()
        self.path = path
        self.stopped = threading.Event()

    def frames(self):
        while not self.stopped.is_set():
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


def test_the_stream_pauses_and_continues_while_images_are_answered(model, workplace):
    source = Endless(write_video(workplace / "v.avi"))
    network = load_model(str(model[0]))
    server = PageServer("0", network, moving=True)
    loop = threading.Thread(target=run_loop, args=(network, source, [server]))
    loop.start()
    try:
        images = read_images(server, 5)
        assert len({image.tobytes() for image in images}) > 1
        assert images[0].shape == (48, 64, 3)
        assert request(server, "GET", "/state")[1] == {
            "figures": "",
            "paused": False,
            "moving": True,
        }
        assert request(server, "POST", "/pause")[1]["paused"]
        eventually(lambda: stands_still(server))
        first, _ = server.next_jpeg(0)
        assert request(server, "POST", "/predict", png(workplace / "a.png"))[0] == 200
        assert not request(server, "POST", "/pause")[1]["paused"]
        assert server.next_jpeg(first)[0] > first
        assert request(server, "POST", "/predict", png(workplace / "a.png"))[0] == 200
    finally:
        source.stopped.set()
        if server.state()["paused"]:
            server.toggle_pause()
        loop.join(PATIENCE)
    assert not loop.is_alive()


def test_an_image_stays_on_the_page_until_the_user_continues(model, workplace):
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


def test_browsers_that_do_not_read_block_nothing(model, workplace):
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
        assert request(server, "GET", "/health")[0] == 200
        lazy.close()
    finally:
        stopped.set()
        loop.join(PATIENCE)
    assert not loop.is_alive()


def test_serve_answers_without_a_source_until_ctrl_c(model, workplace):
    process = start("serve", model[0], "--port", "0")
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
        (("live",), "required: source"),
        (("live", "--serve", "0", "--video", "v.mp4"), "required: source"),
        (("live", "v.avi", "--serve", "x"), "is not an address to listen on"),
        (("serve", "--port", "x"), "is not an address to listen on"),
        (("serve", "--jsonl", "-"), "unknown option --jsonl"),
    ],
)
def test_wrong_arguments(visus, workplace, model, arguments, words):
    write_video(workplace / "v.avi")
    code, _, err = visus(arguments[0], model[0], *arguments[1:])
    assert code == 2 and words in err and len(err.splitlines()) == 1


def test_serve_answers_with_several_models(model, workplace):
    process = start("serve", *model, "--port", "0")
    port = int(re.search(r":(\d+)/", process.stderr.readline().decode())[1])
    connection = http.client.HTTPConnection("localhost", port, timeout=PATIENCE)
    connection.request("POST", "/predict", png(workplace / "a.png"))
    entry = json.loads(connection.getresponse().read())
    assert entry["and"][0]["model"] == str(model[1])
    assert entry["and"][0]["classes"][0]["label"] == entry["classes"][0]["label"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0


def test_a_video_is_written_while_it_is_served(visus, model, workplace):
    write_video(workplace / "v.avi")
    arguments = ("--serve", "0", "--video", "o.mp4", "--stats", "r.json")
    code, _, err = visus("live", model[0], "v.avi", *arguments)
    assert code == 0 and "http://localhost:" in err
    assert cv2.VideoCapture("o.mp4").get(cv2.CAP_PROP_FRAME_COUNT) == 20
