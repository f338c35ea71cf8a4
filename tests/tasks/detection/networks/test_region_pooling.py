import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import MultiScaleRoIAlign, roi_align

from visus.tasks.detection.networks.region_pooling import RegionPooling, pool_regions

NAMES = ["fine", "coarse", "coarsest"]


@given(
    image_size=st.tuples(st.integers(70, 200), st.integers(70, 200)),
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=3),
    strides=st.sampled_from([(4, 8, 16), (16, 32), (32, 32), (8,)]),
    seed=st.integers(0, 1000),
)
def test_pools_as_torchvision_does(
    image_size: tuple[int, int], counts: list[int], strides: tuple[int, ...], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    height, width = image_size
    maps = {
        name: torch.rand(
            len(counts), 3, -(-height // stride), -(-width // stride), generator=generator
        )
        for name, stride in zip(NAMES, strides, strict=False)
    }
    maps["unused"] = torch.rand(len(counts), 3, 1, 1)
    boxes = []
    for count in counts:
        # From a pixel to the whole image, so that every map has its share.
        sides = 200 ** torch.rand(count, 2, generator=generator)
        corners = torch.rand(count, 2, generator=generator) * 70
        boxes.append(torch.cat([corners, corners + sides], dim=1))
    sizes = [image_size] * len(counts)
    pooled = RegionPooling(NAMES, 7, 2)(maps, boxes, sizes)
    assert pooled.shape == (sum(counts), 3, 7, 7)
    assert torch.equal(pooled, MultiScaleRoIAlign(NAMES, 7, 2)(maps, boxes, sizes))


@pytest.mark.parametrize(("size", "samples"), [((7, 7), 2), ((14, 7), 1)])
def test_values_and_gradients_are_those_of_roi_align(size: tuple[int, int], samples: int) -> None:
    torch.manual_seed(0)
    features = torch.randn(2, 8, 12, 16).to(memory_format=torch.channels_last)
    features.requires_grad_()
    # Inside, across the edges, beyond them, of no area, and the whole image.
    boxes = torch.tensor(
        [[9, 5, 40, 33], [-9, -7, 70, 60], [90, 90, 99, 99], [20, 20, 20, 20], [0, 0, 64, 48]]
    )
    regions = torch.cat([torch.tensor([[0], [1], [0], [1], [1]]), boxes], 1).float()
    expected = roi_align(features, regions, size, 0.25, samples)
    pooled = pool_regions(features, regions, size, 0.25, samples)
    torch.testing.assert_close(pooled, expected, rtol=1e-5, atol=1e-5)
    ahead = torch.randn_like(expected)
    gradients = [torch.autograd.grad(each, features, ahead)[0] for each in (pooled, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-5)


def test_no_regions_give_no_output() -> None:
    features = torch.randn(1, 4, 5, 5, requires_grad=True)
    pooled = pool_regions(features, torch.zeros(0, 5), (7, 7), 0.25, 2)
    assert pooled.shape == (0, 4, 7, 7)
    pooled.sum().backward()
