import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from visus.vision.faces.alignment import align_face, sharpness, similarity_transform, template

number = st.floats(-100, 100)


@given(st.floats(-3.1, 3.1), st.floats(0.05, 20), number, number)
def test_a_similarity_transform_is_recovered(angle, scale, x, y):
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = template((150, 150))
    matrix = similarity_transform(points, points @ rotation.T + (x, y))
    np.testing.assert_allclose(matrix[:, :2], rotation, atol=1e-9 * max(1, scale))
    np.testing.assert_allclose(matrix[:, 2], (x, y), atol=1e-6)


def test_a_mirrored_face_is_rotated_but_never_mirrored():
    points = template((112, 112))
    matrix = similarity_transform(points, points * (-1, 1))
    assert np.linalg.det(matrix[:, :2]) >= 0


@pytest.mark.parametrize("bad", [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_points_without_extent_are_refused(bad):
    with pytest.raises(ValueError, match="no alignment"):
        similarity_transform(bad, template((150, 150)))


@pytest.mark.parametrize(("zoom", "shift"), [(0.7, 30), (5.0, 100)])
def test_aligned_landmarks_lie_on_the_template(zoom, shift):
    landmarks = template((150, 150)) * zoom + shift
    image = np.zeros((1000, 1000, 3), np.uint8)
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)]
    for (x, y), colour in zip(landmarks.round().astype(int), colours, strict=True):
        size = max(2, round(4 * zoom))
        image[y - size : y + size, x - size : x + size] = colour
    face = align_face(image, landmarks, (112, 112))
    assert face.shape == (112, 112, 3)
    for (x, y), colour in zip(template((112, 112)).round().astype(int), colours, strict=True):
        assert np.abs(face[y, x].astype(int) - colour).max() < 60


def test_blur_is_less_sharp():
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert sharpness(noise) > 100 > sharpness(np.full((64, 64, 3), 90, np.uint8)) == 0
