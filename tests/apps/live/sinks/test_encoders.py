"""Video files by OpenCV and by the ffmpeg program, which play while they are written."""

import shutil
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import eventually
from tests.reliability.test_full_disk import no_file_beyond
from visus.apps.live.sinks.encoders import open_encoder, plays_in_browsers
from visus.apps.live.sinks.ffmpeg import ffmpeg_encoders
from visus.apps.live.sources.files import VideoSource
from visus.vision.errors import VisusError

FAKE = """#!{python}
import sys
if "-encoders" in sys.argv:
    print(" V....D libx264    H.264\\n V....D libvpx-vp9    VP9")
    sys.exit()
target = sys.argv[-1].removeprefix("file:")
if "copy" in sys.argv:
    source = sys.argv[sys.argv.index("-i") + 1].removeprefix("file:")
    open(target, "wb").write(open(source, "rb").read() + b"copied")
    sys.exit()
open("arguments.txt", "w").write(" ".join(sys.argv))
if "dies" in target:
    sys.stdin.buffer.read(48 * 64 * 3)
    sys.exit("Conversion failed!")
frames = sys.stdin.buffer.read()
if "full" in target:
    sys.exit("No space left on device")
open(target, "wb").write(bytes([len(frames) // (48 * 64 * 3)]))
"""

PROGRAM = shutil.which("ffmpeg")


@pytest.fixture
def without_ffmpeg(monkeypatch, workplace):
    monkeypatch.setenv("PATH", str(workplace))
    ffmpeg_encoders.cache_clear()
    yield
    ffmpeg_encoders.cache_clear()


@pytest.fixture
def fake_ffmpeg(without_ffmpeg, workplace):
    program = workplace / "ffmpeg"
    program.write_text(FAKE.format(python=sys.executable))
    program.chmod(0o755)


@pytest.fixture(params=["opencv", *(["ffmpeg"] if PROGRAM else [])])
def encoder(request, without_ffmpeg, workplace):
    """Each encoder of this machine."""
    if request.param == "ffmpeg":
        (workplace / "ffmpeg").symlink_to(PROGRAM)
        ffmpeg_encoders.cache_clear()
    return request.param


def grey(i):
    return np.full((48, 64, 3), 8 * i % 256, np.uint8)


def write(path, frames=30, rate=25.0):
    encoder = open_encoder(Path(path), rate, (64, 48))
    for i in range(frames):
        encoder.write(grey(i))
    encoder.close()


@pytest.mark.parametrize("path", ["v.mp4", "new/v.webm"])
@pytest.mark.parametrize(("frames", "rate"), [(30, 25.0), (1, 25.0), (61, 24000 / 1001), (3, 0.5)])
def test_every_frame_is_written(encoder, path, frames, rate):
    write(path, frames, rate)
    source = VideoSource(Path(path))
    read = list(source.frames())
    assert source.problems == []
    assert np.abs([frame.image.mean() - 8 * i % 256 for i, frame in enumerate(read)]).max() < 12
    np.testing.assert_allclose([frame.time for frame in read], np.arange(frames) / rate, atol=1e-3)
    assert [file.name for file in Path(path).parent.iterdir() if file.name[0] != "f"] == [
        Path(path).name
    ], "nothing else is left"


@pytest.mark.parametrize("name", ["v.mp4", "v.webm"])
def test_a_finished_video_can_be_searched(encoder, name):
    write(name, 60)
    capture = cv2.VideoCapture(name)
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 60
    for index in (41, 7, 59):
        assert capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        assert abs(capture.read()[1].mean() - 8 * index % 256) < 12


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_an_unfinished_video_plays_up_to_the_last_second(encoder, workplace, suffix):
    target, unfinished = Path(f"v{suffix}"), Path(f"v.unfinished{suffix}")
    target.write_bytes(b"an earlier video")
    opened = open_encoder(target, 25.0, (64, 48))
    for i in range(75):
        opened.write(grey(i))

    def seconds():
        try:
            return len(list(VideoSource(unfinished).frames())) / 25
        except VisusError:
            return 0

    eventually(lambda: seconds() > 2)
    assert target.read_bytes() == b"an earlier video"
    opened.close()
    assert len(list(VideoSource(target).frames())) == 75 and not unfinished.exists()


def test_an_unfinished_video_that_was_left_behind_is_kept(encoder, workplace):
    Path("v.unfinished.mp4").write_bytes(b"of a machine that lost power")
    opened = open_encoder(Path("v.mp4"), 25.0, (64, 48))
    opened.write(grey(0))
    eventually(Path("v.unfinished-2.mp4").exists)
    opened.close()
    assert Path("v.unfinished.mp4").read_bytes() == b"of a machine that lost power"
    assert Path("v.mp4").is_file() and not Path("v.unfinished-2.mp4").exists()


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_full_disk_is_an_error_at_once_and_what_was_written_plays(encoder, workplace, suffix):
    target = Path(f"v{suffix}")
    target.write_bytes(b"an earlier video")
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    written = 0
    with no_file_beyond(150_000), pytest.raises(VisusError) as caught:
        opened = open_encoder(target, 25.0, (64, 48))
        for written in range(5000):
            opened.write(np.roll(noise, written, 1))
            # A camera is not faster.
            time.sleep(0.001)
    assert 0 < written < 4000
    opened.close()
    assert target.read_bytes() == b"an earlier video"
    message = str(caught.value)
    assert message.startswith(f"v{suffix}: cannot be written (")
    assert f"v.unfinished{suffix} plays up to second " in message
    seconds = float(message.rpartition(" ")[2])
    frames = list(VideoSource(Path(f"v.unfinished{suffix}")).frames())
    assert seconds > 1 and abs(len(frames) / 25 - seconds) < 0.1


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_without_any_space_nothing_is_left(encoder, workplace, suffix):
    Path(f"v{suffix}").write_bytes(b"an earlier video")
    with no_file_beyond(300), pytest.raises(VisusError, match=r"v\.\w+: cannot be written \("):
        write(f"v{suffix}")
    assert Path(f"v{suffix}").read_bytes() == b"an earlier video"
    assert not list(Path().glob("*unfinished*"))


@pytest.mark.parametrize(("path", "codec"), [("v.mp4", "libx264"), ("v.webm", "libvpx-vp9")])
def test_the_ffmpeg_program_gets_every_frame(fake_ffmpeg, path, codec):
    write(path)
    # The index of an MP4 is moved to its start.
    assert Path(path).read_bytes() == bytes([30]) + (b"copied" if path == "v.mp4" else b"")
    assert codec in Path("arguments.txt").read_text()
    assert not list(Path().glob(".*"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [("full.mp4", "No space left on device"), ("dies.mp4", "Conversion failed!")],
)
def test_an_encoder_that_fails_is_reported(fake_ffmpeg, name, reason):
    Path(name).write_bytes(b"an earlier video")
    with pytest.raises(VisusError) as caught:
        write(name, 200)
    assert (
        str(caught.value) == f"{name}: cannot be written ({reason}); check its folder and the disk"
    )
    assert Path(name).read_bytes() == b"an earlier video"
    assert {path.name for path in Path().iterdir()} == {"arguments.txt", name, "ffmpeg"}


def test_a_device_is_written_to(encoder, workplace):
    Path("null.mp4").symlink_to("/dev/null")
    write("null.mp4")
    assert Path("null.mp4").is_symlink() and Path("/dev/null").is_char_device()


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
