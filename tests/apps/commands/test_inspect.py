"""visus inspect: the layers of backbones and trained models, and the page."""

import numpy as np
import pytest

from tests.conftest import save_scene
from visus.vision.output_files import write_text


@pytest.fixture
def image(workplace):
    return save_scene(workplace / "a.png", 1)


def test_the_layers_of_a_backbone(visus):
    code, out, _ = visus("inspect", "lenet5", "--input", "1x32x32")
    assert code == 0
    assert "(32 + 2*0 - 5)/1 + 1 = 28" in out and "117,600" in out
    assert "61,706 parameters" in out


def test_norms_that_contain_an_activation_are_layers(visus):
    code, out, _ = visus("inspect", "tf_efficientnet_lite0", "--input", "3x64x64")
    lines = [line for line in out.splitlines() if "bn1 " in line or "bn1.act" in line]
    assert code == 0 and "BatchNormAct2d" in lines[0] and " 64 " in lines[0]
    assert "ReLU6" in lines[1]


def test_the_layers_of_a_trained_model(visus, model):
    code, out, _ = visus("inspect", model[1])
    assert code == 0 and "body.0.0" in out and "for 7 classes" in out and "Linear" in out


def test_a_page_of_a_trained_model(visus, model, image):
    arguments = ("--output", "tour.html", "--layer", "body.1.0")
    code, out, err = visus("inspect", model[1], image, *arguments)
    assert code == 0, err
    assert "tour.html: 0." in out
    page = (image.parent / "tour.html").read_text(encoding="utf-8")
    assert "<code>body.1.0</code> (Conv2d) turns 6 x" in page


def test_an_image_without_output_gets_the_layers(visus, image):
    code, out, _ = visus("inspect", "lenet5", image, "--input", "1x32x32")
    assert code == 0 and "61,706 parameters" in out and "--output tour.html" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lenet5", "--input", "32"], "1x32x32"),
        (["lenet5", "--input", "1x8x8"], "too small"),
        (["lenet55"], "neither a model nor a backbone; did you mean lenet5 or"),
        (["no_such_network_at_all"], "there is no such file"),
        (["MODEL.onnx"], "exported file, which has no layers to show"),
        (["MODEL", "--input", "3x32x32"], "--input is for backbones"),
        (["a.png", "imagenet", "--output", "o.html"], "visus inspect imagenet a.png"),
        (["lenet5", "--layer", "x"], "add --output"),
        (["lenet5", "--output", "o.html"], "visus inspect lenet5 IMAGE --output o.html"),
        (["lenet5", "a.png", "--output", "o.png"], "name a .html file"),
        (["lenet5", "none.png", "--output", "o.html"], "none.png"),
        (["lenet5", "broken.png", "--output", "o.html"], "broken.png"),
        (["lenet5", "a.png", "--patches", "empty", "--output", "o.html"], "holds no image"),
        (["lenet5", "a.png", "--patches", "none", "--output", "o.html"], "no such folder"),
        (["lenet5", "five.npy", "--output", "o.html"], "five.npy: an image of 5 channels"),
        (["MODEL", "five.npy", "--output", "o.html"], "five.npy: an image of 5 channels"),
        (["MODEL", "a.png", "--layer", "body.1.1", "--output", "o.html"], "is a Tanh, not a conv"),
        (["MODEL", "a.png", "--layer", "body.0.9", "--output", "o.html"], "similar: body.0.0"),
    ],
)
def test_wrong_arguments(visus, model, image, arguments, words):
    write_text(image.parent / "broken.png", "no image")
    (image.parent / "empty").mkdir()
    np.save(image.parent / "five.npy", np.zeros((40, 40, 5), np.uint8))
    names = {"MODEL": str(model[1]), "MODEL.onnx": str(model[0])}
    code, _, err = visus("inspect", *(names.get(each, each) for each in arguments))
    assert code == 2 and words in err
    assert len(err.strip().splitlines()) == 1 and not (image.parent / "o.html").exists()
