import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from PIL import Image

from tests.conftest import newest, save_detection
from tests.datamodules.core.test_detection_files import turn
from tests.reporting import check_report, shorten
from tests.training import train_in
from visus.apps.inference.loading import load_model
from visus.tasks.detection.spec import DetectionSpec
from visus.vision.images import read_image
from visus.vision.scenes import make_scene

TINY = ["--model.backbone", "test_resnet", "--model.channels", "16", "--model.pretrained", "false"]
SHORT = [*TINY, "--trainer.max_epochs", "1", "--data.num_workers", "0"]
TWO_STAGE = ["--model.architecture", "faster_rcnn", "--model.strides", "null"]

SCENES = ["--data.count", "8", "--data.image_size", "[128,128]"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The run folder of a tiny, hardly trained detector."""
    folder = tmp_path_factory.mktemp("detector")
    two_stage = [*TWO_STAGE, *SCENES]
    return train_in(folder, "--config", "detection/scenes", *SHORT, *two_stage)


def write_clip(path, frames=6):
    """A scene that moves from frame to frame."""
    scene = make_scene(4, (96, 128), (1, 1)).image
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (128, 96))
    for i in range(frames):
        frame = np.roll(scene, 3 * i, axis=1)
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def test_objects_of_a_video_are_tracked_and_reported(visus, workplace, run):
    clip = write_clip(workplace / "clip.avi")
    code, _, err = visus(
        "predict", run, clip, "--track", "--threshold", "0.02", "--jsonl", "o.jsonl", "--draw", "d"
    )
    assert code == 0, err
    lines = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    assert len(lines) == 6 and lines[3]["task"] == "detection" and lines[3]["frame"] == 3
    tracks = [entry["track"] for line in lines for entry in line["detections"]]
    assert tracks and min(tracks) >= 1
    # Track numbers stay from frame to frame.
    assert len(set(tracks)) < len(tracks)
    assert (workplace / "d" / "clip.mp4").is_file()
    code, _, err = visus("live", run, clip, "--track", "--threshold", "0.02", "--video", "v.mp4")
    assert code == 0, err
    assert (workplace / "v.mp4").is_file()


class Video:
    still, live, rate = False, False, 10.0


def test_the_threshold_is_adjusted_in_steps_within_its_range(run):
    model = load_model(str(run))
    session = DetectionSpec().configure(model, {"threshold": 0.9, "track": True}, Video)
    texts = [session.adjust(step) for step in (1, 1, 1, -1)]
    assert texts == ["threshold 0.95", "threshold 1.00", "threshold 1.00", "threshold 0.95"]
    assert session.model.metadata.options["threshold"] == 0.95
    image = make_scene(4, (96, 128)).image
    assert session.model.predict(image).threshold == 0.95


def test_the_threshold_selects_the_boxes_that_are_reported_and_drawn(visus, workplace, run):
    Image.fromarray(make_scene(4, (96, 128)).image).save("a.png")
    counts = []
    for threshold in ("0", "1"):
        code, _, err = visus(
            "predict", run, "a.png", "--threshold", threshold, "--jsonl", "o.jsonl", "--draw", "d"
        )
        assert code == 0, err
        counts.append(len(json.loads(Path("o.jsonl").read_text())["detections"]))
    assert counts[0] > 0 == counts[1]
    changed = read_image("d/a.jpg").astype(int) - read_image("a.png")
    assert np.abs(changed).mean() < 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--track"], "the source is images"),
        (["--threshold", "2"], "--threshold 2.0 must lie between 0 and 1"),
    ],
)
def test_wrong_options_of_detectors(visus, workplace, run, arguments, words):
    Image.fromarray(make_scene(4, (96, 128)).image).save("a.png")
    code, _, err = visus("predict", run, "a.png", *arguments)
    assert code == 2 and words in err
    code, _, err = visus("predict", "imagenet", "a.png", *arguments)
    assert code == 2 and f"{arguments[0]} belongs to" in err and "detection" in err


@pytest.mark.parametrize("architecture", [TWO_STAGE, []], ids=["faster_rcnn", "one_stage"])
def test_an_exported_detector_predicts_the_same_without_torch(visus, workplace, architecture):
    chosen = [*architecture, *SCENES]
    assert visus("fit", "--config", "detection/scenes", *SHORT, *chosen)[0] == 0
    code, out, err = visus("export", "latest", "--output", "m.onnx")
    assert code == 0, err
    assert "100%" in out
    Image.fromarray(make_scene(4, (96, 128)).image).save("a.png")
    # And an image without objects.
    Image.new("RGB", (64, 64)).save("b.png")
    code = (
        "import sys; from visus.apps.cli import main; "
        "assert main(sys.argv[1:]) == 0; assert 'torch' not in sys.modules"
    )
    arguments = ["predict", "m.onnx", ".", "--jsonl", "onnx.jsonl", "--threshold", "0"]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    assert visus("predict", "latest", ".", "--jsonl", "torch.jsonl", "--threshold", "0")[0] == 0
    code, _, err = visus("export", "latest", "--output", "m.pte")
    assert code == 2 and "differ in length from image to image" in err
    # In int8 all layers are quantised, including those that are shared by all levels.
    Path("calibration").mkdir()
    Image.fromarray(make_scene(5, (96, 128)).image).save("calibration/a.png")
    quantised = ["--output", "q.onnx", "--precision", "int8", "--calibration", "calibration"]
    code, _, err = visus("export", "latest", *quantised)
    assert code == 0, err
    graph = onnx.load("q.onnx").graph
    origins = {name: node.op_type for node in graph.node for name in node.output}
    weights = [origins.get(node.input[1]) for node in graph.node if node.op_type == "Conv"]
    assert set(weights) == {"DequantizeLinear"}
    # Without a detection above the threshold no runtime may report one.
    for runtime in ("openvino", "onnxruntime"):
        for source in ("b.png", "a.png"):
            code, out, err = visus(
                "predict", "m.onnx", source, "--runtime", runtime, "--threshold", "0.99"
            )
            assert code == 0, err
            assert f"{source}: none" in out
    lines = [Path(name).read_text().splitlines() for name in ("onnx.jsonl", "torch.jsonl")]
    assert len(lines[0]) == len(lines[1])
    (boxes, expected) = (
        np.array([e["box"] for line in part for e in json.loads(line)["detections"]
                  if json.loads(line)["source"] == "a.png"])
        for part in lines
    )  # fmt: skip
    assert len(boxes) == len(expected) > 0
    # Hardly trained, it gives many boxes nearly equal scores: the last of them may differ.
    nearest = np.abs(boxes[:, None] - expected[None]).max(-1).min(1)
    assert np.mean(nearest < 0.5) > 0.95


def test_masks_are_trained_reported_and_drawn(visus, workplace):
    save_detection(workplace / "boxes", "coco")
    arguments = ["--config", "detection/faster_rcnn", "--data", "boxes", *SHORT]
    code, _, err = visus("fit", *arguments, "--data.masks", "true", "--data.anchors", "auto")
    assert code == 0, err
    code, out, err = visus("test", "latest")
    assert code == 0, err
    assert "test/mask_map_50" in out
    results = json.loads(newest("runs/*/*/*/detections.json").read_text())
    assert {"image_id", "category_id", "bbox", "score", "segmentation"} <= set(results[0])
    image = next((workplace / "boxes").rglob("*.png"))
    code, _, err = visus(
        "predict", "latest", image, "--threshold", "0.01", "--jsonl", "o.jsonl", "--draw", "d"
    )
    assert code == 0, err
    entry = json.loads(Path("o.jsonl").read_text())["detections"][0]
    assert sum(entry["segmentation"]["counts"]) == 96 * 128


def test_masks_need_polygons_or_run_lengths(visus, workplace):
    save_detection(workplace / "boxes", "voc")
    arguments = ["--config", "detection/faster_rcnn", "--data", "boxes", *SHORT]
    code, _, err = visus("fit", *arguments, "--data.masks", "true")
    assert code == 2 and "no polygon or run lengths" in err


@pytest.mark.parametrize("option", ["masks true", "anchors auto"])
def test_what_only_faster_rcnn_has_names_its_configuration(visus, workplace, option):
    save_detection(workplace / "boxes", "coco")
    name, value = option.split()
    code, _, err = visus("fit", "--data", "boxes", *SHORT, f"--data.{name}", value)
    assert code == 2 and "--config detection/faster_rcnn" in err


def test_bad_boxes_stop_training_unless_skip_bad_is_set(visus, workplace):
    root = save_detection(workplace / "boxes", "yolo")
    path = root / "labels" / "train" / "train0.txt"
    path.write_text("0 0.5 0.5 0.2 0.2\n0 0.5 nan 0.2 0.2\n")
    arguments = ["fit", "--data", "boxes", *SHORT]
    code, _, err = visus(*arguments)
    assert code == 2 and f"{path.relative_to(workplace)}:2" in err and "--data.skip_bad" in err
    code, out, err = visus(*arguments, "--data.skip_bad", "true")
    assert code == 0, err
    assert "1 bad sample left out" in out


def test_an_ambiguous_exif_orientation_stops_training(visus, workplace):
    root = save_detection(workplace / "boxes", "coco")
    labelled = json.loads((root / "annotations" / "instances_train.json").read_text())
    name = labelled["images"][labelled["annotations"][0]["image_id"] - 1]["file_name"]
    turn(root / "train" / name, 6)
    arguments = ["fit", "--data", "boxes", *SHORT]
    code, _, err = visus(*arguments, "--data.skip_bad", "true")
    assert code == 2 and name not in err.splitlines()[-1]
    assert "--data.exif apply or ignore" in err and not list(Path().glob("runs/*/*/*/*.ckpt"))
    code, out, _ = visus("data", "check", "boxes", "--draw", "drawn")
    assert code == 2 and "EXIF orientation 6" in out
    stem = Path(name).stem
    for word in ("apply", "ignore"):
        assert (workplace / "drawn" / f"{stem}-exif-{word}.jpg").is_file()
    code, _, err = visus(*arguments, "--data.exif", "ignore")
    assert code == 0, err


def test_a_data_set_is_checked_and_converted(visus, workplace):
    save_detection(workplace / "boxes", "voc", ("train", "val"))
    code, out, _ = visus("data", "check", "boxes")
    assert code == 0 and "of these without objects" in out and "no problems" in out
    code, out, err = visus("data", "convert", "boxes", "--to", "yolo", "--output", "y")
    assert code == 0, err
    assert "16 images" in out
    code, out, _ = visus("data", "check", "y")
    assert code == 0 and "yolo" in out
    code, _, err = visus("data", "convert", "boxes", "--to", "coco", "--output", "y")
    assert code == 2 and "not empty" in err
    code, _, err = visus("data", "convert", "boxes", "--to", "kitti", "--output", "z")
    assert code == 2 and "kitti" in err


def test_two_processes_measure_the_same_as_one(same_by_two_processes, run):
    same_by_two_processes(run, "--data.count", "20", "--data.batch_size", "2")


def test_the_report_of_a_test_has_curves_examples_and_coco_results(visus, workplace, run):
    code, out, err = visus("test", run, "--data.count", "20")
    assert code == 0, err
    assert "AP at IoU 0.5" in out and "triangle" in out
    folder = newest("runs/*/*/*")
    assert read_image(folder / "precision_recall.png").shape[2] == 3
    # Ground truth beside predictions of five images, four columns wide.
    assert read_image(folder / "examples.jpg").shape[1] == 4 * 420
    assert len(json.loads((folder / "images.json").read_text())) == 5
    results = json.loads((folder / "detections.json").read_text())
    assert {entry["image_id"] for entry in results} <= {1, 2, 3, 4, 5}
    code, out, err = visus("validate", run, "--data.count", "20")
    assert code == 0, err
    assert "AP at IoU 0.5" not in out


def test_a_report_explains_boxes_and_makes_them_vanish(visus, run, monkeypatch):
    shorten(monkeypatch)
    numbers, page = check_report(visus, run)
    assert (
        set(numbers["quality"]["metrics"]) >= {"map", "map_50"} and "Precision and recall" in page
    )
    assert numbers["errors"]["worst"] or numbers["errors"]["most_confident_errors"]
    attacks = {(each["attack"], each["goal"]) for each in numbers["robustness"]["attacks"]}
    assert attacks == {(name, "vanishing objects") for name in ("FGSM", "PGD", "patch")}


def test_boxes_are_explained_by_gradients_and_by_occlusion(visus, workplace, run, monkeypatch):
    shorten(monkeypatch)
    Image.fromarray(make_scene(4, (96, 128), (1, 1)).image).save("a.png")
    arguments = ("a.png", "--threshold", "0.02", "--explain", "maps")
    code, _, err = visus("predict", run, *arguments)
    assert code == 0, err
    torch = read_image(Path("maps/a.jpg"))
    assert visus("export", run, "--output", "m.onnx")[0] == 0
    code, _, err = visus("predict", "m.onnx", *arguments[:3], "--explain", "maps2")
    assert code == 0, err
    # HiResCAM and occlusion of three boxes each, beside the image; occlusion alone when exported.
    assert torch.shape[1] > 1.5 * read_image(Path("maps2/a.jpg")).shape[1]
