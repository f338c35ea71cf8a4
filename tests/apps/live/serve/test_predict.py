"""POST /predict: answers, forms, limits, several models, and the queue."""

import base64
import http.client
import json
import re
import signal
import subprocess
import threading
import time

import numpy as np
import pytest
from PIL import Image

from tests.apps.live.test_loop import start, write_video
from tests.conftest import PATIENCE, eventually
from tests.serving import form, png, port, request, serve
from visus.apps.live.serve import batching
from visus.tasks.options import Session
from visus.vision.errors import VisusError
from visus.vision.images import read_image


def in_threads(count, call):
    """Results of a call in several threads, which are filled in as they finish."""
    results = []
    threads = [threading.Thread(target=lambda: results.append(call())) for _ in range(count)]
    for thread in threads:
        thread.start()
    return results, threads


def test_an_image_that_is_sent_gets_its_json_lines_object(page, model, workplace, visus):
    data = png(workplace)
    status, entry = request(page, "POST", "/predict?name=a.png", data)
    assert status == 200 and "drawn" not in entry
    assert visus("predict", model[0], "a.png", "--jsonl", "o.jsonl")[0] == 0
    assert entry == json.loads((workplace / "o.jsonl").read_text())
    status, entry = request(page, "POST", "/predict?drawn=1", data)
    assert entry["source"] == "upload"
    assert entry["drawn"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("fields", [0, 3])
def test_a_form_with_one_file_is_the_same_as_its_bytes(page, workplace, fields):
    data = png(workplace)
    body, kind = form(data, fields=fields)
    assert (
        request(page, "POST", "/predict", body, Content_Type=kind)[1]
        == request(page, "POST", "/predict", data)[1]
    )


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (*form(), "0 files"),
        (*form(b"a", b"b"), "2 files"),
        (*form(b"a", fields=40), "over 16 parts"),
        (*form(b""), "the body is empty"),
        (b"--edge", "multipart/form-data; boundary=edge", "no end"),
        (b"--edge\r\nx\r\n--edge--", "multipart/form-data; boundary=edge", "no headers"),
        (b"x", "multipart/form-data", "no boundary"),
        (b"x", f"multipart/form-data; boundary={'x' * 90}", "no boundary"),
    ],
)
def test_forms_that_are_not_one_file_are_refused(page, body, kind, words):
    status, entry = request(page, "POST", "/predict", body, Content_Type=kind)
    assert status == 400 and words in entry["error"]


def test_other_data_and_large_images_are_refused_with_the_reason(page):
    status, entry = request(page, "POST", "/predict", b"no image at all")
    assert status == 400 and "image" in entry["error"]
    status, entry = request(page, "POST", "/predict", bytes(100 * 2**20))
    assert status == 413 and "100 MB is too large; 20 MB at most" in entry["error"]
    status, entry = request(page, "POST", "/predict", iter([bytes(2**20)] * 30))
    assert status == 413 and "20 MB at most" in entry["error"]
    status, entry = request(page, "POST", "/predict")
    assert status == 400 and "send the bytes of an image" in entry["error"]
    status, entry = request(page, "POST", "/predict", b"{}", Content_Type="application/json")
    assert status == 415 and "multipart/form-data" in entry["error"]
    # The server still answers.
    assert request(page, "GET", "/health")[0] == 200


def test_images_of_too_many_pixels_are_refused_before_they_are_decoded(page, workplace):
    Image.new("1", (8000, 8000)).save(workplace / "large.png")
    data = (workplace / "large.png").read_bytes() + bytes(2**16)
    status, entry = request(page, "POST", "/predict", data)
    assert status == 413 and "64,000,000 pixels are too many" in entry["error"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("modell=m0", 400, "unknown parameter 'modell'; /predict takes"),
        ("model=other", 404, "there is no model 'other'; choose from m0"),
        ("threshold=0.5", 400, "'m0' has no threshold"),
        ("threshold=high", 400, "must lie between 0 and 1"),
    ],
)
def test_wrong_parameters(page, workplace, query, status, words):
    answer = request(page, "POST", f"/predict?{query}", png(workplace))
    assert answer[0] == status and words in answer[1]["error"]


def test_models_are_chosen_by_name(model, workplace):
    with serve(*model) as server:
        listed = request(server, "GET", "/models")[1]["models"]
        assert [each["name"] for each in listed] == ["m0", "m1"]
        assert [each["runtime"] for each in listed] == ["openvino", "torch"]
        assert listed[0]["class_names"] and listed[0]["threshold"] is None
        data = png(workplace)
        first = request(server, "POST", "/predict", data)[1]
        assert first == request(server, "POST", "/predict?model=m0", data)[1]
        other = request(server, "POST", "/predict?model=m1", data)[1]
        assert other["classes"][0]["label"] == first["classes"][0]["label"]


