"""Procedural clips: single frames are at chance, and movement is not."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import KNeighborsClassifier

from visus.datamodules.action.moving_shapes import ACTIONS, MovingShape
from visus.datamodules.action.scenes import ScenesActionData

TIMES = (0.0, 1.0, 1.75)
COUNT = 800


@pytest.fixture(scope="module")
def shapes():
    return [MovingShape(seed, (32, 32)) for seed in range(2 * COUNT)]


def accuracy(features, kind=LinearDiscriminantAnalysis):
    """Of a classifier that is trained on one half of the clips, on the other half."""
    labels = np.arange(2 * COUNT) % len(ACTIONS)
    model = kind().fit(features[:COUNT], labels[:COUNT])
    return model.score(features[COUNT:], labels[COUNT:])


def statistics(frame):
    """Where the shape stands out, how large it is, and the colours of a coarse copy."""
    image = frame.astype(float)
    coarse = image.reshape(8, 4, 8, 4, 3).mean((1, 3))
    far = np.abs(image - np.median(image, (0, 1))).sum(2)
    mass = (far > 100).astype(float)
    return [*coarse.ravel() / 255, *mass.mean(0), *mass.mean(1), mass.mean()]


def test_a_single_frame_is_at_chance(shapes):
    chance = 1 / len(ACTIONS)
    error = np.sqrt(chance * (1 - chance) / COUNT)
    for time in TIMES:
        found = accuracy(np.array([statistics(shape.frame(time)) for shape in shapes]))
        assert abs(found - chance) < 3.5 * error, time


def test_the_states_of_one_time_are_at_chance_and_their_changes_are_not(shapes):
    def features(time):
        states = [shape.state(time) for shape in shapes]
        return np.array([
            (*s.centre, s.radius, np.cos(s.angle), np.sin(s.angle)) for s in states
        ])  # fmt: skip

    first, last = features(0.0), features(0.25)
    assert accuracy(first) < 0.18 and accuracy(last) < 0.18
    # What leaves the image on one side enters it on the other, and so do sizes.
    moved = (last - first + 0.5) % 1 - 0.5
    turned = first[:, 3] * last[:, 4] - first[:, 4] * last[:, 3]
    changes = np.column_stack([moved[:, :2], last[:, 2] - first[:, 2], turned])
    signs = np.sign(changes * (np.abs(changes) > 1e-9))
    assert accuracy(signs, KNeighborsClassifier) > 0.9


def test_every_action_does_what_its_name_says():
    for seed, action in enumerate(ACTIONS):
        shape = MovingShape(seed)
        assert shape.action == action
        before, after = shape.state(0.5), shape.state(0.5 + 1e-3)
        change = np.subtract(after.centre, before.centre)
        expected = {
            "moves left": change[0] < 0, "moves right": change[0] > 0,
            "moves up": change[1] < 0, "moves down": change[1] > 0,
            "grows": after.radius > before.radius, "shrinks": after.radius < before.radius,
            "turns clockwise": after.angle > before.angle,
            "turns counter-clockwise": after.angle < before.angle,
        }  # fmt: skip
        assert [name for name, true in expected.items() if true] == [action]


def test_the_data_module_draws_endless_clips():
    data = ScenesActionData(count=16, frames=4, num_workers=0)
    train, val = data.dataset("train"), data.dataset("val")
    assert len(train) == 16 and len(val) == 4
    sample = val[0]
    assert sample["image"].shape == (4, 3, 64, 64)
    assert data.class_names[sample["label"]] == MovingShape(10**8).action
    assert np.array_equal(sample["image"][1].numpy().transpose(1, 2, 0),
                          MovingShape(10**8).frame(0.5))  # fmt: skip
    assert not {train.name(i) for i in range(16)} & {val.name(i) for i in range(4)}
    assert sample["image"].equal(ScenesActionData(count=16, frames=4).dataset("val")[0]["image"])
