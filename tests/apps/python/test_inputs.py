"""Every kind of image gives the same result, and what is not an image is refused with a remedy."""

import io
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from tests.apps.python.toy import classifier
from visus.apps.python import download
from visus.vision.errors import VisusError
from visus.vision.scenes import make_scene


@pytest.fixture
def model():
    return classifier()[0]


@pytest.fixture
def image():
    return make_scene(3, (20, 30)).image


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def scores(result):
    return result.prediction.scores.tolist()


def test_every_kind_of_image_gives_the_same_result(model, image, workplace):
    Path("a.png").write_bytes(png(image))
    planes = torch.from_numpy(image.copy()).permute(2, 0, 1)
    kinds = [
        *("a.png", Path("a.png"), Path("a.png").resolve(), png(image), bytearray(png(image))),
        *(Image.fromarray(image), planes, planes.float() / 255, planes.double() / 255),
        *(image[:, ::-1][:, ::-1], np.dstack([image, np.full((20, 30), 255, np.uint8)])),
        Image.fromarray(image).convert("RGBA"),
    ]
    expected = model(image)
    for kind in kinds:
        result = model(kind)
        assert scores(result) == scores(expected)
        np.testing.assert_array_equal(result.image, image)
    assert [scores(result) for result in model(kinds)] == [scores(expected)] * len(kinds)
    batch = torch.stack([planes, planes])
    assert [scores(result) for result in model(batch)] == [scores(expected)] * 2
    assert [scores(result) for result in model(batch[:1])] == [scores(expected)]


def test_the_channels_of_opencv_are_named(model, image):
    bgr = np.ascontiguousarray(image[..., ::-1])
    assert scores(model(bgr, channels="bgr")) == scores(model(image)) != scores(model(bgr))
    planes = torch.from_numpy(bgr).permute(2, 0, 1)
    assert scores(model(planes, channels="bgr")) == scores(model(image))
    with pytest.raises(ValueError, match="channels='BGR': is neither 'rgb' nor 'bgr'"):
        model(image, channels="BGR")


def test_grey_and_transparent_images_become_rgb(model):
    grey = np.arange(200, dtype=np.uint8).reshape(10, 20)
    expected = np.repeat(grey[..., None], 3, axis=2)
    for kind in (grey, grey[..., None], Image.fromarray(grey), torch.from_numpy(grey)[None]):
        np.testing.assert_array_equal(model(kind).image, expected)
    clear = np.zeros((10, 20, 4), np.uint8)
    assert (model(clear).image == 255).all()
    assert (model(Image.fromarray(clear)).image == 255).all()
    # An image that was converted to RGB has its colours, and no transparent one.
    palette = Image.fromarray(np.zeros((10, 20), np.uint8)).convert("P")
    palette.info["transparency"] = 0
    assert (model(palette.convert("RGB")).image == 0).all()


def test_other_channels_of_a_model_stay_as_they_are():
    grey, five = classifier(1)[0], classifier(5)[0]
    assert grey(np.zeros((9, 9), np.uint8)).image.shape == (9, 9, 1)
    pixels = np.arange(5 * 80, dtype=np.uint8).reshape(8, 10, 5)
    np.testing.assert_array_equal(five(pixels).image, pixels)
    np.testing.assert_array_equal(five(torch.from_numpy(pixels).permute(2, 0, 1)).image, pixels)
    with pytest.raises(VisusError, match="an image of 3 channels, where the model takes 5"):
        five(pixels[..., :3])


def test_an_image_of_pillow_is_upright(model, image):
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(image)))
    turned.getexif()[0x0112] = 6
    np.testing.assert_array_equal(model(turned).image, image)


