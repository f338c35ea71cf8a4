import numpy as np
import pytest
import torch
from torch.nn import functional as F

from visus.apps.export.onnx_file import export_onnx
from visus.apps.inference.loading import load_model
from visus.tasks.segmentation.data_info import SegmentationInfo
from visus.tasks.segmentation.networks import create_segmenter
from visus.tasks.segmentation.networks.markov_field import MarkovRandomField
from visus.tasks.segmentation.task import SegmentationTask
from visus.vision.errors import VisusError


@pytest.mark.parametrize(("rows", "expected"), [(8, 16), (16, 16), (64, 64)])
def test_logits_of_any_resolution_are_refined(rows, expected):
    field = MarkovRandomField(3)
    refined = field(torch.randn(2, 3, 64, 64), torch.randn(2, 3, rows, rows))
    assert refined.shape == (2, 3, expected, expected)
    refined.sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in field.parameters())


def test_without_training_a_wrong_cell_takes_the_label_of_its_neighbours_of_its_colour():
    torch.manual_seed(0)
    image = -torch.ones(1, 3, 64, 64)
    image[..., 32:] = 1
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    labels[..., 8:] = 1
    noisy = labels.clone()
    noisy[0, 5, 3], noisy[0, 9, 12] = 1, 0
    logits = (F.one_hot(noisy, 2).permute(0, 3, 1, 2) - 0.5) * 0.6
    refined = MarkovRandomField(2)(image, logits).argmax(1)
    # The edge between the two colours stays where it is.
    assert torch.equal(refined, labels)


def test_it_learns_which_labels_occur_beside_each_other():
    # Label 2 is below label 1 and never below label 0; the logits cannot tell 2 from 3.
    torch.manual_seed(0)
    field = MarkovRandomField(4)
    optimizer = torch.optim.Adam(field.parameters(), 0.03)
    image = torch.zeros(8, 3, 32, 32)
    upper = torch.arange(8) % 2
    target = torch.zeros(8, 8, 8, dtype=torch.long)
    target[:, :4], target[:, 4:] = upper[:, None, None], (3 - upper)[:, None, None]
    logits = 2.0 * F.one_hot(target, 4).permute(0, 3, 1, 2)
    logits[:, 2:, 4:] = 1.0
    accuracy = []
    for _ in range(60):
        optimizer.zero_grad()
        refined = field(image, logits)
        accuracy.append(float((refined.argmax(1) == target).float().mean()))
        F.cross_entropy(refined, target).backward()
        optimizer.step()
    assert accuracy[0] < 0.8 and accuracy[-1] > 0.97


@pytest.mark.parametrize("architecture", ["fcn", "unet", "deeplabv3_mobilenet_v3_large"])
def test_it_follows_any_segmenter(architecture):
    network, _ = create_segmenter(
        architecture, 3, "test_resnet", image_size=(64, 64), channels=16, refine="mrf"
    )
    assert isinstance(network.refinement, MarkovRandomField)
    assert network.eval()(torch.zeros(1, 3, 64, 64)).shape[1] == 3
    with pytest.raises(VisusError, match=r"model.refine 'crf' is unknown; choose from none, mrf"):
        create_segmenter(architecture, 3, "test_resnet", refine="crf")


def test_an_exported_file_has_the_same_logits(tmp_path):
    torch.manual_seed(0)
    info = SegmentationInfo(
        image_size=(64, 96), class_names=("a", "b", "c"), in_channels=3, resize_mode="letterbox"
    )
    task = SegmentationTask(
        info, architecture="fcn", backbone="test_resnet", refine="mrf", upsampling="joint_bilateral"
    ).eval()
    export_onnx(task, tmp_path / "model.onnx", "fp32")
    images = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96), np.uint8)
    (exported,) = load_model(str(tmp_path / "model.onnx")).run(images)
    with torch.no_grad():
        (expected,) = task(torch.from_numpy(images))
    np.testing.assert_allclose(exported, expected.numpy(), atol=2e-3)
