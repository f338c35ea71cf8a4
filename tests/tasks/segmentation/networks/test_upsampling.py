import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from visus.tasks.segmentation.networks import create_segmenter
from visus.tasks.segmentation.networks.upsampling import JointBilateralUpsampling
from visus.vision.errors import VisusError


def test_mixed_precision_does_not_round_the_weights():
    torch.manual_seed(0)
    upsample = JointBilateralUpsampling()
    images, logits = torch.randn(1, 3, 32, 48), torch.randn(1, 4, 4, 6)
    expected = upsample(images, logits)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(upsample(images, logits), expected)


def pixel_by_pixel(images, logits, colour, distance, reach=2):
    """The paper's formula for arrays of shape (channels, height, width)."""
    _, height, width = images.shape
    rows, columns = logits.shape[1:]
    stride = max(-(-height // rows), -(-width // columns))
    padded = np.pad(
        images, ((0, 0), (0, rows * stride - height), (0, columns * stride - width)), "edge"
    )
    means = padded.reshape(len(images), rows, stride, columns, stride).mean((2, 4))
    result = np.zeros((len(logits), height, width))
    for y in range(height):
        for x in range(width):
            total = 0.0
            for r in range(y // stride - reach, y // stride + reach + 1):
                for c in range(x // stride - reach, x // stride + reach + 1):
                    inside = min(max(r, 0), rows - 1), min(max(c, 0), columns - 1)
                    difference = ((images[:, y, x] - means[:, inside[0], inside[1]]) ** 2).sum()
                    distant = (r - (y + 0.5) / stride + 0.5) ** 2 + (
                        c - (x + 0.5) / stride + 0.5
                    ) ** 2
                    weight = np.exp(-colour * difference - distance * distant)
                    result[:, y, x] += weight * logits[:, inside[0], inside[1]]
                    total += weight
            result[:, y, x] /= total
    return result


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 1000),
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    stride=st.integers(1, 4),
    missing=st.integers(0, 1),
    channels=st.sampled_from([1, 3]),
)
def test_it_agrees_with_the_papers_formula(seed, rows, columns, stride, missing, channels):
    missing = min(missing, stride - 1)
    rng = np.random.default_rng(seed)
    size = rows * stride - missing, columns * stride - missing
    images, logits = rng.uniform(-1, 1, (channels, *size)), rng.normal(size=(3, rows, columns))
    upsampling = JointBilateralUpsampling().double()
    colour, distance = (float(p.detach().exp()) for p in (upsampling.colour, upsampling.distance))
    with torch.no_grad():
        result = upsampling(torch.from_numpy(images)[None], torch.from_numpy(logits)[None])[0]
    np.testing.assert_allclose(result, pixel_by_pixel(images, logits, colour, distance), atol=1e-5)


def test_outlines_follow_the_image():
    rows, columns = np.mgrid[:48, :48]
    disc = torch.from_numpy((rows - 22) ** 2 + (columns - 25) ** 2 < 15**2)
    images = (disc * 1.2 - 0.6).float().expand(1, 3, 48, 48)
    images = images + 0.05 * torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    coarse = torch.nn.functional.avg_pool2d(disc[None, None].float(), 8) - 0.5
    logits = 8 * torch.cat([-coarse, coarse], 1)
    evenly = torch.nn.functional.interpolate(logits, size=(48, 48), mode="bilinear")
    wrong = [
        int((upsampled.argmax(1)[0].bool() != disc).sum())
        for upsampled in (JointBilateralUpsampling()(images, logits), evenly)
    ]
    assert wrong[0] == 0 and wrong[1] > 30


def test_it_is_trained_and_chosen_by_name():
    network, _ = create_segmenter("fcn", 3, "test_resnet", upsampling="joint_bilateral")
    images = torch.rand(2, 3, 70, 64)
    logits = network(images)
    assert logits.shape == (2, 3, 70, 64)
    logits[:, 0].square().sum().backward()
    for name in ("colour", "distance"):
        assert network.get_parameter(f"upsampling.{name}").grad.abs() > 0
    with pytest.raises(VisusError, match="is for fcn and deeplabv3plus, not unet"):
        create_segmenter("unet", 3, "test_resnet", upsampling="joint_bilateral")
    with pytest.raises(VisusError, match="'cubic' is unknown; choose from bilinear, joint_bilat"):
        create_segmenter("fcn", 3, "test_resnet", upsampling="cubic")