def test_images_that_wait_are_one_batch(model, workplace, monkeypatch):
    sizes, begin = [], threading.Event()
    with serve(model[1]) as server:
        network = server.sessions["m0"].model
        predict = network.predict_images

        def wait(images):
            begin.wait(PATIENCE)
            sizes.append(len(images))
            return predict(images)

        monkeypatch.setattr(network, "predict_images", wait)
        data = png(workplace)
        answers, threads = in_threads(24, lambda: request(server, "POST", "/predict", data))
        eventually(lambda: server.batcher.waiting + 8 * server.batcher._running >= 20)
        begin.set()
        for thread in threads:
            thread.join()
    assert sum(sizes) == 24 and 1 < max(sizes) <= 8
    assert [status for status, _ in answers] == [200] * 24
    assert all(entry == answers[0][1] for _, entry in answers)


def test_an_image_that_fails_does_not_fail_its_batch(model, workplace, monkeypatch):
    with serve(model[1]) as server:
        network = server.sessions["m0"].model
        predict = network.predict_image

        def fail(image):
            if image.shape[0] == 7:
                raise VisusError("too dark; turn on the light")
            return predict(image)

        def fail_all(images):
            return [fail(image) for image in images]

        monkeypatch.setattr(network, "predict_images", fail_all)
        monkeypatch.setattr(network, "predict_image", fail)
        Image.new("RGB", (7, 7)).save(workplace / "b.png")
        bodies = [png(workplace)] * 7 + [(workplace / "b.png").read_bytes()]
        left = iter(bodies)
        answers, threads = in_threads(8, lambda: request(server, "POST", "/predict", next(left)))
        for thread in threads:
            thread.join()
    assert sorted(status for status, _ in answers) == [200] * 7 + [400]


def test_more_images_than_can_wait_are_refused(page, workplace, monkeypatch):
    begin, entered = threading.Event(), threading.Event()
    predict = page.sessions["m0"].model.predict_batch
    monkeypatch.setattr(batching, "MAX_WAITING", 4)

    def wait(images):
        entered.set()
        begin.wait(PATIENCE)
        return predict(images)

    monkeypatch.setattr(page.sessions["m0"].model, "predict_batch", wait)
    data = png(workplace)
    first, waiting = in_threads(1, lambda: request(page, "POST", "/predict", data))
    assert entered.wait(PATIENCE)
    answers, threads = in_threads(14, lambda: request(page, "POST", "/predict", data))
    eventually(lambda: len(answers) >= 14 - 4 - 3)
    assert {status for status, _ in answers} == {503}
    assert request(page, "GET", "/ready")[0] == 503 and request(page, "GET", "/health")[0] == 200
    begin.set()
    for thread in (*waiting, *threads):
        thread.join()
    assert [status for status, _ in first] == [200]
    assert sorted(status for status, _ in answers)[:4] == [200] * 4
    assert request(page, "GET", "/ready") == (200, {"status": "ready", "waiting": 0})


def test_a_client_that_has_gone_frees_its_place(page, workplace, monkeypatch):
    begin, seen = threading.Event(), []
    predict = page.sessions["m0"].model.predict_batch

    def wait(images):
        begin.wait(PATIENCE)
        seen.extend(images)
        return predict(images)

    monkeypatch.setattr(page.sessions["m0"].model, "predict_batch", wait)
    clients = []
    for _ in range(12):
        client = http.client.HTTPConnection("127.0.0.1", port(page), timeout=PATIENCE)
        client.request("POST", "/predict", png(workplace))
        clients.append(client)
    eventually(lambda: page.batcher.waiting >= 6)
    for client in clients:
        client.close()
    eventually(lambda: page.batcher.waiting == 0)
    begin.set()
    assert request(page, "POST", "/predict", png(workplace))[0] == 200
    assert len(seen) < 12


def test_a_late_answer_is_refused(page, workplace, monkeypatch):
    monkeypatch.setattr("visus.apps.live.serve.app.PREDICT_SECONDS", 0.3)
    predict = page.sessions["m0"].model.predict_batch
    slow = lambda images: (time.sleep(1), predict(images))[1]  # noqa: E731
    monkeypatch.setattr(page.sessions["m0"].model, "predict_batch", slow)
    status, entry = request(page, "POST", "/predict", png(workplace))
    assert status == 503 and "did not answer in time" in entry["error"]


