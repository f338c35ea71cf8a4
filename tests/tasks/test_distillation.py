"""Which models can be compressed, and the losses by which a student imitates its teacher."""

import pytest
import torch

from visus.models.backbones.classifier import create_classifier
from visus.models.channel_statistics import ChannelStatistics
from visus.models.costs import estimate_cost
from visus.models.pruning import prune
from visus.tasks.detection.data_info import DetectionInfo
from visus.tasks.detection.task import DetectionTask
from visus.tasks.distillation import class_imitation, label_imitation
from visus.tasks.folded_norms import fold_frozen_norms, unfold_norms
from visus.tasks.registry import task_spec
from visus.vision.errors import VisusError

INFO = {
    "image_size": (64, 64),
    "class_names": ("a", "b"),
    "in_channels": 3,
    "resize_mode": "letterbox",
}


def detector(**options):
    torch.manual_seed(0)
    info = DetectionInfo(
        image_size=(64, 64), class_names=("a", "b"), in_channels=3, resize_mode="letterbox"
    )
    return DetectionTask(data_info=info, backbone="test_resnet", channels=16, **options).eval()


def test_detectors_of_two_stages_and_other_tasks_are_refused():
    task = detector()
    with pytest.raises(VisusError, match="architecture faster_rcnn cannot be compressed"):
        task.spec.distillation(task)
    with pytest.raises(VisusError, match=r"models for .* cannot be compressed"):
        task_spec("captioning").distillation(task)


@pytest.mark.parametrize("imitation", [class_imitation, label_imitation])
def test_imitation_is_least_for_the_teachers_own_outputs(imitation):
    torch.manual_seed(0)
    teacher, other = torch.randn(4, 5), torch.randn(4, 5)
    own, different = imitation(teacher, teacher), imitation(other, teacher)
    assert own < different
    student = teacher.clone().requires_grad_(True)
    imitation(student, teacher).backward()
    assert student.grad.abs().max() < 1e-5


def test_a_network_with_folded_norms_is_traced_again_once_they_are_unfolded():
    torch.manual_seed(0)
    network, _ = create_classifier("tf_efficientnet_lite0", 3, 3, False, (32, 32), 0.0)
    assert fold_frozen_norms(network.eval()) > 40
    unfold_norms(network)
    images = torch.rand(1, 3, 32, 32)
    statistics = ChannelStatistics(network)
    with statistics.recording():
        network(images).sum().backward()
    cost = estimate_cost(network, network, images)
    fixed = [network.get_submodule("head")]
    prune(network, network, images, fixed, int(0.8 * cost), statistics)
    assert estimate_cost(network, network, images) <= 0.8 * cost
    assert fold_frozen_norms(network) > 40


def test_a_detectors_imitation_is_least_for_its_own_outputs():
    task = detector(architecture="one_stage")
    parts = task.spec.distillation(task)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        own = parts.run(task, images)
        other = [each + torch.randn_like(each) for each in own]
        assert len(own) == len(parts.imitated)
        assert parts.loss(own, own) < parts.loss(other, own)
