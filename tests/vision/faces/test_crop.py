import numpy as np

from visus.vision.faces.crop import crop_problem, cut_square, face_square
from visus.vision.faces.found import FoundFaces

FRONTAL = np.array([(80, 90), (120, 90), (100, 110), (85, 130), (115, 130)], np.float32)


def face_at(landmarks, box=(60, 60, 140, 150), size=(300, 300)):
    boxes, scores = np.array([box], np.float32), np.ones(1, np.float32)
    return FoundFaces(boxes, scores, landmarks[None], size)


def test_the_square_surrounds_the_face_at_every_scale():
    left, top, side = face_square(FRONTAL)
    assert left < 80 and left + side > 120 and top < 90 and top + side > 130
    np.testing.assert_allclose(face_square(FRONTAL * 2), np.array([left, top, side]) * 2, rtol=1e-6)
    many = face_square(np.stack([FRONTAL, FRONTAL + 7]))
    np.testing.assert_allclose(many[1] - many[0], [7, 7, 0], atol=1e-4)


def test_crops_keep_the_position_of_pixels_and_are_black_outside():
    image = np.zeros((300, 300, 3), np.uint8)
    image[100:140, 100:140] = 255
    crop = cut_square(image, np.array([80, 80, 80]), (40, 40))
    assert crop[20, 20].tolist() == [255] * 3 and crop[4, 4].tolist() == [0] * 3
    bright = np.argwhere(crop[..., 0] > 127)
    np.testing.assert_array_equal(bright.min(0), [10, 10])
    np.testing.assert_array_equal(bright.max(0), [29, 29])
    small = cut_square(np.full((300, 300, 3), 200, np.uint8), np.array([-150, 0, 300]), (20, 20))
    assert small[10, 2].max() == 0 and small[10, 17].min() == 200


def test_unsuitable_faces_have_a_problem():
    assert crop_problem(face_at(FRONTAL), 0) == ""
    small = face_at(FRONTAL, box=(90, 90, 110, 115))
    assert crop_problem(small, 0) == "too small: 20 pixels, 32 needed"
    assert crop_problem(face_at(FRONTAL, size=(300, 110)), 0) == "partly outside the image"
    assert crop_problem(face_at(FRONTAL - [79, 0]), 0) == "partly outside the image"
    profile = FRONTAL.copy()
    profile[2] = (130, 110)
    assert crop_problem(face_at(profile), 0) == "turned away too far"
