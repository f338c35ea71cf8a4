"""Loading, streams, tracking, exporting, measuring and training from Python."""

import gc
import subprocess
import sys
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import visus as package
from tests.apps.python.toy import classifier, detector
from tests.conftest import save_detection, save_scene
from visus.apps.python.options import errors_in_python
from visus.vision.errors import VisusError
from visus.vision.scenes import SHAPES, make_scene

TINY = {"backbone": "lenet5", "image_size": [28, 28], "num_workers": 0, "max_epochs": 1}
TINY |= {"precision": "32-true", "accelerator": "cpu", "pretrained": False}


def write_clip(path, frames, size=(64, 48)):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, size)
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), i % 250, np.uint8))
    writer.release()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A classifier that `visus.fit` trained, and its data."""
    folder = tmp_path_factory.mktemp("trained")
    for label in SHAPES[:2]:
        for i in range(10):
            save_scene(folder / "photos" / label / f"{i}.png", i, label)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("VISUS_RUN_FOLDER", raising=False)
        yield package.fit(folder / "photos", **TINY), folder


def test_fit_returns_the_model_of_its_run(trained):
    model, folder = trained
    assert model.task == "classification" and set(model.names) == set(SHAPES[:2])
    assert (folder / model.origin).name == "best.ckpt"
    assert repr(model) == f"<Model {model.origin}: classification, 2 classes, torch>"
    info = model.info()
    assert info["image_size"] == [28, 28] and info["runtime"] == "torch"
    config = (folder / model.origin).with_name("config.yaml").read_text()
    assert "backbone: lenet5" in config and "max_epochs: 1" in config
    assert model(folder / "photos" / SHAPES[0] / "0.png").labels[0] in SHAPES


def test_a_model_is_measured_and_exported(trained, workplace):
    model, folder = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        metrics = model.validate(num_workers=0)
        assert 0 <= metrics["val/accuracy"] <= 1
        again = model.validate(folder / "photos", split="test", batch_size=3, num_workers=0)
        assert 0 <= again["test/accuracy"] <= 1
        path = model.export("tiny.onnx")
        exported = package.load(path)
        assert exported.info()["runtime"] != "torch"
        for call in (exported.validate, lambda: exported.export("b.onnx")):
            with pytest.raises(VisusError, match=r"tiny.onnx' is (not a checkpoint|exported)"):
                call()
        image = make_scene(0, (48, 56)).image
        expected, given = (m(image).prediction.scores for m in (model, exported))
        np.testing.assert_allclose(given, expected, atol=1e-3)
        latest = package.load("latest")
        assert latest.origin == model.origin


def test_an_exported_model_runs_without_torch(trained, workplace):
    model, folder = trained
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        path = model.export("free.onnx").resolve()
    code = (
        "import sys, numpy, visus, PIL.Image; "
        "assert not {'torch', 'cv2', 'numpy'} - {'numpy'} & set(sys.modules); "
        f"model = visus.load({str(path)!r}); "
        "result = model([numpy.zeros((9, 9, 3), numpy.uint8), PIL.Image.new('RGB', (9, 9))])[1]; "
        "result.plot(); result.to_json(); model.info(); "
        "assert not {'torch', 'pandas', 'pytorch_lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 2}, "unknown option epochs; here it is max_epochs"),
        ({"lr": 2}, "unknown option lr; here it is learning_rate"),
        ({"imgsz": 2}, "unknown option imgsz; here it is image_size"),
        (
            {"max_epoch": 2},
            "unknown option max_epoch; did you mean max_epochs.*the options of fit with "
            "classification/custom are: .*batch_size.*backbone.*seed_everything.*max_epochs",
        ),
        ({"trainer.nothing": 2}, "unknown option trainer.nothing"),
        ({"task": "classification", "config": "classification/custom"}, "one of the two"),
    ],
)
def test_unknown_options_of_fit_name_those_there_are(photos, options, words):
    with pytest.raises(TypeError, match=words):
        package.fit(photos, **options)
    assert not Path("runs").exists()


def test_wrong_values_of_fit_are_named_as_in_python(photos):
    with pytest.raises(VisusError, match=r"^trainer.max_epochs 'x' is not of type int"):
        package.fit(photos, max_epochs="x")
    with pytest.raises(VisusError, match="task='juggling': choose from action, captioning, class"):
        package.fit(photos, "juggling")
    with pytest.raises(VisusError, match="nowhere"):
        package.fit("nowhere")
    with pytest.raises(TypeError, match="needs data"):
        package.fit()


def test_unknown_options_of_a_task_name_those_there_are(workplace):
    image = np.zeros((9, 9, 3), np.uint8)
    words = "unknown option conf; here it is threshold; the options of .* are: threshold, track"
    for call in (lambda: detector()(image, conf=1), lambda: detector().stream([], conf=1)):
        with pytest.raises(TypeError, match=words):
            call()
    with pytest.raises(TypeError, match=r"unknown option threshold; .* are: "):
        classifier()[0](image, threshold=0.5)
    with pytest.raises(TypeError, match="threshold='high': is not of type float"):
        detector()(image, threshold="high")
    with pytest.raises(VisusError, match=r"^threshold 2.0 must lie between 0 and 1"):
        detector()(image, threshold=2)
    with pytest.raises(VisusError, match="track follows objects through a video"):
        detector()(image, track=True)


def test_videos_are_streamed(workplace):
    write_clip("clip.avi", 12)
    results = list(detector().stream("clip.avi", threshold=0))
    assert [result.index for result in results] == list(range(12))
    assert results[3].to_json()["frame"] == 3 and len(results[3]) == 4
    assert results[3].time == pytest.approx(0.3)
    assert repr(results[3]) == "<Result of clip.avi frame 3, 64x48: 3 dog, 1 cat>"
    assert "frame" in results[3].to_pandas().columns
    # A camera's number, and a generator.
    with pytest.raises(VisusError, match="camera 77: cannot be opened"):
        detector().stream(77)
    frames = (np.full((9, 9, 3), i, np.uint8) for i in range(3))
    results = list(detector().stream(frames))
    assert [int(result.image[0, 0, 0]) for result in results] == [0, 1, 2]
    for source in (3.5, np.zeros((9, 9, 3), np.uint8), b"x", None):
        with pytest.raises(TypeError, match="a stream is a path"):
            detector().stream(source)


def test_a_truncated_video_is_a_warning_at_the_end(workplace):
    write_clip("clip.avi", 60)
    data = Path("clip.avi").read_bytes()
    Path("clip.avi").write_bytes(data[: len(data) // 2])
    with pytest.warns(UserWarning, match="truncated or damaged"):
        assert 5 < len(list(detector().stream("clip.avi"))) < 60


def test_a_stream_takes_constant_memory():
    def frames(count):
        for i in range(count):
            yield np.full((200, 200, 3), i % 250, np.uint8)

    def peak(count):
        model = detector()
        gc.collect()
        tracemalloc.start()
        for result in model.stream(frames(count)):
            assert result.boxes.shape == (2, 4)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(2)
    assert peak(60) < peak(5) + 200 * 200 * 3


def test_objects_are_tracked_anew_in_each_stream(workplace):
    model = detector()
    for _ in range(2):
        results = list(model.track(np.zeros((40, 40, 3), np.uint8) for _ in range(4)))
        numbers = [[item.details["track"] for item in result] for result in results]
        # The detection below the threshold continues no track of its own.
        assert numbers[0] == numbers[3] == [1, 2]
    assert "track" not in model(np.zeros((40, 40, 3), np.uint8))[0].details
    with pytest.raises(TypeError, match="unknown option track"):
        classifier()[0].track([])


def test_a_trained_detector_predicts_batches_as_single_images(workplace):
    save_detection(Path("boxes"), "coco", ("train", "val"), 4)
    options = {"max_epochs": 1, "backbone": "test_resnet", "channels": 16, "pretrained": False}
    options |= {"image_size": [96, 128], "num_workers": 0, "strides": None, "batch_size": 4}
    options |= {"precision": "32-true", "accelerator": "cpu"}
    model = package.fit("boxes", "detection", **options)
    images = [make_scene(i, (96, 120 + i)).image for i in range(3)]
    for one, image in zip(model(images, threshold=0), images, strict=True):
        single = model(image, threshold=0)
        assert len(one) == len(single) and one.labels == single.labels
        np.testing.assert_allclose(one.boxes, single.boxes, atol=1e-3)


def test_names_of_the_interface():
    assert {"Model", "Result", "VisusError", "faces", "fit", "load"} <= set(package.__all__)
    assert package.Model is type(classifier()[0])
    assert package.faces.Gallery and package.__version__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing


def test_an_image_of_a_folder_that_does_not_suit_the_model_is_a_warning(workplace):
    Path("pics").mkdir()
    for i in range(3):
        save_scene(Path(f"pics/{i}.png"), i, SHAPES[0])
    np.save("pics/1a.npy", np.zeros((9, 9, 4), np.uint8))
    for call in (detector(), lambda source: list(detector().stream(source))):
        with pytest.warns(UserWarning, match=r"1a\.npy: an image of 4 channels, where the model"):
            results = call("pics")
        assert [Path(str(result.source)).name for result in results] == ["0.png", "1.png", "2.png"]
    with pytest.raises(VisusError, match=r"1a\.npy: an image of 4 channels"):
        detector()("pics/1a.npy")


def test_lines_are_given_as_text_or_numbers(workplace):
    write_clip("clip.avi", 6)
    stream = detector().track("clip.avi", line=(0, 0.5, 1, 0.5))
    assert len(list(stream)) == 6 and stream.summary


def test_only_known_splits_are_measured():
    with pytest.raises(ValueError, match="split='validation': is neither 'val' nor 'test'"):
        detector().validate("boxes", split="validation")


def test_errors_name_options_as_in_python(workplace):
    with pytest.raises(VisusError, match=r"^runtime 'tensorrt' is unknown"):
        package.load("imagenet", runtime="tensorrt")
    # A command to be run in a terminal keeps its options.
    text = "--min-face: no faces; visus faces enroll --gallery g.db adds some; lower --min-face"
    with pytest.raises(VisusError) as error, errors_in_python():
        raise VisusError(text)
    assert str(error.value) == (
        "min_face: no faces; visus faces enroll --gallery g.db adds some; lower min_face"
    )


def test_a_truncated_image_of_pillow_is_named(workplace):
    save_scene(Path("a.png"), 0, SHAPES[0])
    data = Path("a.png").read_bytes()
    Path("cut.png").write_bytes(data[: len(data) // 2])
    with Image.open("cut.png") as image, pytest.raises(VisusError, match="truncated or damaged"):
        detector()(image)