def test_large_images_are_decoded_one_at_a_time_beside_small_ones(page, workplace, monkeypatch):
    decoding, most, finish = [0], [0], threading.Event()

    def slow(data):
        image = read_image(data)
        if image.shape[0] > 1000:
            decoding[0] += 1
            most[0] = max(most[0], decoding[0])
            finish.wait(PATIENCE)
            decoding[0] -= 1
        return image

    monkeypatch.setattr("visus.apps.live.serve.prediction.read_image", slow)
    Image.new("L", (5000, 5000)).save(workplace / "large.tiff", compression="tiff_lzw")
    large = (workplace / "large.tiff").read_bytes()
    answers, threads = in_threads(4, lambda: request(page, "POST", "/predict", large))
    eventually(lambda: decoding[0] == 1)
    for _ in range(5):
        assert request(page, "POST", "/predict", png(workplace))[0] == 200
    finish.set()
    for thread in threads:
        thread.join()
    assert most[0] == 1 and [status for status, _ in answers] == [200] * 4


def test_a_lack_of_memory_is_no_fault_of_the_image(page, workplace, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load_prepare", lambda self: bytearray(2**62))
    status, entry = request(page, "POST", "/predict", png(workplace))
    assert status == 503 and "not enough memory" in entry["error"]


def test_after_a_failure_of_the_model_the_next_image_is_answered(page, workplace, monkeypatch):
    def fail(image):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(page.sessions["m0"].model, "predict_image", fail)
        status, entry = request(page, "POST", "/predict", png(workplace))
        assert status == 500 and "failed on this image (RuntimeError)" in entry["error"]
    assert request(page, "POST", "/predict", png(workplace))[0] == 200


def test_what_a_session_conceals_is_not_in_the_drawn_image(page, workplace):
    session = page.sessions["m0"]
    page.sessions["m0"] = Session(session.model, conceal=lambda image, _: np.zeros_like(image))
    # Scores are drawn at the top.
    Image.new("RGB", (400, 400), "white").save(workplace / "white.png")
    data = (workplace / "white.png").read_bytes()
    drawn = request(page, "POST", "/predict?drawn=1", data)[1]["drawn"].partition(",")[2]
    assert read_image(base64.b64decode(drawn))[300:].max() < 20


def test_serve_answers_without_a_source_until_ctrl_c(model, workplace):
    process = start("serve", model[0], f"other={model[0]}", "--port", "0", "--access-log", "log")
    line = process.stderr.readline().decode()
    assert re.fullmatch(r"visus: http://localhost:\d+/\n", line)
    url = line.split()[1]
    curl = ["curl", "-s", "-F", "file=@a.png", f"{url}predict?model=other&name=secret"]
    png(workplace)
    assert json.loads(subprocess.check_output(curl))["width"] == 56
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert re.fullmatch(
        r"\S+T\S+ 127\.0\.0\.1 POST /predict 200 [\d.]+ ms\n", (workplace / "log").read_text()
    )


def test_what_was_accepted_is_answered_after_sigterm(model, workplace):
    process = start("serve", model[0], "--port", "0")
    url = process.stderr.readline().decode().split()[1]
    # Large enough to be still at work when the signal arrives.
    noise = np.random.default_rng(0).integers(0, 255, (3000, 3000, 3), np.uint8)
    Image.fromarray(noise).save("a.jpg", quality=75)
    curl = ["curl", "-s", "--data-binary", "@a.jpg", f"{url}predict"]
    clients = [subprocess.Popen(curl, stdout=subprocess.PIPE) for _ in range(4)]
    metrics = ["curl", "-s", f"{url}metrics"]
    eventually(lambda: b"visus_waiting_images 0.0" not in subprocess.check_output(metrics))
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    for client in clients:
        assert json.loads(client.communicate()[0])["width"] == 3000


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("live",), "no source"),
        (("live", "--serve", "0", "--video", "v.mp4"), "no source"),
        (("live", "v.avi", "--serve", "x"), "is not an address to listen on"),
        (("serve", "--port", "x"), "is not an address to listen on"),
        (("serve", "--jsonl", "-"), "unknown option --jsonl"),
        (("serve", "m=latest"), "are both named 'm'; write NAME=MODEL"),
        (("serve", "--port", "0", "--access-log", "."), "--access-log ."),
    ],
)
def test_wrong_arguments(visus, workplace, model, arguments, words):
    write_video(workplace / "v.avi")
    code, _, err = visus(arguments[0], model[0], *arguments[1:])
    assert code == 2 and words in err and len(err.splitlines()) == 1
