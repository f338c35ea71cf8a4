"""What layers cost: multiply-adds, and the values that they read and write."""

import torch
from torch import nn

from visus.models.costs import count_multiply_adds, estimate_cost, layer_costs


def test_each_layer_is_counted_for_every_time_that_it_runs():
    shared = nn.Conv2d(4, 4, 3, padding=1, groups=4)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, stride=2, padding=1), shared, nn.Flatten(), nn.Linear(4 * 8 * 8, 10)
    )
    images = torch.rand(1, 3, 16, 16)
    first, depthwise, linear = layer_costs(network, network, images).values()
    assert (first.multiply_adds, first.read, first.written) == (
        4 * 64 * 27,
        3 * 256,
        4 * 64,
    )
    assert (depthwise.multiply_adds, depthwise.read, depthwise.written) == (4 * 64 * 9, 256, 256)
    assert (linear.multiply_adds, linear.read, linear.written) == (2560, 256, 10)

    def twice(each):
        return network[2:](shared(shared(network[0](each))))

    again = layer_costs(network, twice, images)[shared]
    assert again == depthwise + depthwise
    added = depthwise.multiply_adds
    assert count_multiply_adds(network, twice, images) == added + count_multiply_adds(
        network, network, images
    )


def test_layers_of_few_channels_at_a_high_resolution_cost_more_than_their_multiply_adds():
    fine, coarse = nn.Conv2d(8, 8, 1), nn.Conv2d(64, 64, 1)
    large, small = torch.rand(1, 8, 64, 64), torch.rand(1, 64, 8, 8)
    assert count_multiply_adds(fine, fine, large) == count_multiply_adds(coarse, coarse, small)
    assert estimate_cost(fine, fine, large) > 2 * estimate_cost(coarse, coarse, small)
