import gc
import weakref

import torch
from torch import nn

from visus.models.channel_statistics import ChannelStatistics


def test_activations_are_freed_after_a_pass():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)).eval()
    statistics = ChannelStatistics(network)
    read = []
    network[1].register_forward_hook(lambda _, __, output: read.append(weakref.ref(output)))
    with statistics.recording():
        network(torch.rand(2, 3, 16, 16)).sum().backward()
    gc.collect()
    assert [each() for each in read] == [None]
    assert statistics.scores[network[2]].shape == (8,)
