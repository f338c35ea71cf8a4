import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.models.face3d.camera import rotation_from_angles
from visus.tasks.face3d.metrics import Face3DMetrics, FaceShape, align, landmark_nme, rotation_error
from visus.vision.faces.crop import cut_square, face_square

RNG = np.random.default_rng(0)
POINTS = RNG.normal(0, 50, (200, 3))


@given(st.tuples(*[st.floats(-170, 170)] * 3), st.floats(0.5, 2.0))
def test_rotated_translated_and_scaled_points_are_aligned(angles, scale):
    turned = POINTS @ rotation_from_angles(np.array(angles)).astype(float).T + (3, -7, 20)
    np.testing.assert_allclose(align(turned, POINTS, scaled=False), POINTS, atol=1e-3)
    np.testing.assert_allclose(align(turned * scale, POINTS, scaled=True), POINTS, atol=1e-3)


def test_size_counts_without_scaling():
    error = np.linalg.norm(align(POINTS * 1.1, POINTS, scaled=False) - POINTS, axis=1).mean()
    expected = 0.1 * np.linalg.norm(POINTS - POINTS.mean(0), axis=1).mean()
    assert error == pytest.approx(expected, rel=1e-6)


def test_reflections_are_no_rotations():
    error = align(POINTS * (-1, 1, 1), POINTS, scaled=False) - POINTS
    assert np.linalg.norm(error, axis=1).mean() > 10


def test_metrics_by_hand():
    true = np.zeros((68, 2))
    true[1] = (8, 2)
    assert landmark_nme(true + np.array([0, 1]), true) == pytest.approx(1 / 4)
    rotation = rotation_from_angles(np.array([12.0, 0, 0]))
    assert rotation_error(rotation, np.eye(3)) == pytest.approx(12, abs=1e-3)
    metrics = Face3DMetrics(("jawOpen", "constant"))
    landmarks = RNG.normal(0, 9, (68, 2))
    for i in range(4):
        truth = FaceShape(POINTS, np.eye(3), landmarks, np.array([float(i), 1.0]))
        predicted = FaceShape(POINTS + 5, rotation, landmarks, np.array([-float(i), 1.0]))
        mean = FaceShape(POINTS * 1.1, np.eye(3), landmarks + 1, np.zeros(2))
        metrics.update(str(i), predicted, truth, mean)
    metrics.update_photographs([0.1, 0.3])
    values = metrics.compute().metrics
    assert values["vertex_error_mm"] == pytest.approx(0, abs=1e-9)
    assert values["mean_face_vertex_error_mm"] > 1
    assert values["mean_face_similarity_error_mm"] == pytest.approx(0, abs=1e-9)
    assert values["pose_error_deg"] == pytest.approx(12, abs=1e-3)
    assert values["landmark_nme"] == 0 < values["mean_face_landmark_nme"]
    assert values["correlation/jawOpen"] == pytest.approx(-1)
    # Constant coefficients have no correlation.
    assert "correlation/constant" not in values
    assert values["five_point_error"] == pytest.approx(0.2)
    assert Face3DMetrics(()).compute().metrics == {}


def test_the_square_follows_the_face():
    points = np.array([(40.0, 40), (60, 40), (50, 52), (43, 62), (57, 62)])
    left, top, side = face_square(points)
    assert left < 30 and left + side > 70 and top < 30 and top + side > 75
    np.testing.assert_allclose(
        face_square(points * 3 + (7, 9)), (left * 3 + 7, top * 3 + 9, side * 3), rtol=1e-5
    )


@pytest.mark.parametrize("zoom", [1, 4])
def test_the_square_is_cropped_at_its_position(zoom):
    image = np.zeros((200 * zoom, 300 * zoom, 3), np.uint8)
    image[80 * zoom : 120 * zoom, 150 * zoom : 190 * zoom] = 255
    cut = cut_square(image, np.array([130.0, 60, 80]) * zoom, (40, 40))
    expected = np.zeros((40, 40), np.uint8)
    expected[10:30, 10:30] = 255
    assert np.abs(cut[..., 0].astype(int) - expected).mean() < 2
    assert (cut_square(image, np.array([-500.0, 0, 80]), (8, 8)) == 0).all()
