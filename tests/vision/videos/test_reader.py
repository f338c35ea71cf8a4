"""Frames of a video at given times."""

import numpy as np
import pytest

from tests.apps.live.sources.containers import UNEVEN, write_mp4
from visus.vision.videos.reader import VideoError, VideoReader
from visus.vision.videos.writer import write_video


def numbers(frames):
    """The number of each frame of `containers.jpegs`."""
    return [round(float(frame.mean()) / 10) for frame in frames]


def test_the_frame_of_a_time_is_the_first_one_at_or_after_it(tmp_path):
    path = write_mp4(tmp_path / "a.mp4", UNEVEN)
    times = [0.0, 0.1, 0.15, 0.15, 1.0005, 1.1, 4.5]
    with VideoReader(path) as reader:
        assert numbers(reader.frames_at(times)) == [0, 1, 2, 2, 10, 11, 13]
    with VideoReader(path, threads=1) as reader:
        assert numbers(reader.frames_at([])) == []
    with VideoReader(path) as reader, pytest.raises(VideoError, match=r"a.mp4: ends before 5.0"):
        list(reader.frames_at([0.0, 5.0]))


def test_times_are_those_of_the_container(tmp_path):
    with VideoReader(write_mp4(tmp_path / "a.mp4", UNEVEN)) as reader:
        assert np.allclose(list(reader.times()), np.array(UNEVEN) / 1000)


def test_frames_are_upright_rgb(tmp_path):
    with VideoReader(write_mp4(tmp_path / "a.mp4", range(0, 300, 100), rotated=True)) as reader:
        assert reader.size == (64, 48)
        assert all(frame.shape == (64, 48, 3) for frame, _ in reader.frames())
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 200
    for ending in (".mp4", ".avi"):
        write_video(tmp_path / f"red{ending}", [red] * 5, 10)
        with VideoReader(tmp_path / f"red{ending}") as reader:
            (frame,) = reader.frames_at([0.2])
        assert frame[..., 0].mean() > 180 and frame[..., 1:].mean() < 20


def test_a_function_resizes_before_the_channels_are_ordered(tmp_path):
    write_video(tmp_path / "a.mp4", [np.full((48, 64, 3), (200, 20, 60), np.uint8)] * 3, 10)
    with VideoReader(tmp_path / "a.mp4") as reader:
        (frame,) = reader.frames_at([0.0], lambda image: image[::2, ::2])
    assert frame.shape == (24, 32, 3) and np.allclose(frame.mean((0, 1)), (200, 20, 60), atol=12)


def test_missing_frames_are_counted(tmp_path):
    path = write_mp4(tmp_path / "a.mp4", range(0, 2000, 100))
    with VideoReader(path) as reader:
        assert reader.missing_frames(len(list(reader.times()))) == ""
    path.write_bytes(path.read_bytes()[:-2000])
    with VideoReader(path) as reader:
        count = len(list(reader.times()))
        assert reader.missing_frames(count).startswith(f"{count} of 20 frames; ")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"ID3" + bytes(99), "holds sound only"),
        (b"RIFF\0\0\0\0WAVEfmt ", "holds sound only"),
        (b"<html>\nnot found", "is not a video in a known format (it starts with '<html> not f')"),
        (b"\0\0\0\x10ftypisom\0\0\0\0", "is truncated or damaged"),
        (b"\x1a\x45\xdf\xa3" + b"A_OPUS", "holds sound only"),
    ],
)
def test_why_a_file_cannot_be_opened(tmp_path, content, message):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError) as raised:
        VideoReader(path)
    assert str(raised.value).startswith(f"{path}: ") and message in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(VideoError, match=r"a.mp4: cannot be read \(No such file"):
        VideoReader(tmp_path / "a.mp4")
