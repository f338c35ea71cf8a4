import copy

import pytest
import torch
from torch import Tensor, nn

from visus.models.backbones import create_backbone
from visus.tasks.folded_norms import fold_frozen_norms

NETWORKS = ["tf_efficientnet_lite0", "resnet18", "resnet9", "mobilenetv3_small_050"]


def frozen(network: nn.Module) -> nn.Module:
    """Random statistics and double precision, in which rounding is no matter; norms are frozen."""
    torch.manual_seed(0)
    for module in network.double().train().modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.running_mean, 0, 0.1)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.1)
    return network


def loss(network: nn.Module, images: Tensor) -> Tensor:
    outputs = network(images)
    return torch.stack([each.square().mean() for each in outputs]).sum()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_and_all_gradients_are_equal(name: str) -> None:
    network = frozen(create_backbone(name))
    folded = copy.deepcopy(network)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert fold_frozen_norms(folded) == norms
    assert fold_frozen_norms(folded) == 0
    images = torch.randn(2, 3, 65, 64, dtype=torch.double)
    expected, value = loss(network, images), loss(folded, images)
    torch.testing.assert_close(value, expected)
    expected.backward()
    value.backward()
    for (key, parameter), other in zip(
        network.named_parameters(), folded.parameters(), strict=True
    ):
        torch.testing.assert_close(other.grad, parameter.grad, msg=key)


def test_nothing_else_changes() -> None:
    network = frozen(create_backbone("resnet18"))
    folded = copy.deepcopy(network)
    fold_frozen_norms(folded)
    images = torch.randn(2, 3, 64, 64, dtype=torch.double)
    assert list(folded.state_dict()) == list(network.state_dict())
    with torch.no_grad():
        assert torch.equal(folded(images)[-1], network(images)[-1])
    # A copy computes with its own weights.
    emptied = copy.deepcopy(folded)
    nn.init.zeros_(emptied.get_parameter("network.conv1.weight"))
    assert not torch.equal(emptied(images)[0], folded(images)[0])
    # Norms that are unfrozen again update their statistics.
    for each in (network, folded):
        each.train()
        loss(each, images)
    for expected, found in zip(network.buffers(), folded.buffers(), strict=True):
        assert torch.equal(expected, found)


class Shared(nn.Module):
    """The output of the convolution is used by its norm and added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.convolution(images)
        return maps + self.norm(maps)


class Untraceable(nn.Module):
    """What is computed depends on the values."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.norm(self.convolution(images))
        return maps if maps.sum() > 0 else -maps


@pytest.mark.parametrize("network", [Shared(), Untraceable(), nn.Sequential(nn.BatchNorm2d(3))])
def test_other_norms_are_left_as_they_are(network: nn.Module) -> None:
    assert fold_frozen_norms(network) == 0
