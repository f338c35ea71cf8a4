"""Video files by OpenCV and by the ffmpeg program: every frame is written."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from visus.apps.live.sinks.encoders import _ffmpeg_encoders, open_encoder, plays_in_browsers
from visus.apps.live.sinks.video import VideoSink
from visus.vision.errors import VisusError

FAKE = """#!{python}
import sys
if "-encoders" in sys.argv:
    print(" V....D libx264    H.264\\n V....D libvpx-vp9    VP9")
else:
    frames = sys.stdin.buffer.read()
    target = sys.argv[-1].removeprefix("file:")
    if "full" in target:
        sys.exit("No space left on device")
    open(target, "wb").write(bytes([len(frames) // (48 * 64 * 3)]))
    open("arguments.txt", "w").write(" ".join(sys.argv))
"""


@pytest.fixture
def without_ffmpeg(monkeypatch, workplace):
    monkeypatch.setenv("PATH", str(workplace))
    _ffmpeg_encoders.cache_clear()
    yield
    _ffmpeg_encoders.cache_clear()


@pytest.fixture
def fake_ffmpeg(without_ffmpeg, workplace):
    program = workplace / "ffmpeg"
    program.write_text(FAKE.format(python=sys.executable))
    program.chmod(0o755)


def write(path, frames=30):
    encoder = open_encoder(Path(path), 25.0, (64, 48))
    for i in range(frames):
        encoder.write(np.full((48, 64, 3), 8 * i, np.uint8))
    encoder.close()


@pytest.mark.parametrize("path", ["v.mp4", "new/v.webm"])
def test_opencv_writes_every_frame(without_ffmpeg, path):
    write(path)
    capture = cv2.VideoCapture(path)
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1].mean())
    assert len(frames) == 30
    assert np.abs(np.array(frames) - 8 * np.arange(30)).max() < 12


@pytest.mark.parametrize(("path", "codec"), [("v.mp4", "libx264"), ("v.webm", "libvpx-vp9")])
def test_the_ffmpeg_program_gets_every_frame(fake_ffmpeg, path, codec):
    write(path)
    assert Path(path).read_bytes() == bytes([30])
    assert codec in Path("arguments.txt").read_text()


def test_a_full_disk_is_reported(fake_ffmpeg):
    Path("full.mp4").write_bytes(b"an earlier video")
    with pytest.raises(VisusError, match=r"full\.mp4: cannot be written \(No space left"):
        write("full.mp4")
    assert Path("full.mp4").read_bytes() == b"an earlier video"


def test_other_suffixes_are_refused():
    with pytest.raises(VisusError, match=r"must be \.mp4 or \.webm"):
        VideoSink(Path("v.avi"), 25.0)


def test_an_mp4_that_browsers_do_not_play_is_announced(without_ffmpeg, capsys):
    write("v.webm", 2)
    assert capsys.readouterr().err == "" and plays_in_browsers(".webm")
    write("v.mp4", 2)
    assert not plays_in_browsers(".mp4")
    err = capsys.readouterr().err
    assert err.startswith("visus: v.mp4: browsers do not play it; install the ffmpeg program")


def test_an_mp4_of_the_ffmpeg_program_is_not_announced(fake_ffmpeg, capsys):
    write("v.mp4", 2)
    assert capsys.readouterr().err == "" and plays_in_browsers(".mp4")


def test_the_doctor_names_the_ffmpeg_program(without_ffmpeg, visus):
    _, out, _ = visus("doctor")
    (line,) = (line for line in out.splitlines() if line.startswith("  written .mp4"))
    assert "browsers do not play" in line and "apt install ffmpeg" in line
