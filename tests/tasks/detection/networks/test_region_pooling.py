import torch
from hypothesis import given
from hypothesis import strategies as st
from torchvision.ops import MultiScaleRoIAlign

from visus.tasks.detection.networks.region_pooling import RegionPooling

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
