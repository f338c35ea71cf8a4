import numpy as np
import pytest
import torch

from visus.datamodules.action.augment import ClipTransform

FRAME = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)


def test_all_frames_of_a_clip_are_augmented_alike():
    transform = ClipTransform("clips", (32, 32), "crop", flip=True)
    results = []
    for seed in range(6):
        torch.manual_seed(seed)
        frames = transform([FRAME] * 5)
        assert frames.shape == (5, 32, 32, 3) and (frames == frames[0]).all()
        results.append(frames[0])
        torch.manual_seed(seed)
        assert (transform([FRAME] * 5) == frames).all()
    assert len({frame.tobytes() for frame in results}) == 6


@pytest.mark.parametrize("flip", [False, True])
def test_mirroring_is_optional(flip):
    # Dark on the left, bright on the right, whatever is cropped.
    ramp = np.tile(np.arange(0, 240, 4, dtype=np.uint8)[None, :, None], (40, 1, 3))
    transform = ClipTransform("clips", (32, 32), "crop", flip)
    mirrored = 0
    for seed in range(40):
        torch.manual_seed(seed)
        frame = transform([ramp])[0].astype(int)
        mirrored += frame[:, 0].sum() > frame[:, -1].sum()
    assert 10 < mirrored < 30 if flip else mirrored == 0
