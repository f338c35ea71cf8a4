"""Networks on a scene, for the tests of inspection."""

import torch
from torch import nn

from visus.models.backbones.classifier import create_classifier
from visus.models.inspection.subject import Subject
from visus.vision.resize import to_channels, to_planes
from visus.vision.scenes import make_scene


def subject_of(network, channels=3, size=(64, 64), classes=0, body=None):
    """A network that takes pixels of 0 to 1."""
    scene = to_planes(to_channels(make_scene(3, size, (2, 3)).image, channels))[None]
    return Subject(
        network.eval(),
        lambda images: (network(images.float() / 255),),
        torch.from_numpy(scene),
        tuple(f"class {i}" for i in range(classes)),
        (lambda outputs: outputs[0].softmax(1)) if classes else None,
        body or network,
    )


def backbone_subject(name, channels=3, size=(64, 64)):
    """A classifier of ten classes with random weights."""
    torch.manual_seed(0)
    network, _ = create_classifier(name, 10, channels, image_size=size)
    for module in network.modules():
        # Statistics of an untrained norm would change nothing.
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-1, 1)
            module.running_var.uniform_(0.5, 2)
    return subject_of(network, channels, size, 10, network.get_submodule("body"))
