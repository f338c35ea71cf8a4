"""Bad clips: each is named with its file, or the line of its CSV, in one report."""

import wave

import pytest

from tests.apps.live.sources.containers import UNEVEN, write_mp4
from tests.datamodules.action.videos import save_classes, save_clip, save_csv


def check(visus, root, *options):
    code, out, err = visus("data", "check", root, *options)
    return code, " ".join((out + err).split())


def truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def write_sound(path):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))


def write_sound_only_mp4(path):
    write_mp4(path, UNEVEN)
    path.write_bytes(path.read_bytes().replace(b"vide", b"soun"))


BAD = {
    "empty": (lambda path: path.write_bytes(b""), "is empty; record or fetch it again"),
    "text": (lambda path: path.write_text("no video" * 99), "is not a video in a known format"),
    "cut at the end": (lambda path: truncate(save_clip(path)), "is truncated or damaged"),
    "one frame": (lambda path: save_clip(path, 0.1), "a single frame and has no duration"),
    "wave": (write_sound, "holds sound only, no video"),
    "sound in mp4": (write_sound_only_mp4, "holds sound only, no video"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_named_and_left_out_on_request(visus, workplace, name):
    root = save_classes(workplace / "set")
    write, message = BAD[name]
    write(root / "jump" / "bad.mp4")
    code, out = check(visus, root)
    assert code == 2
    assert f"error: {root}/jump/bad.mp4: " in out and message in out
    assert "1 problem (1 error)" in out and "Traceback" not in out
    from visus.datamodules.action.data import VideoActionData

    data = VideoActionData(str(root), num_workers=0, skip_bad=True)
    assert len(data.listing.samples) == 8 and data.listing.left_out == 1


def test_a_cut_video_that_can_be_opened_is_named(visus, workplace):
    root = save_classes(workplace / "set")
    truncate(write_mp4(root / "jump" / "bad.mp4", range(0, 4000, 100)))
    code, out = check(visus, root)
    assert code == 2 and "jump/bad.mp4: " in out and "of 40 frames; the file is trunc" in out


def test_several_problems_are_one_report(visus, workplace):
    root = save_classes(workplace / "set")
    for name in ("empty", "text", "one frame"):
        BAD[name][0](root / "clap" / f"{name}.mp4")
    code, out = check(visus, root)
    assert code == 2 and "3 problems (3 error)" in out
    assert all(BAD[name][1] in out for name in ("empty", "text", "one frame"))


def test_uneven_times_are_no_problem_and_are_counted(visus, workplace):
    root = save_classes(workplace / "set")
    write_mp4(root / "jump" / "uneven.mp4", UNEVEN)
    code, out = check(visus, root)
    assert code == 0 and "no problems" in out
    assert "1 video with a variable frame rate" in out
    # Their mean rate would give another duration.
    assert "2.0 to 4.6 s long" in out


def test_rotated_videos_are_upright_and_no_problem(visus, workplace):
    root = save_classes(workplace / "set")
    write_mp4(root / "jump" / "turned.mp4", range(0, 2000, 100), rotated=True)
    code, out = check(visus, root)
    assert code == 0 and "no problems" in out
    assert "48 to 64 px wide, 48 to 64 px high" in out


def test_clips_shorter_than_the_window_are_named(visus, workplace):
    root = save_classes(workplace / "set")
    save_clip(root / "jump" / "short.mp4", 1.2, 7)
    code, out = check(visus, root)
    assert code == 0
    assert "short.mp4: lasts 1.20 s, less than the window of 2 s: its last frame is repe" in out
    assert "no problems" in check(visus, root, "--window", "1")[1]
    code, out = check(visus, root, "--window", "-1")
    assert code == 2 and "seconds -1.0 must be above 0" in out


ROWS = ("a.mp4,0,2,clap", "a.mp4,2,4,jump", "b.mp4,,,clap", "b2.mp4,1.5,,jump")
ROWS += tuple(f"{name}{i}.mp4,,,{name}" for name in ("clap", "jump", "loud") for i in range(2))


@pytest.fixture
def listed(workplace):
    root = save_csv(workplace / "set", ROWS)
    for seed, row in enumerate(ROWS):
        save_clip(root / row.partition(",")[0], 4, seed)
    return root


def test_the_intervals_of_a_csv_are_read(visus, listed):
    code, out = check(visus, listed)
    assert code == 0 and "no problems" in out
    assert "10 clips of 9 videos, 2.0 to 4.0 s long" in out


LINES = {
    "a.mp4,9,10,jump": "starts at 9 s, after the end of the video: a.mp4 has 4.0 s",
    "a.mp4,3,9,jump": "ends at 9 s, after the end of the video: a.mp4 has 4.0 s",
    "b2.mp4,3,4,clap": "overlaps",
    "a.mp4,0,2,jump": "is the same clip as",
    "a.mp4,x,2,jump": "its start 'x' is not a time",
    "a.mp4,nan,2,jump": "its start 'nan' is not a time",
    "a.mp4,1,-2,jump": "its end '-2' is not a time",
    "a.mp4,3,2,jump": "ends at 2 s, not after its start",
    "a.mp4,3,4,": "has no label",
    "missing.mp4,,,jump": "there is no file 'missing.mp4'",
    "../outside.mp4,,,jump": "which lies outside of",
    "a.mp4,1": "has 2 values, the first line names 4 columns",
}


@pytest.mark.parametrize("line", LINES)
def test_a_bad_line_is_named(visus, workplace, listed, line):
    save_clip(workplace / "outside.mp4")
    save_csv(listed, [*ROWS, line])
    code, out = check(visus, listed)
    assert code == 2 and "1 problem (1 error)" in out
    assert f"error: {listed}/clips.csv:12: " in out and LINES[line] in out


def test_overlapping_clips_may_have_several_labels(visus, listed):
    rows = ["a.mp4,0,3,clap|loud", "a.mp4,2,4,jump", "b2.mp4,,,|", ROWS[2], *ROWS[4:]]
    save_csv(listed, rows)
    code, out = check(visus, listed)
    assert code == 0 and "several labels a clip" in out and "no problems" in out
    save_csv(listed, [*rows, "a.mp4,2,4,clap"])
    code, out = check(visus, listed)
    assert code == 2 and "clips.csv:12: is the same clip as" in out


def test_annotations_may_be_rounded(visus, listed):
    save_csv(listed, ["a.mp4,0,2.04,clap", "a.mp4,2,4.08,jump", *ROWS[2:]])
    code, out = check(visus, listed)
    assert code == 0 and "no problems" in out


def test_parts_of_a_source_in_two_splits_are_errors(visus, listed):
    columns = "file,start,end,label,source,split"
    rows = ["a.mp4,0,2,clap,,train", "a.mp4,2,4,jump,,val"]
    rows += ["b.mp4,,,clap,tape 7,train", "b2.mp4,,,jump,tape 7,test"]
    rows += [f"{row},,train" for row in ROWS[4:]]
    save_csv(listed, rows, columns)
    code, out = check(visus, listed)
    assert code == 2
    assert "clips.csv:2: parts of its source a.mp4 are in train and val: the metrics" in out
    assert "clips.csv:4: parts of its source tape 7 are in test and train: the metrics" in out


def test_nearly_the_same_clips_in_two_splits_are_reported(visus, workplace):
    root = workplace / "set"
    save_classes(root / "train", 3)
    save_classes(root / "val", 3, first=50)
    code, out = check(visus, root)
    assert code == 0 and "no problems" in out
    # Coded anew, and at another size.
    from tests.datamodules.action.videos import numbered_frames
    from visus.vision.videos.writer import write_video

    frames = [frame[:, 2:-2] for frame in numbered_frames(20, 101)]
    write_video(root / "val" / "jump" / "copy.avi", frames, 10)
    code, out = check(visus, root)
    assert code == 0 and "1 problem (1 warning)" in out
    assert f"val/jump/copy.avi: looks nearly the same as {root}/train/jump/1.mp4" in out


def test_a_data_set_without_classes_or_videos(visus, workplace):
    save_clip(workplace / "one" / "clap" / "a.mp4")
    code, out = check(visus, workplace / "one")
    assert code == 2 and "holds one class (clap); a classifier needs at least two" in out
    root = save_classes(workplace / "set")
    (root / "empty").mkdir()
    code, out = check(visus, root)
    assert code == 2 and "empty: an empty class: no video in it" in out