FLOAT = np.zeros((4, 4, 3))


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (None, TypeError, "the image is None; cv2.imread returns None for a file"),
        ([FLOAT.astype(np.uint8), None], TypeError, r"images\[1\] is None; cv2.imread"),
        (3, TypeError, r"of type int; a camera is read by model.stream"),
        ({}, TypeError, "of type dict; give a path, glob, folder or web address, bytes"),
        (io.BytesIO(b"x"), TypeError, "give its bytes, file.read"),
        (["nowhere.png"], VisusError, "'nowhere.png': there is no such file"),
        ("nowhere.png", VisusError, "'nowhere.png': there is no such file"),
        (".", VisusError, "'.': the folder holds no image"),
        ("*.jpg", VisusError, "matches no image"),
        ("", VisusError, "the source is empty"),
        ("-", VisusError, "the source is empty"),
        ("clip.mp4", VisusError, r"is a video; for result in model.stream"),
        ("0", VisusError, r"is a camera; for result in model.stream"),
        ("rtsp://u:secret@host/a", VisusError, r"source 'rtsp://host/a': is a video"),
        (b"no image", VisusError, "not an image"),
        (FLOAT, ValueError, r"is uint8, this is float64; \(image \* 255\).astype"),
        (FLOAT.astype(np.uint16), ValueError, "this is uint16; scale it to 0 to 255"),
        (FLOAT[None].astype(np.uint8), ValueError, r"give a list of images, list\(batch\)"),
        (np.zeros((3, 9, 9), np.uint8), ValueError, r"channels come last; image.transpose"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"has shape \(0, 4, 3\); an image has shape"),
        (np.zeros(5, np.uint8), ValueError, r"has shape \(5,\)"),
        (torch.zeros(5, 5), ValueError, r"a tensor has shape \(channels, height, width\)"),
        (torch.zeros(9, 9, 3), ValueError, r"width\), not \(9, 9, 3\)"),
        (torch.full((3, 4, 4), 2.0), ValueError, "between 0 and 1, this one between 2 and 2"),
        (torch.full((3, 4, 4), torch.nan), ValueError, "between 0 and 1"),
        (torch.zeros(3, 4, 4, dtype=torch.int64), ValueError, "this is int64"),
        ([torch.zeros(2, 3, 4, 4)], TypeError, r"images\[0\]: is a batch"),
        (Image.new("I;16", (4, 4)), ValueError, "mode 'I;16' have no fixed range"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_image_is_refused_with_a_remedy(model, workplace, source, error, words):
    with pytest.raises(error, match=words):
        model(source)


def test_folders_and_globs_give_lists_and_warn_of_damaged_files(model, image, workplace):
    Path("in").mkdir()
    for i in range(3):
        Path(f"in/{i}.png").write_bytes(png(image))
    Path("in/1.png").write_bytes(png(image)[:60])
    for source in ("in", Path("in"), "in/*.png"):
        with pytest.warns(UserWarning, match=r"in/1.png: "):
            results = model(source)
        assert [result.source for result in results] == ["in/0.png", "in/2.png"]
        # Read again, so that a large folder does not fill the memory.
        assert results[0]._pixels is None
        np.testing.assert_array_equal(results[0].image, image)
    listed = model(["in/0.png", image, Path("in/2.png")])
    assert [result._pixels is None for result in listed] == [True, False, True]
    np.testing.assert_array_equal(listed[2].image, image)
    with pytest.raises(TypeError, match=r"images\[0\]: 'in' is several images"):
        model(["in"])


def test_lists_are_predicted_in_batches_where_the_network_takes_them(image):
    for batches, runs in ((True, [8, 8, 3]), (False, [1] * 19)):
        model, network = classifier(batches=batches)
        results = model([image] * 19)
        assert network.runs == runs and len(results) == 19
        assert [scores(result) for result in results] == [scores(model(image))] * 19
        assert model([]) == []


class Handler(BaseHTTPRequestHandler):
    files = None
    logins: ClassVar[list[str | None]] = []

    def do_GET(self):
        path = self.path.partition("?")[0]
        login = self.headers.get("Authorization")
        if path == "/private" and login != f"Basic {b64encode(b'me:p@ss').decode()}":
            self.send_error(401)
            return
        if path == "/ftp":
            self.send_response(302)
            self.send_header("Location", "ftp://localhost/a.png")
            self.end_headers()
            return
        if path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/a.png?key=secret")
            self.end_headers()
            return
        content = self.files.get(path)
        self.send_response(404 if content is None else 200)
        self.end_headers()
        self.wfile.write(content or b"")

        self.logins.append(login)

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def server(image):
    Handler.files = {
        "/a.png": png(image),
        "/private": png(image),
        "/page": b"<html>",
        "/large": b"x" * 70_000,
    }
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_address_of_the_web_is_fetched_within_bounds(model, image, server, monkeypatch):
    for key in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(key, raising=False)
    for path in ("/a.png", "/moved"):
        result = model(f"{server}{path}?key=secret")
        np.testing.assert_array_equal(result.image, image)
        assert result.source == server + path
    for path, words in (
        ("/none", r"/none: cannot be fetched \(Not Found\)"),
        ("/page", "/page: not an image"),
        ("/ftp", "cannot be fetched|outside the web"),
    ):
        with pytest.raises(VisusError, match=words):
            model(server + path)
    with pytest.raises(VisusError, match="cannot be fetched"):
        model("http://127.0.0.1:1/a.png")
    monkeypatch.setattr(download, "MAX_BYTES", 60_000)
    with pytest.raises(VisusError, match="/large: is larger than 0 MB; fetch it yourself"):
        model(server + "/large")
    monkeypatch.setattr(download, "SECONDS", 0.0)
    with pytest.raises(VisusError, match="not complete after 0 seconds"):
        model(server + "/a.png")


def test_the_password_of_an_address_goes_to_its_server_alone(model, image, server, monkeypatch):
    for key in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(key, raising=False)
    with_login = server.replace("://", "://me:p%40ss@")
    result = model(with_login + "/private")
    np.testing.assert_array_equal(result.image, image)
    assert result.source == server + "/private"
    with pytest.raises(VisusError, match=r"/private: cannot be fetched \(Unauthorized\)"):
        model(server + "/private")
    Handler.logins.clear()
    model(with_login + "/moved")
    assert Handler.logins == [None], "a redirection may lead to another server"
    for address in ("http://me:secret@h:port/a.png", "http://h/a secret.png", "http://[secret/a"):
        with pytest.raises(VisusError, match="is not a valid address") as caught:
            model(address)
        assert "me:secret" not in str(caught.value)
