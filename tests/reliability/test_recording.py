"""Recordings that are killed, and disks that fill up: what was recorded plays."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import PATIENCE
from tests.reliability.canaries import FIXTURES
from tests.reliability.counts import count
from tests.reliability.test_full_disk import no_file_beyond
from visus.apps.live.sinks.ffmpeg import ffmpeg_encoders
from visus.apps.live.sources.files import VideoSource

RATE = 25
WIDTH, HEIGHT = 160, 120
PROGRAM = shutil.which("ffmpeg")

VISUS = "import sys; from visus.apps.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(params=["opencv", *(["ffmpeg"] if PROGRAM else [])])
def encoder(request, workplace, monkeypatch):
    """Each encoder of this machine."""
    folder = workplace / "programs"
    folder.mkdir()
    if request.param == "ffmpeg":
        (folder / "ffmpeg").symlink_to(PROGRAM)
    monkeypatch.setenv("PATH", str(folder))
    ffmpeg_encoders.cache_clear()
    yield request.param
    ffmpeg_encoders.cache_clear()


def image(i):
    """The bytes of a frame; each is a little brighter."""
    return bytes([i % 200]) * (WIDTH * HEIGHT * 3)


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_all_but_the_last_second_of_a_killed_recording_plays(encoder, workplace, suffix):
    lost = []
    for attempt in range(count(1, 10)):
        target = Path(f"{attempt}{suffix}")
        target.write_bytes(b"an earlier video")
        model = FIXTURES / "classification.onnx"
        command = [sys.executable, "-c", VISUS, "live", model, "-", "--video", target]
        command += ["--size", f"{WIDTH}x{HEIGHT}", "--rate", str(RATE), "--jsonl", "-"]
        live = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        written = 0
        stop = RATE * 2 + 7 * attempt
        for i in range(stop):
            live.stdin.write(image(i))
            live.stdin.flush()
            assert live.stdout.readline()
            written += 1
            # A camera's pace: a second of the recording is one of the encoder, too.
            time.sleep(1 / RATE)
        # The encoder first, which would finish the file when its input ends.
        for process in (*children(live.pid), live.pid):
            os.kill(process, signal.SIGKILL)
        assert live.wait(PATIENCE) == -signal.SIGKILL
        assert target.read_bytes() == b"an earlier video"
        frames = list(VideoSource(Path(f"{attempt}.unfinished{suffix}")).frames())
        lost.append((written - len(frames)) / RATE)
    assert max(lost) <= 1, lost


def children(pid):
    """The processes that a process started."""
    listed = [Path(f"/proc/{pid}/task/{task}/children") for task in os.listdir(f"/proc/{pid}/task")]
    return [int(child) for path in listed for child in path.read_text().split()]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_recording_on_a_full_disk_ends_at_once_and_plays(encoder, visus, workplace, suffix):
    clip = Path("clip.mjpeg")
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    frames = (cv2.imencode(".jpg", np.roll(noise, i, 1))[1].tobytes() for i in range(400))
    clip.write_bytes(b"".join(frames))
    target = Path(f"o{suffix}")
    target.write_bytes(b"an earlier video")
    with no_file_beyond(300_000):
        code, out, err = visus(
            "live", FIXTURES / "classification.onnx", clip, "--video", target, "--jsonl", "o.jsonl"
        )
    assert code == 2, out + err
    (line,) = (line for line in err.splitlines() if "browsers" not in line)
    assert f"o.unfinished{suffix} plays up to second " in line
    assert target.read_bytes() == b"an earlier video"
    # The loop stopped at the error.
    assert len(Path("o.jsonl").read_text().splitlines()) < 350
    played = len(list(VideoSource(Path(f"o.unfinished{suffix}")).frames()))
    assert abs(played / 25 - float(line.rpartition(" ")[2])) < 0.1 and played > 5
