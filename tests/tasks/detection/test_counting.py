import argparse

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.tasks.detection.areas import named_areas, parse_line, parse_zone
from visus.tasks.detection.prediction import DetectionPrediction
from visus.tasks.detection.tracked_model import TrackedModel
from visus.vision.errors import VisusError
from visus.vision.model import Model

SIZE = (200, 300)


class Detector(Model):
    """Its predictions are passed to `apply_state` directly."""

    name, runtime, precision, workers = "detector", "torch", "fp32", 1

    def run(self, images): ...
    def preprocess(self, image): ...
    def predict_image(self, image): ...
    def set_option(self, name, value): ...


def tracked(lines=(), zones=()):
    lines = named_areas([parse_line(line) for line in lines])
    zones = named_areas([parse_zone(zone) for zone in zones])
    return TrackedModel(Detector(), 10.0, lines, zones)


def frame(*objects, scores=None):
    """Detections whose foot points are given, (x, y, class), in boxes of 20 x 20."""
    boxes = np.array([[x - 10, y - 20, x + 10, y] for x, y, _ in objects], np.float32)
    return DetectionPrediction(
        boxes.reshape(-1, 4),
        np.full(len(objects), 0.9, np.float32),
        np.array([kind for *_, kind in objects], np.int64),
        ("person", "car"),
        SIZE,
    )


def follow(model, path, kind=0, start=0.0, rate=10.0):
    """Move an object along a path of foot points; returns the last prediction."""
    for step, (x, y) in enumerate(path):
        result = model.apply_state(frame((x, y, kind)), start + step / rate)
    return result


def across(start, end, steps=20):
    return [tuple(point) for point in np.linspace(start, end, steps).tolist()]


def test_crossings_are_counted_in_both_directions_and_by_class():
    model = tracked(["door=150,20,150,180"])
    # From left to right of a line that points down: to its left.
    result = follow(model, across((50, 100), (250, 100)))
    assert result.to_json()["lines"] == [
        {"name": "door", "points": [[150, 20], [150, 180]], "in": {"person": 1}, "out": {}}
    ]
    result = follow(model, across((250, 60), (50, 60)), kind=1, start=10.0)
    assert result.to_json()["lines"][0]["out"] == {"car": 1}
    assert "door 1 in, 1 out" in result.summary()
    assert model.closing() == ["door 1 in, 1 out"]
    # Past the end of the line.
    follow(model, across((50, 195), (250, 195)), start=20.0)
    assert model.closing() == ["door 1 in, 1 out"]


@given(
    seed=st.integers(0, 2**16),
    jitter=st.floats(0, 0.9),
    frames=st.integers(10, 80),
)
def test_a_track_that_jitters_on_the_line_is_counted_once(seed, jitter, frames):
    """The jitter is in units of the margin, a tenth of the box."""
    rng = np.random.default_rng(seed)
    model = tracked(["150,0,150,200"])
    noise = rng.uniform(-2 * jitter, 2 * jitter, frames)
    path = [*across((100, 100), (145, 100)), *((150 + x, 100) for x in noise)]
    follow(model, path)
    path = across((155, 100), (200, 100))
    result = follow(model, path, start=(20 + frames) / 10)
    assert result.to_json()["lines"][0]["in"] == {"person": 1}
    assert result.to_json()["lines"][0]["out"] == {}


def test_a_crossing_that_was_hidden_is_counted():
    model = tracked(["0.5,0,0.5,1"])
    follow(model, across((50, 100), (120, 100), 15))
    for step in range(8):
        model.apply_state(frame(), 1.5 + step / 10)
    result = follow(model, across((165, 100), (230, 100), 14), start=2.3)
    assert result.lines[0].entered == {"person": 1} and set(result.tracks.tolist()) == {1}


def test_zones_count_who_is_inside_and_how_long():
    model = tracked(zones=["hall=0.4,0.2,0.8,0.2,0.8,0.9,0.4,0.9"])
    result = follow(model, across((60, 100), (180, 100), 13))
    (zone,) = result.to_json()["zones"]
    assert zone["inside"] == {"person": 1} and zone["entered"] == {"person": 1}
    (stay,) = zone["stays"]
    assert stay["track"] == 1 and stay["label"] == "person"
    # It was clearly inside from x = 122 on, at 10 pixels per frame.
    assert stay["seconds"] == pytest.approx(0.5)
    # Without a detection it stays for a second.
    for step in range(9):
        result = model.apply_state(frame(), 1.3 + step / 10)
    assert result.zones[0].inside == {"person": 1}
    result = model.apply_state(frame(), 2.3)
    assert result.zones[0].inside == {} and result.zones[0].entered == {"person": 1}
    assert "hall 0 inside, 1 entered" in result.summary()


def test_a_track_that_leaves_a_zone_ends_its_stay_and_is_counted_once():
    model = tracked(zones=["100,0,200,0,200,200,100,200"])
    there = across((60, 100), (140, 100), 17)
    result = follow(model, [*there, *reversed(there), *there])
    (zone,) = result.zones
    assert zone.entered == {"person": 1} and zone.stays[0].seconds < 1
    result = follow(model, list(reversed(there)), start=5.1)
    assert result.zones[0].stays == ()


def test_ended_tracks_are_forgotten():
    model = tracked(["0.5,0,0.5,1"], ["0,0,1,0,1,1"])
    for number in range(30):
        follow(model, across((50, 100), (250, 100), 10), start=10.0 * number, rate=5.0)
    counters = [*model._lines, *model._zones]
    assert all(len(counter._places) <= 1 for counter in counters)
    assert model.closing() == ["line1 30 in, 0 out", "zone1 30 entered"]


@pytest.mark.parametrize(
    ("parse", "text", "words"),
    [
        (parse_line, "1,2,3", "'1,2,3' has 3 coordinates; each point has two"),
        (parse_line, "1,2,3,4,5,6", "has 6 coordinates; a line has four"),
        (parse_line, "1,2,1,2", "begins and ends at one point"),
        (parse_line, "1,2,x,4", "'x' is not a coordinate"),
        (parse_line, "1,2,-3,4", "'-3' is not a coordinate"),
        (parse_line, "1,2,inf,4", "'inf' is not a coordinate"),
        (parse_line, "=1,2,3,4", "has no name before '='"),
        (parse_zone, "1,2,3,4", "has 2 points; a zone has at least three"),
        (parse_zone, "0,0,9,9,9,0,0,9", "sides 1 and 3 cross"),
        (parse_zone, "0,0,9,9,0,0,5,2", "has a point twice"),
        (parse_zone, "1,1,2,2,3,3", "all points lie on one line"),
    ],
)
def test_wrong_lines_and_zones_are_one_line_with_a_remedy(parse, text, words):
    with pytest.raises(argparse.ArgumentTypeError) as raised:
        parse(text)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_points_outside_the_image_and_equal_names_are_refused():
    model = tracked(["gate=10,10,400,10"])
    with pytest.raises(VisusError, match="--line gate: the point 400,10 lies outside the image of"):
        model.apply_state(frame(), 0.0)
    with pytest.raises(VisusError, match="two are named 'a'"):
        tracked(["a=1,2,3,4", "a=5,6,7,8"])
    assert [
        area.name for area in named_areas([parse_zone("0,0,1,0,1,1"), parse_zone("0,0,5,0,5,5")])
    ] == [
        "zone1",
        "zone2",
    ]
