import pytest
import torch

from visus.apps.export.onnx_file import export_onnx
from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.networks import create_detector
from visus.tasks.detection.task import DetectionTask
from visus.vision.errors import VisusError
from visus.vision.scenes import SHAPES, make_scene


def created(architecture, backbone="test_resnet"):
    torch.manual_seed(0)
    return create_detector(
        architecture, len(SHAPES), backbone, image_size=(96, 128), channels=16, proposals=40
    )


def batch(seeds, mean, std):
    """Normalised images, and their targets."""
    scenes = [make_scene(seed, size=(96, 128), objects=(1, 3)) for seed in seeds]
    images = torch.stack([torch.from_numpy(scene.image).permute(2, 0, 1) for scene in scenes])
    targets = [
        {
            "boxes": torch.tensor([each.box for each in scene.objects], dtype=torch.float),
            "labels": torch.tensor([SHAPES.index(each.shape) for each in scene.objects]),
        }
        for scene in scenes
    ]
    shape = (1, 3, 1, 1)
    return (images - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape), targets


@pytest.mark.parametrize("architecture", ["rcnn", "fast_rcnn"])
def test_losses_fall_and_detections_are_boxes_in_the_image(architecture):
    detector, constants = created(architecture)
    images, targets = batch((1, 2), *constants)
    optimizer = torch.optim.Adam(detector.parameters(), 2e-3)
    first = None
    for _ in range(6):
        optimizer.zero_grad()
        losses = detector.train().losses(images, targets)
        assert tuple(losses) == detector.loss_names == ("loss_classifier", "loss_box_reg")
        loss = torch.stack(list(losses.values())).sum()
        first = first or float(loss.detach())
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.8 * first
    with torch.no_grad():
        boxes, scores, labels = detector.eval()(images)
    assert boxes.shape[:2] == scores.shape == labels.shape and len(boxes) == 2
    assert (boxes >= 0).all() and (boxes[..., 0::2] <= 128).all() and (boxes[..., 1::2] <= 96).all()
    assert labels.min() >= 0 and labels.max() < len(SHAPES)


def test_the_regions_are_searched_in_the_image_before_its_normalisation():
    detector, constants = created("fast_rcnn")
    images, _ = batch((3,), *constants)
    from torchvision.models.detection.image_list import ImageList

    from visus.vision.selective_search import selective_search

    (found,), losses = detector.detector.rpn(ImageList(images, [(96, 128)]), {})
    expected = selective_search(make_scene(3, size=(96, 128), objects=(1, 3)).image, 40)
    torch.testing.assert_close(found, torch.from_numpy(expected))
    assert not losses


def test_rcnn_takes_a_backbone_without_feature_maps_of_all_strides():
    detector, constants = created("rcnn", "convnet")
    images, _ = batch((1,), *constants)
    with torch.no_grad():
        assert detector.eval()(images)[0].shape[2] == 4


@pytest.mark.parametrize("architecture", ["rcnn", "fast_rcnn"])
def test_an_export_is_refused_with_the_remedy(architecture, tmp_path):
    info = DetectionInfo(
        image_size=(96, 128), class_names=SHAPES, in_channels=3, resize_mode="letterbox"
    )
    task = DetectionTask(info, architecture=architecture, backbone="test_resnet", channels=16)
    with pytest.raises(VisusError, match=r"cannot be exported.*model.architecture faster_rcnn"):
        export_onnx(task.eval(), tmp_path / "model.onnx", "fp32")
    assert not (tmp_path / "model.onnx").exists()
