import numpy as np

from visus.datamodules.detection.anchors import fit_anchors, shape_iou


def test_anchors_take_the_shapes_of_the_boxes():
    rng = np.random.default_rng(0)
    kinds = np.array([[20, 10], [10, 22], [60, 60], [100, 200]])
    shapes = kinds[rng.integers(0, 4, 800)] * rng.normal(1, 0.03, (800, 2))
    default = np.array(fit_anchors(np.zeros((0, 2)))).reshape(-1, 2)
    fitted = np.array(fit_anchors(shapes))
    assert fitted.shape == (5, 3, 2)
    assert shape_iou(shapes, fitted.reshape(-1, 2)).max(1).mean() > 0.9
    assert shape_iou(shapes, default).max(1).mean() < 0.85
    # A level without boxes keeps the default anchors.
    np.testing.assert_allclose(fitted[1].prod(1) ** 0.5, 32, rtol=0.01)


def test_iou_of_shapes_by_hand():
    iou = shape_iou(np.array([[10.0, 20]]), np.array([[10.0, 20], [20, 10], [5, 10]]))
    np.testing.assert_allclose(iou, [[1, 100 / 300, 0.25]])
