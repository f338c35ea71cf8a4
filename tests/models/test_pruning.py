"""Pruned networks: fewer multiply-adds, sizes as plain values, unimportant channels gone."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from visus.models.backbones.classifier import create_classifier
from visus.models.channel_statistics import ChannelStatistics
from visus.models.channels import apply_plan, layer_sizes, plan_between
from visus.models.costs import estimate_cost
from visus.models.pruning import prune
from visus.vision.errors import VisusError


def classifier(name="resnet9", size=32):
    torch.manual_seed(0)
    network, _ = create_classifier(name, 5, 3, False, (size, size), 0.0)
    return network.eval()


def statistics_of(network, images):
    """The importance of channels for the squared outputs."""
    statistics = ChannelStatistics(network)
    with statistics.recording():
        network(images).square().mean().backward()
    return statistics


@pytest.mark.parametrize("name", ["resnet9", "test_resnet", "mobilenetv3_small_050"])
def test_a_pruned_network_is_built_again_from_plain_values(name):
    network, images = classifier(name), torch.rand(1, 3, 32, 32)
    before, cost = layer_sizes(network), estimate_cost(network, network, images)
    last = [each for each in network.modules() if isinstance(each, nn.Linear)][-1]
    statistics = statistics_of(network, torch.rand(4, 3, 32, 32))
    prune(network, network, images, [last], int(0.6 * cost), statistics)
    left = estimate_cost(network, network, images)
    assert 0.4 * cost < left <= 0.6 * cost
    plan = plan_between(before, layer_sizes(network))
    again = classifier(name)
    apply_plan(again, plan)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again(images), network(images)) and network(images).shape == (1, 5)


def test_channels_without_influence_go_first():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 4, 1)).eval()
    with torch.no_grad():
        network[2].weight[:, ::2] = 0
    images = torch.rand(2, 3, 16, 16)
    expected, cost = network(images), estimate_cost(network, network, images[:1])
    statistics = statistics_of(network, images)
    prune(network, network, images[:1], [network[2]], int(0.55 * cost), statistics)
    assert network[0].out_channels == 16
    assert torch.allclose(network(images), expected, atol=1e-6)


def test_layers_whose_channels_matter_keep_them():
    torch.manual_seed(0)
    layers = [nn.Conv2d(64, 64, 1) for _ in range(24)]
    for layer in layers:
        nn.init.orthogonal_(layer.weight)
    network = nn.Sequential(nn.Conv2d(3, 64, 3), *layers, nn.Conv2d(64, 4, 1)).eval()
    with torch.no_grad():
        network[3].weight[:, 16:] = 0
    images = torch.rand(2, 3, 16, 16)
    expected, cost = network(images), estimate_cost(network, network, images[:1])
    # Of the layer before, and of what reads it, three quarters can go.
    free = 2 * 48 * 64 * 14 * 14
    statistics = statistics_of(network, images)
    prune(network, network, images[:1], [network[-1]], cost - free + 1000, statistics)
    assert [each.out_channels for each in network] == [64, 64, 16, *[64] * 22, 4]
    assert torch.allclose(network(images), expected, atol=1e-6)


def test_channels_that_others_determine_are_replaced_by_them():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 32, 3), nn.Conv2d(32, 4, 3, padding=1)).eval()
    with torch.no_grad():
        # Without an activation between, half of the channels are sums of the others.
        mixing = torch.randn(16, 16) / 4
        network[0].weight[16:] = torch.einsum("ij,jklm->iklm", mixing, network[0].weight[:16])
        network[0].bias[16:] = mixing @ network[0].bias[:16]
    images = torch.rand(8, 3, 16, 16)
    expected, cost = network(images), estimate_cost(network, network, images[:1])
    statistics = statistics_of(network, images)
    prune(network, network, images[:1], [network[1]], int(0.6 * cost), statistics)
    assert network[0].out_channels == 16
    # The padding has no samples of its own.
    error = (network(images) - expected)[..., 1:-1, 1:-1].std() / expected.std()
    assert error < 0.02


def test_a_layer_that_cannot_be_pruned_is_named():
    network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.GroupNorm(4, 16), nn.Conv2d(16, 2, 1))
    with pytest.raises(VisusError, match=r"layer 1 \(GroupNorm\) cannot be pruned"):
        prune(network, network, torch.rand(1, 3, 8, 8), [], 1, ChannelStatistics(network))


def test_a_grouped_layer_is_named():
    network = nn.Sequential(
        nn.Conv2d(4, 16, 3), nn.Conv2d(16, 16, 3, groups=4), nn.Conv2d(16, 2, 1)
    )
    with pytest.raises(VisusError, match=r"layer 1 \(Conv2d of 4 groups\) cannot be pruned"):
        prune(network, network, torch.rand(1, 4, 8, 8), [], 1, ChannelStatistics(network))


class Joined(nn.Module):
    """A few channels, and many, are concatenated and read by one layer."""

    def __init__(self):
        super().__init__()
        self.few, self.many = nn.Conv2d(3, 16, 1), nn.Conv2d(3, 112, 1)
        self.reader = nn.Conv2d(128, 64, 3, padding=1)
        self.last = nn.Conv2d(64, 2, 1)

    def forward(self, images):
        return self.last(self.reader(torch.cat([self.few(images), self.many(images)], 1)))


def test_channels_of_a_concatenation_cost_their_part_of_what_reads_them(monkeypatch):
    from visus.models import pruning

    torch.manual_seed(0)
    network, images = Joined().eval(), torch.rand(2, 3, 16, 16)
    found, choose = {}, pruning._choose

    def remember(chunks, saving):
        found.update({each.group.root: each.group.saving for each in chunks})
        return choose(chunks, saving)

    monkeypatch.setattr(pruning, "_choose", remember)
    cost = estimate_cost(network, network, images[:1])
    statistics = statistics_of(network, images)
    prune(network, network, images[:1], [network.last], int(0.95 * cost), statistics)
    # A channel is read in the same way whichever layer has computed it.
    assert found[network.few] == pytest.approx(found[network.many])


def test_a_target_out_of_reach_is_an_error():
    network = classifier()
    with pytest.raises(VisusError, match="no channels are left to prune"):
        prune(
            network,
            network,
            torch.rand(1, 3, 32, 32),
            [network.head],
            10,
            ChannelStatistics(network),
        )


SIZES = st.one_of(st.integers(-3, 100), st.booleans(), st.text(max_size=3), st.floats(), st.none())


@given(
    st.dictionaries(
        st.sampled_from(["0", "1", "2", "3", "x", ""]),
        st.dictionaries(
            st.sampled_from(["out_channels", "in_channels", "groups", "num_features", "bias"]),
            SIZES,
            max_size=3,
        ),
        max_size=3,
    )
)
def test_a_wrong_plan_is_refused_or_gives_a_network_of_these_sizes(plan):
    network = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, groups=4)
    )
    before = layer_sizes(network)
    try:
        apply_plan(network, plan)
    except ValueError:
        return
    for name, sizes in layer_sizes(network).items():
        assert sizes == {**before[name], **plan.get(name, {})}
    assert network[0].weight.shape[:2] == (network[0].out_channels, network[0].in_channels)
