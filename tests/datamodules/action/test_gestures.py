import numpy as np

from visus.datamodules.action.gestures import GESTURES, Recording
from visus.datamodules.action.samples import write_gestures
from visus.vision.videos.reader import VideoReader


def columns(frames):
    """Where most changes against the first frame, in pixels from the left."""
    frames = [frame.astype(float) for frame in frames]
    change = [np.abs(frame - frames[0]).sum((0, 2)) for frame in frames[1:]]
    return np.array([np.average(np.arange(len(c)), weights=c**2) for c in change])


def test_gestures_are_written_as_folders(tmp_path):
    write_gestures(tmp_path, each=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(GESTURES)
    with VideoReader(tmp_path / "wave" / "1.mp4") as reader:
        assert reader.size == (120, 160) and len(list(reader.times())) == 30


def test_swipes_go_opposite_ways():
    for seed in range(5):
        ways = {}
        for gesture in ("swipe left", "swipe right"):
            recording = Recording(seed)
            rest = list(recording.frames("rest", 1.0))
            places = columns([rest[-1], *recording.frames(gesture)])
            ways[gesture] = places[22] - places[8]
        assert ways["swipe left"] < -10 and ways["swipe right"] > 10
