import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import visus as python
from tests.tasks.detection.test_commands import SCENES, SHORT, TWO_STAGE, write_clip
from tests.training import train_in
from visus.vision.images import read_image
from visus.vision.scenes import make_scene

LOW = ["--threshold", "0.02"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A tiny, hardly trained detector."""
    folder = tmp_path_factory.mktemp("detector")
    arguments = ["--config", "detection/scenes", *SHORT, *TWO_STAGE, *SCENES]
    return train_in(folder, *arguments)


def lines_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def frames_of(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(read[1])
    return np.array(frames)


def test_lines_and_zones_are_counted_drawn_and_written(visus, workplace, run):
    clip = write_clip(workplace / "clip.avi", 10)
    areas = ["--line", "door=0.5,0,0.5,1", "--zone", "all=0,0,128,0,128,96,0,96"]
    outputs = ["--jsonl", "o.jsonl", "--draw", "d"]
    code, out, err = visus("predict", run, clip, *LOW, *areas, *outputs)
    assert code == 0, err
    last = lines_of("o.jsonl")[-1]
    assert [line["name"] for line in last["lines"]] == ["door"]
    assert last["lines"][0]["points"] == [[64, 0], [64, 96]]
    (zone,) = last["zones"]
    assert sum(zone["inside"].values()) == len(zone["stays"]) > 0
    assert {stay["track"] for stay in zone["stays"]} >= {
        each["track"] for each in last["detections"]
    }
    assert f"{clip}: door 0 in, 0 out" in out or f"{clip}: door" in out
    code, _, err = visus("predict", run, clip, "--threshold", "1", "--draw", "plain")
    assert code == 0, err
    drawn, plain = frames_of("d/clip.mp4"), frames_of("plain/clip.mp4")
    # The line is visible from the top to the bottom of the image.
    assert (np.abs(drawn[0].astype(int) - plain[0])[:, 62:67].max((1, 2)) > 20).mean() > 0.9


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--line", "0,0,500,0"],
            "--line line1: the point 500,0 lies outside the image of 128 x 96",
        ),
        (["--line", "1,2,3"], "argument --line: '1,2,3' has 3 coordinates"),
        (["--zone", "0,0,9,9,9,0,0,9"], "argument --zone: '0,0,9,9,9,0,0,9': sides 1 and 3 cross"),
        (["--zone", "a=0,0,1,0,1,1", "--zone", "a=0,0,1,0,1,1"], "two are named 'a'"),
        (["--mot", "o.txt", "--jsonl", "o.txt"], "--mot o.txt: --jsonl writes to it too"),
        (["--mot", "out.csv"], "--mot out.csv: files of the MOT Challenge end in .txt"),
        (["--blur", "squares"], "--blur 'squares' is unknown; did you mean square"),
        (["--blur", "xyz"], "--blur 'xyz' is unknown; choose from circle, cross"),
        (["--blur", "all", "--labels", "coco", "--output", "l"], "--labels copies the original"),
    ],
)
def test_wrong_options(visus, workplace, run, arguments, words):
    clip = write_clip(workplace / "clip.avi", 2)
    code, _, err = visus("predict", run, clip, *arguments)
    assert code == 2 and words in err and len(err.strip().splitlines()) == 1, err
    assert sorted(path.name for path in workplace.iterdir()) == ["clip.avi"]


@pytest.mark.parametrize(
    "option", [["--line", "0,0,1,1"], ["--zone", "0,0,1,0,1,1"], ["--mot", "o.txt"]]
)
def test_options_of_tracks_need_a_video(visus, workplace, run, option):
    Image.fromarray(make_scene(4, (96, 128)).image).save("a.png")
    code, _, err = visus("predict", run, "a.png", *option)
    assert code == 2 and f"{option[0]} follows objects through a video; the source is images" in err


def test_tracks_are_written_for_the_mot_challenge(visus, workplace, run):
    clip = write_clip(workplace / "clip.avi", 8)
    code, out, err = visus("predict", run, clip, *LOW, "--mot", "out.txt", "--jsonl", "o.jsonl")
    assert code == 0, err
    rows = [row.split(",") for row in Path("out.txt").read_text().splitlines()]
    assert f"wrote out.txt: {len(rows)} rows" in out
    expected = [
        (entry["frame"] + 1, each["track"], each["box"])
        for entry in lines_of("o.jsonl")
        for each in entry["detections"]
    ]
    assert len(rows) == len(expected) > 0
    for row, (frame, track, (x1, y1, x2, y2)) in zip(rows, expected, strict=True):
        assert (int(row[0]), int(row[1])) == (frame, track)
        place = [float(value) for value in row[2:6]]
        assert place == pytest.approx([x1 + 1, y1 + 1, x2 - x1, y2 - y1], abs=0.02)
        assert 0 <= float(row[6]) <= 1 and row[7:] == ["-1", "-1", "-1"]


def test_trackeval_reads_the_written_tracks(visus, workplace, run):
    from trackeval.datasets import MotChallenge2DBox

    clip = write_clip(workplace / "clip.avi", 8)
    code, _, err = visus("predict", run, clip, *LOW, "--mot", "tracks/X/data/clip.txt")
    assert code == 0, err
    text = Path("tracks/X/data/clip.txt").read_text()
    # The tracks as their own ground truth: class 1, fully visible.
    truth = [",".join([*row.split(",")[:6], "1", "1", "1"]) for row in text.splitlines()]
    folder = workplace / "gt" / "clip"
    (folder / "gt").mkdir(parents=True)
    (folder / "gt" / "gt.txt").write_text("\n".join(truth))
    data = MotChallenge2DBox(
        {
            "GT_FOLDER": str(workplace / "gt"),
            "TRACKERS_FOLDER": str(workplace / "tracks"),
            "SKIP_SPLIT_FOL": True,
            "SEQ_INFO": {"clip": 8},
            "PRINT_CONFIG": False,
        }
    )
    raw = data.get_raw_seq_data("X", "clip")
    read = data.get_preprocessed_seq_data(raw, "pedestrian")
    assert read["num_tracker_dets"] == read["num_gt_dets"] == len(truth) > 0
    assert all(np.allclose(np.diag(ious), 1) for ious in read["similarity_scores"])


@pytest.fixture
def concealed_all(monkeypatch):
    """Every detection of the hardly trained detector is concealed, and none is drawn."""
    monkeypatch.setattr("visus.tasks.detection.prediction._CONCEALED_SCORE", 0.0)
    return ["--threshold", "1", "--blur", "all"]


def write_noise(path, frames=5):
    """A clip of noise, in which every concealed pixel shows."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (128, 96))
    for _ in range(frames):
        writer.write(cv2.resize(noise, (128, 96), interpolation=cv2.INTER_NEAREST))
    writer.release()
    return path


def test_nothing_unblurred_is_written_of_a_video(visus, workplace, run, concealed_all):
    clip = write_noise(workplace / "clip.avi")
    original = frames_of(clip).astype(int)
    for command in (["predict", run, clip, "--draw", "d"], ["live", run, clip, "--video", "v.mp4"]):
        code, _, err = visus(*command, *concealed_all, "--track")
        assert code == 0, err
    # The same detections through the Python interface.
    results = list(python.load(run).stream(clip, threshold=1.0, blur="all", track=True))
    concealed = [
        (np.abs(r.image[..., ::-1] - o).max(-1) > 60)
        for r, o in zip(results, original, strict=True)
    ]
    assert min(each.mean() for each in concealed) > 0.3
    for path in ("d/clip.mp4", "v.mp4"):
        written = frames_of(path).astype(int)
        assert len(written) == 5
        for frame, result, truth in zip(written, results, original, strict=True):
            assert (
                np.abs(frame - result.image[..., ::-1]).mean() < 0.3 * np.abs(frame - truth).mean()
            )


def test_an_image_is_blurred_in_drawings_and_in_python(visus, workplace, run, concealed_all):
    scene = frames_of(write_noise(workplace / "clip.avi", 1))[0]
    Image.fromarray(scene).save("a.png")
    code, _, err = visus("predict", run, "a.png", *concealed_all, "--draw", "d")
    assert code == 0, err
    drawn = read_image("d/a.jpg").astype(int)
    model = python.load(run)
    result = model("a.png", threshold=1.0, blur="all")
    assert len(result) == 0
    assert np.abs(drawn - result.image).mean() < 0.3 * np.abs(drawn - scene).mean()
    # The file of one of several images is read again.
    Image.fromarray(scene).save("b.png")
    again, _ = model(["a.png", "b.png"], threshold=1.0, blur=["all"])
    np.testing.assert_array_equal(again.image, result.image)
    np.testing.assert_array_equal(model("a.png", threshold=1.0).image, scene)
    with pytest.raises(Exception, match="blur 'xyz' is unknown"):
        model("a.png", blur="xyz")


def test_lines_are_options_in_python(workplace, run):
    clip = write_clip(workplace / "clip.avi", 4)
    results = list(python.load(run).stream(clip, threshold=0.02, line="door=0.5,0,0.5,1"))
    assert results[-1].prediction.lines[0].name == "door"
    assert "track" in results[-1][0].details
    with pytest.raises(ValueError, match="line='1,2,3' has 3 coordinates"):
        next(python.load(run).stream(clip, line="1,2,3"))
    with pytest.raises(TypeError, match=r"line=\(0, 0.5\): is not of type \[NAME=\]X1,Y1,X2,Y2"):
        next(python.load(run).stream(clip, line=((0, 0.5), (1, 0.5))))


def test_blur_belongs_to_tasks_with_regions(visus, workplace):
    Image.fromarray(make_scene(4, (96, 128)).image).save("a.png")
    code, _, err = visus("predict", "imagenet", "a.png", "--blur", "cat")
    assert code == 2 and "--blur belongs to detection" in err and "segmentation" in err
