"""Video files: true times, recognition by content, and frames that could not be read."""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.apps.live.sources.containers import (
    SIZE,
    UNEVEN,
    jpegs,
    write_avi,
    write_cv,
    write_matroska,
    write_mp4,
)
from tests.conftest import save_scene
from tests.reliability.canaries import FIXTURES
from visus.apps.live.sources import SampledSource, open_source
from visus.apps.live.sources.files import ImageSource, VideoSource

H264 = base64.b64decode(
    "AAAAAWdkAAqscgRewEQAAAMABAAAAwBQPEiWEYAAAAABaOhDgTSyLAAAAWWIgQACX/61zxkAAAABQZoJLYgj/7OAAAAAAUGe"
    "EIcQQ//ngQAAAAEBnhgmiG//64AAAAABAZ4YRohv/+uBAAAAAQGeGGaIb//rgQAAAAEBnhitSG//64EAAAABAZ4YzUhv/+uB"
    "AAAAAQGeGO1Ib//rgAAAAAEBnhkNSG//64AAAAABQZoaSTUCAtEymBDvwYEAAAABQZ4hpcQQ/+eAAAAAAQGeKUWiG//rgAAA"
    "AAEBnillohv/64EAAAABAZ4phaIb/+uBAAAAAQGeKcySG//rgQAAAAEBninskhv/64AAAAABAZ4qDJIb/+uAAAAAAQGeKiyS"
    "G//rgQAAAAFBmipptQIC2tEymAEN/8eA"
)
"""20 frames of H.264 without a container."""

MODEL = FIXTURES / "classification.onnx"

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.ts\n#EXT-X-ENDLIST\n"

UNEVEN_FILES = {
    "a.mkv": lambda path: write_matroska(path, UNEVEN, 4600),
    "unfinished.mkv": lambda path: write_matroska(path, UNEVEN),
    "late.mkv": lambda path: write_matroska(path, [3000 + time for time in UNEVEN], 7600),
    "a.mp4": lambda path: write_mp4(path, UNEVEN),
    "end.mp4": lambda path: write_mp4(path, UNEVEN, first=False),
    "fragmented.mp4": lambda path: write_mp4(path, UNEVEN, fragmented=True),
    "a.avi": lambda path: write_avi(path, UNEVEN),
}

CONTAINERS = {
    "v.mp4": "mp4v", "v.mov": "MJPG", "v.3gp": "mp4v", "v.mkv": "MJPG", "v.webm": "VP80",
    "v.avi": "MJPG", "v.wmv": "WMV2", "v.flv": "FLV1", "v.ogv": "VP80", "v.mpg": "mpg2",
    "v.ts": "mpg2", "v.mts": "mpg2", "v.ivf": "VP80", "v.m2v": "mpg2", "v.mjpeg": "MJPG",
}  # fmt: skip


def read(path):
    """The frames of a file and its problems."""
    source = open_source(str(path))
    return list(source.frames()), source.problems


@pytest.mark.parametrize("name", UNEVEN_FILES)
def test_times_are_those_of_the_container_from_its_first_frame_on(workplace, name):
    source = VideoSource(UNEVEN_FILES[name](Path(name)))
    assert source.rate == 10
    frames = list(source.frames())
    np.testing.assert_allclose([frame.time for frame in frames], np.divide(UNEVEN, 1000), atol=1e-6)
    assert [frame.index for frame in frames] == list(range(len(UNEVEN)))
    assert frames[-1].duration == pytest.approx(0.1)
    assert all(frame.duration is None for frame in frames[:-1])
    assert source.problems == []


def test_a_variable_frame_rate_is_no_damage_and_is_sampled_by_time(visus, workplace):
    for path in (write_matroska(Path("a.mkv"), UNEVEN, 4600), write_mp4(Path("a.mp4"), UNEVEN)):
        every = "predict", MODEL, path, "--jsonl", "-"
        code, out, err = visus(*every)
        assert code == 0, err
        assert [json.loads(line)["time"] for line in out.splitlines()] == [
            time / 1000 for time in UNEVEN
        ]
        code, out, err = visus(*every, "--every", "1s")
        assert code == 0, err
        assert [json.loads(line)["time"] for line in out.splitlines()] == [0, 1, 2.5, 3.5, 4.5]


def test_the_number_of_sampled_frames_is_expected_by_duration(workplace):
    source = SampledSource(VideoSource(write_mp4(Path("a.mp4"), UNEVEN)), 1.0)
    assert (source.rate, source.total) == (1, 5)


def test_the_last_frame_lasts_as_long_as_the_container_declares(workplace):
    # Such as that of sound which goes on.
    frames, problems = read(write_matroska(Path("a.mkv"), [0, 100, 200], 5000))
    assert frames[-1].duration == pytest.approx(4.8) and not problems
    # A wrong duration does not fill a disk.
    frames, _ = read(write_matroska(Path("b.mkv"), [0, 100, 200], 1e12))
    assert frames[-1].duration == 600


def test_times_never_go_back(workplace):
    path = write_matroska(Path("a.mkv"), [*range(0, 1000, 100), 300, 400, 1200])
    times = [frame.time for frame in read(path)[0]]
    np.testing.assert_allclose(times, [*np.arange(0, 1.2, 0.1), 1.2], atol=1e-6)


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("ending", ["", ".jpg", ".bin", None])
def test_videos_are_recognised_by_content(workplace, name, ending):
    path = write_cv(Path(name), CONTAINERS[name])
    if ending is not None:
        path = path.rename(Path("video").with_suffix(ending))
    frames, problems = read(path)
    assert len(frames) == 20 and not problems
    # Streams without a container have no times.
    rate = 25 if name in ("v.m2v", "v.mjpeg") else 10
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(20) / rate, atol=1e-3)


