import base64
import io
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import newest, save_detection, save_masked
from tests.reporting import check_report, shorten
from tests.tasks.detection.test_commands import write_clip
from tests.training import train_in
from visus.apps.inference.loading import load_model, torch_model
from visus.datamodules.segmentation.spec import SegmentationDataSpec
from visus.tasks.segmentation.data_info import SegmentationInfo
from visus.tasks.segmentation.task import SegmentationTask
from visus.tasks.segmentation.tiling import TiledModel, tile_starts
from visus.vision.images import read_image
from visus.vision.scenes import make_scene

TINY = ["--model.backbone", "test_resnet", "--model.channels", "16", "--model.pretrained", "false"]
SHORT = [
    *TINY,
    *("--trainer.max_epochs", "1", "--trainer.check_val_every_n_epoch", "1"),
    *("--data.num_workers", "0", "--data.count", "8", "--data.image_size", "[128,128]"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The run folder of a tiny, hardly trained segmenter."""
    folder = tmp_path_factory.mktemp("segmenter")
    deeplab = ["--model.architecture", "deeplabv3plus"]
    return train_in(folder, "--config", "segmentation/scenes", *SHORT, *deeplab)


def test_masks_are_written_in_the_images_own_size(visus, workplace, run):
    for i in range(2):
        (workplace / f"in{i}").mkdir()
        Image.fromarray(make_scene(i, (90, 140 + i)).image).save(f"in{i}/a.png")
    code, out, err = visus(
        "predict", run, "in*/a.png", "--masks", "m", "--jsonl", "o.jsonl", "--draw", "d"
    )
    assert code == 0, err
    assert "%" in out
    lines = [json.loads(line) for line in Path("o.jsonl").read_text().splitlines()]
    for i, (line, name) in enumerate(zip(lines, ("a.png", "a-2.png"), strict=True)):
        written = Image.open(workplace / "m" / name)
        assert written.mode == "P" and written.size == (140 + i, 90)
        carried = Image.open(io.BytesIO(base64.b64decode(line["mask"])))
        assert (np.asarray(carried) == np.asarray(written)).all()
        assert sum(line["areas"].values()) == pytest.approx(1, abs=1e-4)
    drawn = read_image(workplace / "d" / "a.jpg").astype(int)
    # The classes of so small an image are below it.
    assert np.abs(drawn[:90, :140] - read_image("in0/a.png")).mean() > 10


def test_every_frame_of_a_video_gets_a_mask(visus, workplace, run):
    clip = write_clip(workplace / "clip.avi")
    code, _, err = visus("predict", run, clip, "--masks", "m")
    assert code == 0, err
    assert [p.name for p in sorted(Path("m").iterdir())] == [f"clip-{i:06d}.png" for i in range(6)]
    code, _, err = visus("live", run, clip, "--video", "v.mp4")
    assert code == 0 and Path("v.mp4").stat().st_size > 0, err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--tile", "0"], "tiles need a side of at least 1"),
        (["--tile", "64", "--overlap", "64"], "smaller than a tile"),
        (["--overlap", "64"], "give --tile too"),
        (["--track"], "--track belongs to detection"),
    ],
)
def test_wrong_options_of_segmenters(visus, workplace, run, arguments, words):
    Image.fromarray(make_scene(4, (96, 128)).image).save("a.png")
    code, _, err = visus("predict", run, "a.png", *arguments)
    assert code == 2 and words in err
    code, _, err = visus("predict", "imagenet", "a.png", "--tile", "64")
    assert code == 2 and "--tile belongs to segmentation" in err
    code, _, err = visus("predict", "imagenet", "a.png", "--masks", "m")
    assert code == 2 and "--masks belongs to segmentation" in err
    code, _, err = visus("predict", run, "a.png", "--masks", ".")
    assert code == 2 and "it is read here" in err
    Path("m").mkdir()
    Path("m/a.png").write_text("a true mask")
    code, _, err = visus("predict", run, "a.png", "--masks", "m")
    assert code == 2 and "exists already" in err and Path("m/a.png").read_text() == "a true mask"


def test_an_image_that_fits_into_a_tile_is_segmented_as_without(run):
    model = load_model(str(run))
    image = make_scene(3, (90, 120)).image
    whole = model.predict(image)
    assert (TiledModel(model, 120, 30).predict(image).mask == whole.mask).all()
    assert (TiledModel(model, 500, 64).predict(image).mask == whole.mask).all()


def test_tiles_agree_with_the_whole_image(run):
    """A network with a small receptive field predicts the same in tiles, but for their edges."""
    torch.manual_seed(2)
    large = _local_segmenter((192, 256))
    small = _local_segmenter((96, 96))
    small.load_state_dict(large.state_dict())
    image = make_scene(5, (192, 256), (6, 9)).image
    whole = torch_model("m", large).predict(image).mask
    assert len(np.unique(whole)) > 2
    tiled = TiledModel(torch_model("m", small), 96, 32).predict(image).mask
    assert (tiled == whole).mean() > 0.995
    # Without overlap the edges of tiles are visible, so that blending makes a difference.
    abrupt = TiledModel(torch_model("m", small), 96, 0).predict(image).mask
    assert (abrupt == whole).mean() < (tiled == whole).mean()


def test_a_tiled_model_keeps_the_description_of_its_model(run):
    model = load_model(str(run))
    tiled = TiledModel(model, 64, 8)
    model.set_option("colours", [[9, 9, 9]] * 8)
    assert tiled.metadata.options["colours"] and tiled.metadata == model.metadata
    parts = (tiled.name, tiled.runtime, tiled.precision, tiled.workers)
    assert parts == (model.name, model.runtime, model.precision, model.workers)
    assert set(tiled.predict(make_scene(1, (80, 90)).image).colours) == {(9, 9, 9)}


def _local_segmenter(size):
    """Random weights, with a receptive field of some twenty pixels."""
    info = SegmentationInfo(
        image_size=size, class_names=tuple("abcd"), in_channels=3, resize_mode="stretch"
    )
    task = SegmentationTask(data_info=info, backbone="resnet9", channels=16)
    task.network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 9, padding=4), torch.nn.Tanh(), torch.nn.Conv2d(16, 4, 9, padding=4)
    )
    return task.eval()


def test_tiles_cover_every_length():
    for length in range(1, 60):
        starts = tile_starts(length, 16, 5)
        covered = {pixel for start in starts for pixel in range(start, min(start + 16, length))}
        assert covered == set(range(length))
        assert all(b - a <= 11 for a, b in pairwise(starts))


@pytest.mark.parametrize(
    ("architecture", "upsampling"),
    [
        ("fcn", "joint_bilateral"),
        ("unet", "bilinear"),
        ("deeplabv3plus", "bilinear"),
    ],
)
def test_an_exported_segmenter_predicts_the_same_without_torch(
    visus, workplace, architecture, upsampling
):
    chosen = ["--model.architecture", architecture, "--model.upsampling", upsampling]
    chosen += ["--data.image_size", "[64,64]"]
    assert visus("fit", "--config", "segmentation/scenes", *SHORT, *chosen)[0] == 0
    code, out, err = visus("export", "latest", "--output", "m.onnx")
    assert code == 0, err
    assert "100%" in out
    Image.fromarray(make_scene(4, (96, 128)).image).save("a.png")
    code = (
        "import sys; from visus.apps.cli import main; "
        "assert main(sys.argv[1:]) == 0; assert 'torch' not in sys.modules"
    )
    arguments = ["predict", "m.onnx", "a.png", "--masks", "onnx", "--tile", "64"]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True)
    assert visus("predict", "latest", "a.png", "--masks", "torch", "--tile", "64")[0] == 0
    masks = [np.asarray(Image.open(f"{folder}/a.png")) for folder in ("onnx", "torch")]
    assert (masks[0] == masks[1]).mean() > 0.999


def test_data_check_counts_pixels_and_reports_problems(visus, workplace):
    save_masked(workplace / "set", "annot")
    code, out, err = visus("data", "check", "set", "--draw", "drawn")
    assert code == 0, err
    assert "class 0" in out and "train" in out and "error" not in out
    assert len(list(Path("drawn").glob("*.jpg"))) == 8
    (workplace / "set" / "trainannot" / "p0.png").unlink()
    code, out, _ = visus("data", "check", "set")
    assert code == 2 and "p0.png: has no mask" in out
    os.chdir("set")
    assert visus("data", "check", ".")[0] == 2
    os.chdir("..")
    code, _, err = visus("fit", "--config", "segmentation/custom", "--data", "set", *TINY)
    assert code == 2 and "p0.png: has no mask" in err and "--data.skip_bad true" in err


def test_a_folder_of_masks_and_boxes_needs_a_task(visus, workplace):
    save_masked(workplace / "both", "csv")
    save_detection(workplace / "both", "coco", ("train",))
    code, _, err = visus("data", "check", "both")
    assert code == 2 and "--task detection or segmentation" in err
    assert visus("data", "check", "both", "--task", "segmentation")[0] == 0
    code, out, _ = visus("data", "check", "both", "--format", "coco")
    assert code == 0 and "objects" in out


def test_two_processes_agree_with_one(same_by_two_processes, run):
    """Every image counts once, though 5 images are no multiple of 2 processes or batches of 2."""
    same_by_two_processes(run, "--data.count", "20", "--data.batch_size", "2")


def test_images_of_five_channels_are_trained_on_and_segmented(visus, workplace):
    root = save_masked(workplace / "bands", "folders")
    for path in list((root / "images").iterdir()):
        image = np.asarray(Image.open(path))
        np.save(path.with_suffix(".npy"), np.concatenate([image, image[..., :2]], axis=2))
        path.unlink()
    arguments = ["--data.root", str(root), "--data.num_workers", "0", "--data.batch_size", "2"]
    training = [
        "fit",
        "--config",
        "segmentation/custom",
        *TINY,
        "--trainer.max_epochs",
        "1",
        *arguments,
    ]
    code, _, err = visus(*training)
    assert code == 2 and "p0.npy: has 5 channels where 3 are expected" in err
    code, _, err = visus(*training, "--data.in_channels", "5")
    assert code == 0, err
    assert visus("test", "latest")[0] == 0
    code, _, err = visus("predict", "latest", root / "images", "--masks", "m", "--draw", "d")
    assert code == 0, err
    assert len(list(Path("m").iterdir())) == len(list(Path("d").iterdir())) == 8
    Image.new("RGB", (8, 8)).save("a.png")
    code, _, err = visus("predict", "latest", "a.png")
    assert code == 3 and "a.png: an image of 3 channels" in err and "takes 5" in err
    code, out, err = visus("export", "latest", "--output", "m.onnx", "--images", root / "images")
    assert code == 0 and "8 images" in out, err
    Image.new("RGB", (8, 8)).save(root / "images" / "a.png")
    code, _, err = visus("export", "latest", "--output", "m.onnx", "--images", root / "images")
    assert code == 2 and "a.png: an image of 3 channels, where the model takes 5" in err
    (root / "images" / "a.png").unlink()
    assert visus("data", "check", root, "--in-channels", "5")[0] == 0
    code, _, err = visus("data", "check", root)
    assert code == 2, err


def test_the_sample_data_can_be_checked_and_trained_on(visus, workplace):
    SegmentationDataSpec().write_sample(workplace / "masks")
    code, out, err = visus("data", "check", "masks")
    assert code == 0 and "background" in out and "no problems" in out, out + err
    arguments = ["--data", "masks", "--data.num_workers", "0", "--trainer.max_epochs", "1"]
    code, out, err = visus("fit", "--config", "segmentation/custom", *TINY, *arguments)
    assert code == 0 and "images of 96 x 96" in out, err
    assert visus("test", "latest")[0] == 0
    assert newest("runs/*/*/*/examples.jpg").is_file()


def test_values_and_classes_are_ignored_as_given(visus, workplace):
    root = save_masked(workplace / "set", "folders")
    code, out, _ = visus("data", "check", root, "--ignore", "0")
    assert code == 0 and "unlabelled pixels" in out and "no pixel of class 'class 0'" in out
    code, _, err = visus("data", "check", root, "--ignore", "sky")
    assert code == 2 and "names a class, but there is no" in err
    assert visus("data", "check", root, "--ignore", "null")[0] == 0


def test_a_data_module_of_ones_own_is_checked(visus, workplace, monkeypatch):
    root = save_masked(workplace / "set", "folders")
    (root / "masks").rename(root / "labels")
    Path("my_masks.py").write_text(
        """
from visus.datamodules.segmentation.class_table import numbered_classes
from visus.datamodules.segmentation.data import ImageSegmentationData
from visus.datamodules.segmentation.files import check_pairs
from visus.datamodules.segmentation.mask_pairs import MaskedImage


class LabelsData(ImageSegmentationData):
    def read_listing(self):
        images = sorted((self.root / "images").iterdir())
        pairs = [MaskedImage(p, self.root / "labels" / p.name, "", str(p)) for p in images]
        return check_pairs(self.root, pairs, numbered_classes("abcdefgh", 255))
"""
    )
    monkeypatch.setattr(sys, "path", [*sys.path])
    code, out, err = visus("data", "check", root, "--data", "my_masks.LabelsData")
    assert code == 0 and "8 readable images" in out, err
    (root / "labels" / "p1.png").write_bytes(b"")
    Image.open(root / "images" / "p2.png").save(root / "images" / "p9.png")
    Image.open(root / "labels" / "p2.png").save(root / "labels" / "p9.png")
    code, out, _ = visus("data", "check", root, "--data", "my_masks.LabelsData")
    assert code == 2 and "p1.png: the file is empty" in out and "the same image as" in out


def test_a_report_explains_classes_and_attacks_pixels(visus, run, monkeypatch):
    shorten(monkeypatch)
    numbers, page = check_report(visus, run)
    assert set(numbers["quality"]["metrics"]) >= {"miou", "boundary_f1"}
    assert "Confusion matrix" in page and "vertical axis" not in page
    maps = numbers["explanations"]["explained"][0]["maps"]
    assert {name.partition(":")[0] for name in maps} == {"HiResCAM", "occlusion"}
    goals = {each["goal"] for each in numbers["robustness"]["attacks"]}
    assert goals == {"wrong pixels"}
