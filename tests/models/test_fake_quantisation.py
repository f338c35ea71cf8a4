"""Networks that round as in int8: close to the exact one, trainable, exact again afterwards."""

import pytest
import torch
from torch import nn

from visus.models.backbones.classifier import create_classifier
from visus.models.fake_quantisation import fake_quantised


def test_layers_round_within_and_are_exact_again():
    torch.manual_seed(0)
    network, _ = create_classifier("resnet9", 5, 3, False, (32, 32), 0.0, width=8)
    network.eval()
    images, names = torch.rand(4, 3, 32, 32), set(network.state_dict())
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    exact = network(images)
    with fake_quantised(network):
        first = next(each for each in network.modules() if isinstance(each, nn.Conv2d))
        assert max(len(row.unique()) for row in first.weight.flatten(1)) <= 255
        rounded = network(images)
        error = (rounded - exact).std() / exact.std()
        assert 1e-6 < error < 0.1
        rounded.square().sum().backward()
    assert set(network.state_dict()) == names
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert torch.equal(network(images), exact)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_training_within_changes_the_weights_of_the_exact_network():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
    samples = torch.randn(256, 8)
    labels = (samples[:, 0] > samples[:, 1]).long()
    with fake_quantised(network):
        optimizer = torch.optim.Adam(network.parameters(), 0.02)
        for _ in range(60):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(samples), labels).backward()
            optimizer.step()
    assert (network(samples).argmax(1) == labels).float().mean() > 0.95
    with pytest.raises(RuntimeError), fake_quantised(network):
        raise RuntimeError
    assert set(network.state_dict()) == {"0.weight", "0.bias", "2.weight", "2.bias"}
