import numpy as np
import torch
from torch.nn import functional as F

from visus.apps.export.onnx_file import export_onnx
from visus.apps.inference.loading import load_model
from visus.tasks.classification.data_info import ClassificationInfo
from visus.tasks.classification.explain import explain
from visus.tasks.classification.networks import SpatialTransformer
from visus.tasks.classification.networks.spatial_transformer import resample
from visus.tasks.classification.task import ClassificationTask


def classifier(front="spatial_transformer"):
    info = ClassificationInfo(
        image_size=(40, 48), class_names=("a", "b"), in_channels=1, resize_mode="stretch"
    )
    return ClassificationTask(info, backbone="convnet", front=front).eval()


def enlarged(task, affine):
    """Give the task's front a fixed affine map."""
    with torch.no_grad():
        task.front.to_affine.bias.copy_(torch.tensor(affine).flatten())


def test_it_starts_as_the_identity():
    images = torch.randn(2, 3, 90, 70)
    torch.testing.assert_close(SpatialTransformer(3)(images), images, atol=1e-4, rtol=0)


def test_the_grid_is_that_of_pytorch():
    images, affine = torch.randn(2, 1, 9, 13), torch.randn(2, 2, 3)
    grid = F.affine_grid(affine, [2, 1, 9, 13], align_corners=False)
    expected = F.grid_sample(images, grid, align_corners=False)
    torch.testing.assert_close(resample(images, affine), expected, atol=1e-5, rtol=1e-5)


def test_it_learns_to_find_a_shifted_square():
    torch.manual_seed(0)
    front = SpatialTransformer(1, width=8)
    optimizer = torch.optim.Adam(front.parameters(), 3e-3)

    def centred(steps):
        for _ in range(steps):
            images = torch.zeros(32, 1, 32, 32)
            for image, (x, y) in zip(images, torch.randint(2, 20, (32, 2)), strict=True):
                image[:, y : y + 10, x : x + 10] = 1
            optimizer.zero_grad()
            loss = (front(images)[:, :, 11:21, 11:21] - 1).square().mean()
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    assert centred(1) > 0.5
    assert centred(80) < 0.2


def test_the_region_is_outlined_and_maps_return_to_the_image():
    front = SpatialTransformer(1).eval()
    with torch.no_grad():
        front.to_affine.bias.copy_(torch.tensor([0.5, 0, 0.5, 0, 0.5, -0.5]))
    images = torch.zeros(1, 1, 40, 80)
    with torch.no_grad():
        (corners,) = front.outline(images)
        heat = front.to_image(torch.ones(1, 1, 40, 80), images)[0, 0]
    # The upper right quarter of the image.
    assert corners.tolist() == [[40, 0], [80, 0], [80, 20], [40, 20]]
    assert heat[2:18, 42:78].min() == 1 and heat[:, :38].max() == 0 and heat[22:].max() == 0


def test_its_region_is_drawn_by_explain():
    task = classifier()
    enlarged(task, [0.5, 0.0, 0.5, 0.0, 0.5, -0.5])
    image = np.full((40, 48, 3), 90, np.uint8)
    explanations = explain(task, image)
    assert explanations[-1].caption == "spatial transformer"
    changed = (explanations[-1].image != image).any(-1)
    assert changed[:, 24:].any() and not changed[:, :22].any() and not changed[23:].any()
    plain = explain(classifier("none"), image)
    assert [each.caption for each in plain] == [each.caption for each in explanations[:-1]]


def test_an_exported_file_has_the_same_logits(tmp_path):
    task = classifier()
    enlarged(task, [0.6, 0.1, 0.2, -0.1, 0.7, 0.1])
    export_onnx(task, tmp_path / "model.onnx", "fp32")
    images = np.random.default_rng(0).integers(0, 256, (1, 1, 40, 48), np.uint8)
    (exported,) = load_model(str(tmp_path / "model.onnx")).run(images)
    with torch.no_grad():
        (expected,) = task(torch.from_numpy(images))
    np.testing.assert_allclose(exported, expected.numpy(), atol=1e-4)


def test_features_of_a_trained_front_are_not_cached():
    info = {"image_size": (28, 28), "class_names": ("a", "b"), "in_channels": 1}
    for front, cached in (("none", True), ("spatial_transformer", False)):
        task = ClassificationTask(
            ClassificationInfo(**info, resize_mode="stretch"),
            backbone="convnet",
            freeze_epochs=-1,
            front=front,
        )
        assert (task.feature_fingerprint() is not None) == cached


def test_positions_are_exact_in_mixed_precision():
    images = torch.randn(1, 3, 224, 224)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = SpatialTransformer(3)(images)
    torch.testing.assert_close(found, images, atol=1e-3, rtol=0)