@pytest.mark.parametrize("name", ["v.h264", "v", "v.mp4"])
def test_h264_without_a_container_is_read(workplace, name):
    Path(name).write_bytes(H264)
    frames, problems = read(Path(name))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(20) / 25)
    assert not problems


def test_an_image_stays_an_image(workplace):
    image = save_scene(Path("a.jpg"), 1)
    data = image.read_bytes()
    Image.open(image).save("a.png")
    Path("a.png").rename("image.mp4")
    # A smaller version of itself follows, as some cameras write it.
    Path("followed.jpg").write_bytes(data + jpegs(1)[0])
    pair = Image.open(image), Image.open(image)
    pair[0].save("pair.mpo", save_all=True, append_images=pair[1:])
    pair[0].save("moving.gif", save_all=True, append_images=pair[1:])
    Path("none").write_bytes(data)
    for name in ("a.jpg", "image.mp4", "followed.jpg", "pair.mpo", "moving.gif", "none"):
        assert isinstance(open_source(name), ImageSource), name
        frames, problems = read(Path(name))
        assert len(frames) == 1 and not problems and frames[0].time is None, name


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.ts", "list"])
def test_playlists_are_refused(visus, workplace, name):
    write_cv(Path("other.ts"), "mpg2")
    Path(name).write_text(PLAYLIST)
    code, out, err = visus("predict", MODEL, name)
    assert code in (2, 3) and not out and name in err


@pytest.mark.parametrize("name", [name for name in CONTAINERS if name not in ("v.mpg", "v.m2v")])
def test_frames_that_a_cut_video_lacks_are_counted(visus, workplace, name):
    # The tables of these come last, without which nothing can be read.
    path = write_mp4(Path(name), range(0, 2000, 100)) if name[2:] in ("mp4", "mov", "3gp") else None
    path = path or write_cv(Path(name), CONTAINERS[name])
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    code, out, err = visus("predict", MODEL, path, "--jsonl", "-")
    count = len(out.splitlines())
    # The frames of this file fill less than half of it.
    assert code == 3 and (0 < count < 20 or name == "v.wmv"), err
    assert f"{name}: {count} " in err and "the file is truncated or damaged" in err


@pytest.mark.parametrize("name", ["v.mkv", "v.webm", "v.flv", "v.ts", "v.avi", "v.ogv"])
def test_frames_lost_in_the_middle_are_counted(workplace, name):
    path = write_cv(Path(name), CONTAINERS[name])
    data = bytearray(path.read_bytes())
    size = len(data) // 5
    data[3 * size : 4 * size] = bytes(size)
    path.write_bytes(data)
    frames, (problem,) = read(path)
    assert 0 < len(frames) < 20 and problem.startswith(f"{name}: {len(frames)} ")


def test_frames_that_cannot_be_decoded_are_counted_whatever_the_rate(workplace):
    frames = jpegs(len(UNEVEN))
    frames[4] = frames[5] = b"\xff\xd8\xff" + bytes(100)
    _, problems = read(write_matroska(Path("a.mkv"), UNEVEN, 4600, frames))
    assert problems == ["a.mkv: 12 of 14 frames; the file is truncated or damaged"]


def test_a_codec_that_opencv_lacks_is_named(workplace):
    frames = [bytes([value]) * 100 for value in range(len(UNEVEN))]
    _, (problem,) = read(write_matroska(Path("a.mkv"), UNEVEN, 4600, frames))
    assert problem == "a.mkv: none of 14 frames can be decoded (codec MJPG); convert it to H.264"


def test_frames_of_vp8_that_are_not_shown_do_not_count(workplace):
    capture = cv2.VideoCapture(
        str(write_cv(Path("v.webm"), "VP80")), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1]
    )
    frames = []
    while capture.grab():
        frames.append(capture.retrieve()[1].tobytes())
    hidden = bytes([frames[0][0] & ~0x10]) + frames[0][1:]
    times = [0, *range(1, 1901, 100), 3000]
    frames.insert(1, hidden)
    source = VideoSource(write_matroska(Path("a.webm"), times, 3100, frames, b"V_VP8"))
    assert len(list(source.frames())) == 20 and not source.problems


def test_a_rotated_video_is_upright(workplace):
    frames, _ = read(write_mp4(Path("a.mp4"), UNEVEN, rotated=True))
    assert frames[0].image.shape == (*SIZE, 3)


def test_frames_that_an_edit_list_leaves_out_are_not_missed(workplace):
    frames, problems = read(write_mp4(Path("a.mp4"), UNEVEN, hidden=3))
    assert [frame.time for frame in frames] == pytest.approx(
        [(time - 300) / 1000 for time in UNEVEN[3:]]
    )
    assert not problems and frames[-1].duration == pytest.approx(0.1)


def test_an_edit_list_that_leaves_nothing_out_hides_no_damage(workplace):
    path = write_mp4(Path("a.mp4"), UNEVEN, edited=True)
    assert read(path)[1] == []
    data = path.read_bytes()
    start = data.rindex(b"\xff\xd8\xff")
    path.write_bytes(data[:start] + bytes(len(data) - start))
    assert read(path)[1] == ["a.mp4: 13 of 14 frames; the file is truncated or damaged"]
