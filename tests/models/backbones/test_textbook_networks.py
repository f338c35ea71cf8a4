import pytest
import torch
from torch.nn import functional as F

from visus.models.backbones.classifier import create_classifier
from visus.vision.scenes import make_scene

TEXTBOOKS = {
    "lenet5": 32,
    "alexnet": 64,
    "vgg11_bn": 32,
    "googlenet": 32,
    "inception_v3": 96,
    "resnet18": 32,
    "densenet121": 32,
    "mobilenetv3_small_050": 32,
    "convnext_atto": 32,
    "vit_tiny_patch16_224": 32,
}


@pytest.mark.parametrize(("name", "side"), TEXTBOOKS.items())
def test_two_steps_against_the_gradient_lower_the_loss(name, side):
    torch.manual_seed(0)
    network, backbone = create_classifier(name, 3, image_size=(side, side))
    scenes = [torch.from_numpy(make_scene(i, (side, side)).image) for i in range(6)]
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (backbone.mean, backbone.std))
    images = (torch.stack(scenes).permute(0, 3, 1, 2) - mean) / std
    labels = torch.arange(6) % 3
    parameters = list(network.parameters())
    losses = []
    for _ in range(2):
        loss = F.cross_entropy(network(images), labels)
        losses.append(float(loss.detach()))
        gradients = torch.autograd.grad(loss, parameters)
        # Steps of a fixed length: the gradients of deep networks at random weights differ a
        # thousandfold.
        length = torch.stack([gradient.norm() for gradient in gradients]).norm()
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.sub_(gradient, alpha=0.003 / float(length))
    with torch.no_grad():
        losses.append(float(F.cross_entropy(network(images), labels)))
    assert torch.tensor(losses).isfinite().all()
    assert losses[0] > losses[1] > losses[2]
