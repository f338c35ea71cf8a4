"""The mosaic: every camera's image in its cell, its name and figures, a bounded rate."""

import time

import numpy as np

from visus.apps.live.cameras import Camera
from visus.apps.live.mosaic import Mosaic
from visus.apps.live.sinks.base import Sink
from visus.apps.live.sources.base import Source
from visus.vision.frames import Frame


class Empty(Source):
    frames = None


class Keeping(Sink):
    def __init__(self):
        self.shown, self.closed, self.continues = [], 0, True

    def show(self, frame, drawn):
        self.shown.append((frame, drawn))
        return self.continues

    def close(self):
        self.closed += 1


def mosaic_of(count):
    cameras = [Camera(Empty(), None, name=f"camera{i}") for i in range(count)]
    sink = Keeping()
    mosaic = Mosaic(cameras, [sink])
    return cameras, mosaic, mosaic.tiles(), sink


def frame_of(level, size=(48, 64)):
    image = np.full((*size, 3), level, np.uint8)
    return Frame(image, "x", 0, 0.0, 0.0), image


def test_each_camera_has_its_cell_with_its_own_proportions():
    cameras, _, tiles, sink = mosaic_of(4)
    levels = (60, 120, 180, 240)
    for tile, level in zip(tiles, levels, strict=True):
        assert tile.show(*frame_of(level, (48, 64) if level != 180 else (64, 24)))
    _, whole = sink.shown[-1]
    assert whole.shape == (720, 1280, 3)
    middles = [whole[y, x, 0] for y in (200, 560) for x in (320, 960)]
    assert [int(level) for level in middles] == list(levels)
    # A tall image has margins.
    assert (whole[560, 20] == whole[560, 620]).all() and whole[560, 20, 0] < 60
    assert [frame.index for frame, _ in sink.shown] == [0, 1, 2, 3]
    # An image that was passed on does not change later.
    assert (sink.shown[0][1][560, 960] < 60).all()
    assert cameras[0].times.state == "starting"


def test_figures_and_states_are_written_above_the_images(monkeypatch):
    monkeypatch.setattr("visus.apps.live.mosaic._CAPTION_SECONDS", 0.0)
    cameras, mosaic, tiles, sink = mosaic_of(2)
    tiles[0].show(*frame_of(60))
    before = sink.shown[-1][1]
    assert before[2:20, :200].std() > 10 and before[2:20, 640:840].std() > 10
    for i in range(10):
        cameras[0].times.add(i * 0.1, 0.05, 0.01, 0.0, 0.0)
    cameras[0].times.state = "live"
    time.sleep(0.05)
    tiles[0].show(*frame_of(60))
    assert (sink.shown[-1][1][:22, :640] != before[:22, :640]).any()
    assert cameras[0].times.short_line() == "10.0 frames/s  50 ms  dropped 0"
    assert mosaic.line() == "1 of 2 cameras live  10.0 frames/s"
    cameras[0].times.state = "no image for 5 s"
    assert cameras[0].times.short_line() == "no image for 5 s"
    assert mosaic.line() == "0 of 2 cameras live  0.0 frames/s"


def test_a_camera_without_an_image_has_a_note_and_all_can_be_stopped():
    _, _, tiles, sink = mosaic_of(3)
    assert tiles[2].announce("no image for 3 s")
    assert sink.shown[-1][1][400:700, 100:500].max() > 200, "the note is white"
    sink.continues = False
    assert not tiles[0].show(*frame_of(10))
    for tile in tiles:
        tile.close()
    assert sink.closed == 1


def test_all_cameras_at_once_are_shown_and_the_rate_is_bounded():
    start = time.perf_counter()
    _, _, tiles, sink = mosaic_of(8)
    for tile in tiles:
        tile.show(*frame_of(100))
    assert len(sink.shown) == 8
    for _ in range(50):
        for tile in tiles:
            tile.show(*frame_of(100))
    seconds = time.perf_counter() - start
    assert len(sink.shown) <= 8 + 30 * seconds + 1
